"""The only SQL of evidence, one file a noun."""
