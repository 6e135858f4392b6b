"""What a failed sending means: for this letter or for the whole channel, for now or for good.

Waits double from one minute to four hours; chance spreads them, so that a server that comes back
is not met by everyone at once (RFC 5321 section 4.5.4.1 asks for at least 30 minutes between
tries of one mail after the first, and for 4–5 days in all; a notice is worth trying sooner).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sekisho.notices.model import Fault

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=4)
LONGEST_ASKED_WAIT = timedelta(hours=24)
GIVE_UP_AFTER = timedelta(days=5)
_SPREAD = 0.5


class Scope(StrEnum):
    """What a failure stops."""

    LETTER = "letter"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Failure:
    """A sending that failed.

    ``final``: another try of the same letter cannot help. ``wait``: how long the other side asks
    us to wait (Retry-After).
    """

    scope: Scope
    fault: Fault
    final: bool = False
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a delivery: dead, or tried again at ``due_at``."""

    dead: bool
    due_at: datetime
    tries: int


def wait_after(failures: int, chance: float, asked: timedelta | None = None) -> timedelta:
    """Return how long to wait after ``failures`` in a row (from 1).

    ``chance`` in [0, 1) lengthens the wait by up to a half; what the other side asks for is the
    least, up to a day.
    """
    doubled = FIRST_WAIT * (1 << min(failures - 1, 20))
    wait = min(doubled, LONGEST_WAIT) * (1 + _SPREAD * chance)
    return max(wait, min(asked or timedelta(0), LONGEST_ASKED_WAIT))


def judge_failure(
    failure: Failure, tries: int, created_at: datetime, now: datetime, chance: float
) -> Outcome:
    """Return what becomes of a delivery whose sending failed after ``tries`` tries before."""
    if failure.scope is Scope.CHANNEL and now - created_at < GIVE_UP_AFTER:
        # The channel pauses as a whole; this letter is due as soon as the channel is back.
        return Outcome(dead=False, due_at=now, tries=tries)
    due_at = now + wait_after(tries + 1, chance, failure.wait)
    dead = failure.final or due_at - created_at > GIVE_UP_AFTER
    return Outcome(dead, due_at, tries + 1)
