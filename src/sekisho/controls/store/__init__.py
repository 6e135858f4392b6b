"""The controls room's only SQL."""
