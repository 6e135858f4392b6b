"""One inbox of what is wrong, whoever found it."""
