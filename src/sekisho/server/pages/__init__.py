"""Pages that join rooms: the overview, rules, settings, a person's own devices, preferences."""
