"""Which queries a device is asked now: due times and leases, in memory, 4 bytes a query.

Pure but for what it remembers; every call is told the time (seconds since 1970). Distributed
queries are the carrier of checks because they alone return status and message, even for an empty
result. All queries due are put in one read, so a device answers with one write; one that dies on
the way gets them again when the lease ends, at most ``MAX_OFFERS`` times, and then not before
the next round.
"""

import hashlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NEVER = 0
LEASE_SECONDS = 300
MAX_OFFERS = 3
CHECK_NOW_SECONDS = 300
_FAR = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Plan:
    """What one kind of device (platform and ownership) is asked: names, SQL, seconds between.

    ``digest`` changes with every name, text or interval, which makes all of it due again.
    ``partners`` are the places of the queries that go out with one, such as a check's
    precondition: answers that belong together come together.
    """

    names: tuple[str, ...]
    sql: tuple[str, ...]
    intervals: tuple[int, ...]
    digest: str
    index: Mapping[str, int]
    partners: tuple[tuple[int, ...], ...]

    @classmethod
    def build(
        cls,
        queries: Mapping[str, str],
        intervals: Mapping[str, int],
        usual: int,
        partners: Mapping[str, Iterable[str]] | None = None,
    ) -> "Plan":
        """Make a plan of ``queries`` (name → SQL); queries without an interval get ``usual``."""
        names = tuple(sorted(queries))
        sql = tuple(queries[name] for name in names)
        waits = tuple(intervals.get(name, usual) for name in names)
        told = repr((names, sql, waits)).encode()
        digest = hashlib.blake2b(told, digest_size=16).hexdigest()
        index = {name: at for at, name in enumerate(names)}
        beside = partners or {}
        joined = tuple(tuple(index[each] for each in beside.get(name, ())) for name in names)
        return cls(names, sql, waits, digest, index, joined)


@dataclass(slots=True)
class Book:
    """One device's page: when each query of its plan was answered, and what is leased out.

    ``leases`` maps a query's place in the plan to (offered at, how often). ``due`` is the earliest
    second at which anything has to be asked; until then a read needs no further look.
    ``urgent_until`` ends a check on demand (to the microsecond, by which the next is told from it);
    ``extra`` are questions to be asked once.
    """

    plan: Plan
    answered: "array[int]"
    leases: dict[int, tuple[int, int]]
    due: int = NEVER
    urgent_until: float = NEVER
    extra: dict[str, str] | None = None


def open_book(plan: Plan, stored_plan: str = "", stored_times: bytes = b"") -> Book:
    """Open a device's page, with the stored answer times if they belong to this plan."""
    size = len(plan.names)
    answered = array("I", bytes(4 * size))
    if stored_plan == plan.digest and len(stored_times) == 4 * size:
        answered = array("I")
        answered.frombytes(stored_times)
    book = Book(plan, answered, {})
    book.due = _next_due(book)
    return book


def take_due(book: Book, now: int) -> dict[str, str]:
    """Return the queries to be asked now (name → SQL) and lease them; {} if there are none."""
    if now < book.due:
        return {}
    plan = book.plan
    asked: dict[str, str] = {}
    due = [at for at in range(len(plan.names)) if _due_at(book, at) <= now]
    for at in sorted({*due, *(partner for one in due for partner in plan.partners[one])}):
        tries = book.leases.get(at, (0, 0))[1]
        book.leases[at] = (now, tries % MAX_OFFERS + 1)
        asked[plan.names[at]] = plan.sql[at]
    asked |= book.extra or {}
    book.extra = None
    book.due = _next_due(book)
    return asked


def is_awaited(book: Book, names: Iterable[str]) -> bool:
    """Tell whether any of these queries is leased out, so that an answer to it is news."""
    return any(book.plan.index.get(name, -1) in book.leases for name in names)


def note_answers(book: Book, names: Iterable[str], now: int) -> None:
    """Write down that these queries were answered; their leases end."""
    for name in names:
        at = book.plan.index.get(name)
        if at is not None:
            book.answered[at] = max(book.answered[at], now)
            book.leases.pop(at, None)
    book.due = _next_due(book)


def times_after(book: Book, names: Iterable[str], now: int) -> bytes:
    """Return the answer times as they will be stored once these answers are committed."""
    times = array("I", book.answered)
    for name in names:
        at = book.plan.index.get(name)
        if at is not None:
            times[at] = max(times[at], now)
    return times.tobytes()


def answered_at(book: Book, name: str) -> int:
    """Return when a query was answered last, 0 if it never was."""
    at = book.plan.index.get(name)
    return NEVER if at is None else book.answered[at]


def make_urgent(book: Book, until: float) -> None:
    """Ask everything again at the next read and let the device come often until ``until``."""
    book.leases = {}
    book.answered = array("I", bytes(4 * len(book.answered)))
    book.due = NEVER
    book.urgent_until = until


def ask_once(book: Book, name: str, sql: str) -> None:
    """Ask one more query at the next read, such as the one that starts a carve."""
    book.extra = {**(book.extra or {}), name: sql}
    book.due = NEVER


def carry_over(old: Book, plan: Plan) -> Book:
    """Open a page for a changed plan; queries that kept name and SQL keep their answer time."""
    book = open_book(plan)
    for at, name in enumerate(plan.names):
        before = old.plan.index.get(name)
        if before is not None and old.plan.sql[before] == plan.sql[at]:
            book.answered[at] = old.answered[before]
    book.due = _next_due(book)
    book.urgent_until = old.urgent_until
    return book


def forget_future(book: Book, now: int) -> None:
    """Forget times that lie in the future, so that a clock set back cannot silence a device."""
    for at, told in enumerate(book.answered):
        if told > now:
            book.answered[at] = NEVER
    book.leases = {at: lease for at, lease in book.leases.items() if lease[0] <= now}
    book.due = _next_due(book)


def _due_at(book: Book, at: int) -> int:
    usual = book.answered[at] + book.plan.intervals[at] if book.answered[at] else NEVER
    offered, tries = book.leases.get(at, (NEVER, 0))
    if not offered:
        return usual
    wait = book.plan.intervals[at] if tries >= MAX_OFFERS else LEASE_SECONDS
    return max(usual, offered + wait)


def _next_due(book: Book) -> int:
    if book.extra:
        return NEVER
    return min((_due_at(book, at) for at in range(len(book.plan.names))), default=_FAR)
