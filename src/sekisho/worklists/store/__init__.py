"""The room's only SQL."""
