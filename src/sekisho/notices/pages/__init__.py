"""The pages of notices: one's own, and those of whoever answers for what leaves the house."""
