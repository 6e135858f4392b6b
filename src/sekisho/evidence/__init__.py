"""Evidence: what was decided or changed, chained so that nobody can quietly change it later."""
