"""Counts, standings and daily figures.

Counts are kept by deltas. What changed by mere time and was not written yet (``next_expiry_at``
has passed) is corrected while reading, so that no figure ever shows a stale pass as a pass.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    not_,
    select,
)

from sekisho.controls.exports.model import IMPORTED_PREFIX
from sekisho.controls.model import VerdictKind
from sekisho.controls.store.tables import COUNTS, SUBJECTS, TREND, VERDICTS, VERSIONS
from sekisho.kernel.db import Transaction, among, chunked, upsert

Figure = tuple[str, str, str]
"""(control id, verdict, how proven)"""

DEVICES = ""
"""Stands for the control in the daily figures that count whole devices by their worst verdict."""

_UNKNOWN, _EXEMPT = VerdictKind.UNKNOWN.value, VerdictKind.EXEMPT.value
_PASS, _FAIL = VerdictKind.PASS.value, VerdictKind.FAIL.value


_ADD = (
    COUNTS.update()
    .where(
        COUNTS.c.control_id == bindparam("of_control_id"),
        COUNTS.c.kind == bindparam("of_kind"),
        COUNTS.c.proof == bindparam("of_proof"),
    )
    .values(number=COUNTS.c.number + bindparam("of_number"))
)


def add_counts(tx: Transaction, deltas: Mapping[Figure, int]) -> None:
    """Add to the counts; what is not there yet begins at 0."""
    rows = [
        {"control_id": control, "kind": kind, "proof": proof, "number": delta}
        for (control, kind, proof), delta in sorted(deltas.items())
        if delta
    ]
    if not rows:
        return
    keys = ("control_id", "kind", "proof")
    upsert(tx, COUNTS, [row | {"number": 0} for row in rows], index=keys, update=())
    tx.execute(_ADD, [{f"of_{name}": value for name, value in row.items()} for row in rows])


def read_counts(tx: Transaction, now: datetime) -> Counter[Figure]:
    """Return how many verdicts there are of each figure at ``now``."""
    counts: Counter[Figure] = Counter(
        {(row.control_id, row.kind, row.proof): row.number for row in tx.rows(select(COUNTS))}
    )
    for row in _overdue_counts(tx, now):
        counts[row.control_id, row.kind, row.proof] -= row.number
        counts[row.control_id, row.real, row.proof] += row.number
    return +counts


def _overdue_counts(tx: Transaction, now: datetime) -> Sequence[Row[Any]]:
    real = effective_kind(now).label("real")
    figure = (VERDICTS.c.control_id, VERDICTS.c.kind, VERDICTS.c.proof, real)
    found: list[Row[Any]] = []
    for some in chunked(_list_overdue_ids(tx, now), columns=2):
        found.extend(
            tx.rows(
                select(*figure, func.count().label("number"))
                .where(VERDICTS.c.device_id.in_(some))
                .group_by(*figure)
                .having(VERDICTS.c.kind != real)
            )
        )
    return found


def _list_overdue_ids(tx: Transaction, now: datetime) -> list[str]:
    """Return the devices first: joined, the planner would walk through all verdicts."""
    rows = tx.rows(select(SUBJECTS.c.device_id).where(SUBJECTS.c.next_expiry_at <= now))
    return [row.device_id for row in rows]


def effective_kind(now: datetime) -> ColumnElement[str]:
    """Return the SQL for what ``engine.settle`` says of a stored verdict at ``now``."""
    expired = and_(VERDICTS.c.expires_at <= now, VERDICTS.c.judged.in_((_PASS, _FAIL)))
    judged = case((expired, _UNKNOWN), else_=VERDICTS.c.judged)
    exempt = and_(VERDICTS.c.exempt_until > now, judged != _PASS)
    return case((exempt, _EXEMPT), else_=judged)


def list_standings(tx: Transaction, device_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the stored rows of these devices with their counts."""
    found: list[Row[Any]] = []
    for some in chunked(device_ids):
        found.extend(tx.rows(select(SUBJECTS).where(SUBJECTS.c.device_id.in_(some))))
    return found


def list_overdue_standings(tx: Transaction, now: datetime) -> Sequence[Row[Any]]:
    """Return (device_id, passing, failing, unknown, exempt) of devices whose counts are behind."""
    real = effective_kind(now)
    counted = [
        func.sum(case((real == kind, 1), else_=0)).label(name)
        for kind, name in (
            (_PASS, "passing"), (_FAIL, "failing"), (_UNKNOWN, "unknown"), (_EXEMPT, "exempt"),
        )
    ]  # fmt: skip
    found: list[Row[Any]] = []
    for some in chunked(_list_overdue_ids(tx, now), columns=2):
        found.extend(
            tx.rows(
                select(VERDICTS.c.device_id, *counted)
                .where(VERDICTS.c.device_id.in_(some))
                .group_by(VERDICTS.c.device_id)
            )
        )
    return found


def count_settled_standings(
    tx: Transaction, now: datetime, people: Any = None, *, imported: bool = True
) -> dict[str, int]:
    """Return how many of all other devices stand how, in one pass without sorting.

    ``people`` is a query for the ids of persons whose devices alone are counted.
    """
    fails = func.sum(case((SUBJECTS.c.failing > 0, 1), else_=0))
    doubts = func.sum(case((and_(SUBJECTS.c.failing == 0, SUBJECTS.c.unknown > 0), 1), else_=0))
    wanted = select(fails, doubts, func.count()).where(_is_settled(now))
    if people is not None:
        wanted = wanted.where(SUBJECTS.c.person_id.in_(people))
    if not imported:
        wanted = wanted.where(
            not_(SUBJECTS.c.device_id.startswith(IMPORTED_PREFIX, autoescape=True))
        )
    row = tx.execute(wanted).one()
    counts = {_FAIL: int(row[0] or 0), _UNKNOWN: int(row[1] or 0)}
    return {**counts, _PASS: int(row[2]) - sum(counts.values())}


def select_settled_devices(now: datetime, worst: str) -> Select[tuple[str]]:
    """Return the query for (device_id) of all other devices whose worst verdict is this."""
    return select(SUBJECTS.c.device_id).where(_is_settled(now), _worst() == worst)


def select_listed(device_ids: Sequence[str]) -> Select[tuple[str]]:
    """Return the query for those of these devices that are judged, however many they are."""
    return select(SUBJECTS.c.device_id).where(among(SUBJECTS.c.device_id, device_ids))


def list_owned(tx: Transaction, device_ids: Sequence[str], people: Any) -> list[str]:
    """Return those of these devices that belong to people whom a query gives."""
    theirs = select_listed(device_ids).where(SUBJECTS.c.person_id.in_(people))
    return [row.device_id for row in tx.rows(theirs)]


def list_settled_devices_with(tx: Transaction, now: datetime, kind: str) -> Sequence[Row[Any]]:
    """Return (device_id) of all other devices with at least one verdict of this kind."""
    column = {_FAIL: SUBJECTS.c.failing, _UNKNOWN: SUBJECTS.c.unknown, _EXEMPT: SUBJECTS.c.exempt}
    return tx.rows(select(SUBJECTS.c.device_id).where(_is_settled(now), column[kind] > 0))


def _worst() -> ColumnElement[str]:
    return case((SUBJECTS.c.failing > 0, _FAIL), (SUBJECTS.c.unknown > 0, _UNKNOWN), else_=_PASS)


def _is_settled(now: datetime) -> ColumnElement[bool]:
    """Say it as "not overdue": nearly all are settled, and an OR would go through the index."""
    when = SUBJECTS.c.next_expiry_at
    return not_(and_(when.is_not(None), when <= now))


def list_devices_of_control(
    tx: Transaction, control_id: str, kind: str, now: datetime, limit: int, offset: int
) -> Sequence[Row[Any]]:
    """Return verdict rows of one control that say ``kind`` at ``now``, longest standing first."""
    columns = (VERDICTS.c.device_id, VERDICTS.c.since, VERDICTS.c.received_at, VERDICTS.c.fix_by)
    order = (VERDICTS.c.since, VERDICTS.c.device_id)
    real = select(*columns).where(VERDICTS.c.control_id == control_id, effective_kind(now) == kind)
    written = real.where(VERDICTS.c.kind == kind).order_by(*order)
    found = [*tx.rows(written.limit(offset + limit))]  # in the order of an index
    for some in chunked(_list_overdue_ids(tx, now), columns=2):  # changed by mere time
        found += tx.rows(real.where(VERDICTS.c.device_id.in_(some), VERDICTS.c.kind != kind))
    return sorted(found, key=lambda row: (row.since, row.device_id))[offset : offset + limit]


def write_day(tx: Transaction, day: str, counts: Mapping[Figure, int]) -> None:
    """Store a day's figures; what was stored of that day before gives way."""
    tx.execute(delete(TREND).where(TREND.c.day == day))
    rows = [
        {"day": day, "control_id": control, "kind": kind, "proof": proof, "number": number}
        for (control, kind, proof), number in sorted(counts.items())
    ]
    if rows:
        tx.execute(insert(TREND), rows)


def list_days(tx: Transaction, first: str, control_id: str = "") -> Sequence[Row[Any]]:
    """Return (day, kind, proof, number) from ``first`` on, oldest first."""
    wanted = TREND.c.control_id == control_id if control_id else TREND.c.control_id != DEVICES
    return tx.rows(
        select(TREND.c.day, TREND.c.kind, TREND.c.proof, func.sum(TREND.c.number).label("number"))
        .where(TREND.c.day >= first, wanted)
        .group_by(TREND.c.day, TREND.c.kind, TREND.c.proof)
        .order_by(TREND.c.day)
    )


def read_day(tx: Transaction, day: str) -> Counter[Figure]:
    """Return a day's figures as they were stored; those of whole devices have no control."""
    rows = tx.rows(select(TREND).where(TREND.c.day == day))
    return Counter({(row.control_id, row.kind, row.proof): row.number for row in rows})


def forget_days(tx: Transaction, before: str) -> None:
    """Delete daily figures older than a day."""
    tx.execute(delete(TREND).where(TREND.c.day < before))


def read_versions(tx: Transaction) -> dict[str, tuple[int, str]]:
    """Return which version of each control was in force, and for what, when we last looked."""
    return {row.control_id: (row.version, row.applies) for row in tx.rows(select(VERSIONS))}


def write_versions(tx: Transaction, versions: Mapping[str, tuple[int, str]]) -> None:
    """Store which controls are in force."""
    tx.execute(delete(VERSIONS))
    rows = [
        {"control_id": control, "version": version, "applies": applies}
        for control, (version, applies) in sorted(versions.items())
    ]
    if rows:
        tx.execute(insert(VERSIONS), rows)
