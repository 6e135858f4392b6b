"""The base of what can go wrong with the agent before a person."""

from sekisho.wire.errors import SaidError


class AgentError(SaidError):
    """Something could not be done; the text says what was got and what to do."""
