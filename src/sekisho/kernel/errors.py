"""What can go wrong, by whose fault it is.

Six kinds are enough: code that catches an error decides by kind, and each kind is turned into an
HTTP status (``server/app.py``) and an exit code (``cli/main.py``) in exactly one place.
Every message says what was got and what was expected; the hint says what to do.
"""

from sekisho.kernel.i18n import Text


class SekishoError(Exception):
    """Base of everything Sekisho raises on purpose.

    ``message`` says what was got and what was expected, ``hint`` what to do about it.
    """

    status = 500

    def __init__(self, message: str | Text, *, hint: str | Text = "") -> None:
        super().__init__(str(message))
        self.message = message
        self.hint = hint


class InvalidInputError(SekishoError):
    """The caller sent something that cannot be accepted as it is."""

    status = 400


class UnauthenticatedError(SekishoError):
    """Nobody known is asking."""

    status = 401


class NotPermittedError(SekishoError):
    """The one who asks is known and may not do this."""

    status = 403


class StepUpNeededError(NotPermittedError):
    """The act needs a fresh proof of who is asking; pages lead to it and back."""


class NotFoundError(SekishoError):
    """There is no such thing, or the caller may not know that there is."""

    status = 404


class ConflictError(SekishoError):
    """The state has changed, or the act was done already."""

    status = 409


class TooLargeError(SekishoError):
    """More bytes or rows than are taken at once."""

    status = 413


class RateLimitedError(SekishoError):
    """Too many tries; ``retry_after_seconds`` says how long to wait."""

    status = 429

    def __init__(
        self, message: str | Text, *, retry_after_seconds: int, hint: str | Text = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(SekishoError):
    """Something that Sekisho needs does not answer; trying again later can help."""

    status = 503
