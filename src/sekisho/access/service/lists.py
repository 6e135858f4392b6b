"""What pages of access need beside the lists: names, searches, a trend, cutting around."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sekisho.access.engine import builtin
from sekisho.access.service.register import cut_of, cut_session
from sekisho.access.store import decisions as decision_store
from sekisho.access.store import resources as resource_store
from sekisho.access.store import sessions as session_store
from sekisho.access.store.decisions import EntryFilter
from sekisho.access.store.sessions import SessionFilter
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import Text, msg

_TREND_DAYS = 14
_MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class TrendDay:
    """How often something was opened, refused and cut within one day (UTC)."""

    day: datetime
    allow: int = 0
    deny: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """The last days, the oldest first, and the most frequent reasons with what they say."""

    days: list[TrendDay]
    reasons: list[tuple[str, int]]
    words: dict[str, Text]


def name_people(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return id → name of people that a page of access names."""
    return identity.find_names(tx, [each for each in ids if each])


def find_sessions(tx: Transaction, search: str, kind: str) -> SessionFilter:
    """Return the filter for a search over people, resources and addresses."""
    if not search:
        return SessionFilter(kind=kind)
    return SessionFilter(
        kind=kind, address=search, people=identity.search_ids(tx, search),
        resources=_find_resources(tx, search),
    )  # fmt: skip


def find_decisions(
    tx: Transaction, search: str, outcome: str, span: timedelta | None
) -> EntryFilter:
    """Return the filter for a search over people, resources, addresses and policies."""
    return EntryFilter(
        outcome=outcome,
        search=search,
        people=identity.search_ids(tx, search) if search else (),
        resources=_find_resources(tx, search) if search else (),
        since=tx.now - span if span else None,
    )


def _find_resources(tx: Transaction, search: str) -> list[str]:
    wanted = search.lower()
    return [
        each.id
        for each in resource_store.list_resources(tx)
        if any(wanted in word.lower() for word in (each.key, each.name_ja, each.name_en))
    ]


def list_trend(tx: Transaction) -> Trend:
    """Return the last 14 days of decisions. Needs ``access.read``."""
    tx.principal.require("access.read")
    today = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=_TREND_DAYS - 1)
    counts: dict[datetime, dict[str, int]] = {
        first + timedelta(days=n): {} for n in range(_TREND_DAYS)
    }
    for day, outcome, times in decision_store.count_days(tx, first):
        counts.setdefault(datetime.combine(day, time(), UTC), {})[outcome] = times
    found = sorted(decision_store.count_reasons(tx, first).items(), key=lambda pair: -pair[1])
    known = builtin.list_reasons()
    top = found[:_MOST_REASONS]
    return Trend(
        [TrendDay(day, **some) for day, some in sorted(counts.items())],
        top,
        {name: builtin.built_in_reason(name).text for name, _ in top if name in known},
    )


def cut_around(tx: Transaction, session_id: str, what: str, reason: str) -> int:
    """Cut one session, or all of its person or its device; return how many. ``access.cut``."""
    tx.principal.require("access.cut")
    session = session_store.find_session(tx, session_id)
    if session is None:
        raise NotFoundError(msg("There is no such connection any more."))
    if what == "person":
        return cut_of(tx, person_id=session.person_id, reason=reason)
    if what == "device" and session.device_id:
        return cut_of(tx, device_id=session.device_id, reason=reason)
    if what not in {"one", ""}:
        raise InvalidInputError(msg("“%(got)s” cannot be cut.", got=what[:40]))
    cut_session(tx, session_id, reason)
    return 1
