"""The only SQL of detection."""
