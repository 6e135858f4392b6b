"""Pages of identity for who is in: one's own account, and people."""
