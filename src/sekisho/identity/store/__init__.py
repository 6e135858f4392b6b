"""The only SQL of identity, by noun."""
