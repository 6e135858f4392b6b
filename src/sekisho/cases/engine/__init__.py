"""Pure judgement of cases."""
