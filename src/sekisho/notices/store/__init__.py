"""The only SQL of notices, by noun."""
