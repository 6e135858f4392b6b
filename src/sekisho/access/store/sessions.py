"""Reads and writes the register of sessions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from sekisho.access.model import (
    AccessSession,
    AccessSessionID,
    Door,
    ResourceID,
    ResourceKind,
    Trust,
)
from sekisho.access.store.tables import RESOURCES, SESSIONS
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import DeviceID, PersonID

_LIVE = SESSIONS.c.ended_at.is_(None)
_INSERT = insert(SESSIONS)
_COLUMNS = {"since": SESSIONS.c.since, "checked": SESSIONS.c.checked_at}
SORTS = (*_COLUMNS, "person", "resource")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions are wanted; what is empty does not count.

    ``people``, ``devices`` and ``resources`` hold ids that a search found: any of them fits.
    """

    person_id: str = ""
    device_id: str = ""
    resource_id: str = ""
    kind: str = ""
    address: str = ""
    people: Sequence[str] | None = None
    resources: Sequence[str] | None = None


def insert_sessions(tx: Transaction, sessions: Sequence[AccessSession]) -> None:
    """Add sessions."""
    if sessions:
        tx.execute(_INSERT, [_row(session) for session in sessions])


def _row(session: AccessSession) -> dict[str, Any]:
    row = {name: getattr(session, name) for name in AccessSession.__slots__}
    plain = {"kind": session.kind.value, "door": session.door.value, "trust": int(session.trust)}
    return row | plain


def renew_sessions(
    tx: Transaction, rows: Sequence[tuple[str, datetime, int]], *, used: bool
) -> None:
    """Set until when decisions hold: (session, valid until, version of the policies).

    ``used`` notes that the sessions are in use now.
    """
    if rows:
        seen = {"checked_at": tx.now} if used else {}
        statement = (
            update(SESSIONS)
            .where(SESSIONS.c.id == bindparam("the_id"), _LIVE)
            .values(
                valid_until=bindparam("new_end"), policy_version=bindparam("new_version"), **seen
            )
        )
        values = [{"the_id": i, "new_end": end, "new_version": v} for i, end, v in rows]
        tx.execute(statement, values)


def mark_redeemed(tx: Transaction, session_id: str) -> None:
    """Note that the ticket of a session was used; a browser's session has no certificate."""
    tx.execute(update(SESSIONS).where(SESSIONS.c.id == session_id).values(serial="redeemed"))


def end_sessions(tx: Transaction, ended: Sequence[tuple[str, str]]) -> list[str]:
    """End live sessions: (session, why); return those that were live."""
    reasons = dict(ended)
    live: list[str] = []
    for part in chunked(list(reasons)):
        rows = tx.rows(select(SESSIONS.c.id).where(SESSIONS.c.id.in_(part), _LIVE))
        live += [row.id for row in rows]
    if live:
        statement = (
            update(SESSIONS)
            .where(SESSIONS.c.id == bindparam("the_id"))
            .values(ended_at=tx.now, ended_because=bindparam("why"))
        )
        tx.execute(statement, [{"the_id": name, "why": reasons[name]} for name in live])
    return live


def find_session(tx: Transaction, session_id: str) -> AccessSession | None:
    """Return a session, live or ended, or None."""
    rows = tx.rows(select(SESSIONS).where(SESSIONS.c.id == session_id))
    return _session(rows[0]) if rows else None


def list_live(
    tx: Transaction, *, people: Collection[str] = (), devices: Collection[str] = (),
    resources: Collection[str] = (), everything: bool = False,
) -> list[AccessSession]:  # fmt: skip
    """List live sessions of any of these, or all."""
    if everything:
        return [_session(row) for row in tx.rows(select(SESSIONS).where(_LIVE))]
    found: dict[str, AccessSession] = {}
    for column, names in (
        (SESSIONS.c.person_id, people),
        (SESSIONS.c.device_id, devices),
        (SESSIONS.c.resource_id, resources),
    ):
        for part in chunked(sorted(names)):
            rows = tx.rows(select(SESSIONS).where(_LIVE, column.in_(part)))
            found |= {row.id: _session(row) for row in rows}
    return list(found.values())


def list_by_ids(tx: Transaction, ids: Collection[str]) -> list[AccessSession]:
    """Return sessions by id, live or ended."""
    found: list[AccessSession] = []
    for part in chunked(sorted(ids)):
        found += [_session(row) for row in tx.rows(select(SESSIONS).where(SESSIONS.c.id.in_(part)))]
    return found


def list_due(tx: Transaction, limit: int) -> list[AccessSession]:
    """List live sessions whose decision no longer holds, the longest overdue first."""
    query = select(SESSIONS).where(_LIVE, SESSIONS.c.valid_until <= tx.now)
    return [_session(row) for row in tx.rows(query.order_by(SESSIONS.c.valid_until).limit(limit))]


def list_ended_since(tx: Transaction, since: datetime) -> list[AccessSession]:
    """List sessions that ended at ``since`` or later."""
    return [_session(row) for row in tx.rows(select(SESSIONS).where(SESSIONS.c.ended_at >= since))]


def list_page(
    tx: Transaction, wanted: SessionFilter, *, names: Select[Any], language: str, sort: str,
    offset: int, limit: int,
) -> list[AccessSession]:  # fmt: skip
    """Return one page of live sessions by a key of SORTS ("-" downwards).

    ``names`` selects id and name of everybody: people are sorted by their name, resources by
    theirs in ``language``.
    """
    query, column = _sorted(_where(select(SESSIONS), wanted), names, language, sort)
    order = column.desc() if sort.startswith("-") else column.asc()
    ordered = query.order_by(order.nulls_last(), SESSIONS.c.since.desc(), SESSIONS.c.id.desc())
    return [_session(row) for row in tx.rows(ordered.offset(offset).limit(limit))]


def _sorted(
    query: Select[Any], names: Select[Any], language: str, sort: str
) -> tuple[Select[Any], ColumnElement[Any]]:
    """Return the query with what it takes to sort, and by what to sort."""
    key = sort.removeprefix("-")
    if key == "person":
        named = names.subquery()
        return query.outerjoin(named, named.c.id == SESSIONS.c.person_id), named.c.name
    if key == "resource":
        joined = query.outerjoin(RESOURCES, RESOURCES.c.id == SESSIONS.c.resource_id)
        return joined, _name_of_resource(language)
    return query, _COLUMNS[key]


def _name_of_resource(language: str) -> ColumnElement[str]:
    """Return the name of a resource as a list shows it, to sort by."""
    own, other = RESOURCES.c.name_en, RESOURCES.c.name_ja
    if language == "ja":
        own, other = other, own
    return func.lower(case((own != "", own), else_=other))


def count_live(tx: Transaction, wanted: SessionFilter | None = None) -> int:
    """Count live sessions."""
    query = select(func.count()).select_from(SESSIONS)
    return int(tx.scalar(_where(query, wanted or SessionFilter())))


def count_by_resource(tx: Transaction) -> dict[str, int]:
    """Return resource → number of live sessions."""
    query = select(SESSIONS.c.resource_id, func.count().label("n")).where(_LIVE)
    return {row.resource_id: row.n for row in tx.rows(query.group_by(SESSIONS.c.resource_id))}


def _where(query: Select[Any], wanted: SessionFilter) -> Select[Any]:
    conditions: list[Any] = [_LIVE]
    for column, value in (
        (SESSIONS.c.person_id, wanted.person_id),
        (SESSIONS.c.device_id, wanted.device_id),
        (SESSIONS.c.resource_id, wanted.resource_id),
        (SESSIONS.c.kind, wanted.kind),
    ):
        conditions += [column == value] if value else []
    if wanted.people is not None or wanted.resources is not None:
        conditions.append(
            or_(
                SESSIONS.c.person_id.in_(wanted.people or ()),
                SESSIONS.c.resource_id.in_(wanted.resources or ()),
                SESSIONS.c.address == wanted.address,
            )
        )
    return query.where(and_(*conditions))


_KINDS, _DOORS = {each.value: each for each in ResourceKind}, {each.value: each for each in Door}
_TRUSTS = {each.value: each for each in Trust}


def _session(row: Row[Any]) -> AccessSession:
    """Make a session of a row; a gate reads thousands at once, and enums are dear to call."""
    return AccessSession(
        id=AccessSessionID(row.id),
        person_id=PersonID(row.person_id),
        device_id=None if row.device_id is None else DeviceID(row.device_id),
        resource_id=ResourceID(row.resource_id),
        kind=_KINDS[row.kind],
        door=_DOORS[row.door],
        sign_in=row.sign_in,
        serial=row.serial,
        address=row.address,
        since=row.since,
        checked_at=row.checked_at,
        valid_until=row.valid_until,
        policy_version=row.policy_version,
        trust=_TRUSTS[row.trust],
        ended_at=row.ended_at,
        ended_because=row.ended_because,
    )
