"""Messages between the endpoint agent and the server, as plain data with strict parsers.

Standard library only: the agent stays small, and both ends read a message the same way.
"""
