"""The only SQL of this room, split by noun; tables are in ``tables.py``."""
