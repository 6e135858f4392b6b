"""Pages of this room beside the list of rules."""
