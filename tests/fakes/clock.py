"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Gives the instant it was set to."""

    def __init__(self, start: datetime = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)) -> None:
        self.instant = start

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def advance(self, **parts: float) -> None:
        """Move on by ``timedelta(**parts)``; negative steps the clock back."""
        self.instant += timedelta(**parts)
