"""A typed client of our own API, for the command line, scripts and tests."""
