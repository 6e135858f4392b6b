"""Pages that join rooms: overview, one rule, settings, a person's own devices, preferences."""
