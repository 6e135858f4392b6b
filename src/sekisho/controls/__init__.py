"""Controls: the telework rules, the checks that prove them, and the verdicts reached."""
