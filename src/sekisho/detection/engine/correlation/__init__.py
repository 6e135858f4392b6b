"""What matches mean together: counted, measured and ordered in a sliding window, by group."""
