"""When another try is allowed: a few are free, then each failure doubles the wait.

- Per account: guessable proofs (a six-digit code) get five free tries and waits of up to six
  hours, so that guessing from many addresses gains nothing (NIST SP 800-63B-4 section 3.2.2).
- Per address: twenty free tries, since an office may share one address; waits up to an hour.
- Failures fade after a quiet day, except that a block always runs to its end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from sekisho.identity.model import Attempts

_FADE = timedelta(days=1)
_MOST_DOUBLINGS = 20
_IPV6_PREFIX_GROUPS = 4  # a /64 is what one subscriber gets (RFC 6177)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are free, the first wait after them, and the longest."""

    free: int
    first: timedelta
    longest: timedelta


ACCOUNT = Limit(free=5, first=timedelta(seconds=30), longest=timedelta(hours=6))
ADDRESS = Limit(free=20, first=timedelta(seconds=30), longest=timedelta(hours=1))


def wait_of(limit: Limit, failures: int) -> timedelta:
    """Return how long to wait after ``failures`` in a row (zero while they are free)."""
    if failures < limit.free:
        return timedelta(0)
    doublings = min(failures - limit.free, _MOST_DOUBLINGS)
    return min(limit.first * (1 << doublings), limit.longest)


def count_failure(limit: Limit, before: Attempts, now: datetime) -> Attempts:
    """Return the state after one more failure at ``now``."""
    faded = before.last_at is None or now - before.last_at > _FADE
    failures = (0 if faded else before.failures) + 1
    wait = wait_of(limit, failures)
    return Attempts(failures, now, now + wait if wait else None)


def seconds_left(attempts: Attempts, now: datetime) -> int:
    """Return the whole seconds to wait before another try, 0 if it is allowed now."""
    if attempts.blocked_until is None or attempts.blocked_until <= now:
        return 0
    left = attempts.blocked_until - now
    return max(1, -(-int(left.total_seconds() * 1000) // 1000))


def group_address(address: str) -> str:
    """Return the unit that is limited: an IPv4 address, or the /64 of an IPv6 address.

    Anything that is no address is one unit of its own ("unknown"): doubt does not escape limits.
    """
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:  # noqa: PLR2004 - the IP version
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return ":".join(parsed.exploded.split(":")[:_IPV6_PREFIX_GROUPS]) + "::/64"
