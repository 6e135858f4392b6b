"""Pure judgement: what a rule means for an event, and what matches mean together."""
