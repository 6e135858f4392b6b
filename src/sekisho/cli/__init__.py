"""The command line: one module a noun; it prints, and leaves every decision to a service."""
