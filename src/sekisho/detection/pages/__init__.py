"""Pages of the rule library."""
