"""The one error of this room: a message that is not what the protocol says."""


class MessageError(ValueError):
    """A message has the wrong shape; the text says what was got and what was expected."""
