"""Reads and writes versions of all policies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update

from sekisho.access.policies import Policy, PolicyVersion, VersionState
from sekisho.access.store.tables import POLICIES
from sekisho.kernel.db import Transaction
from sekisho.kernel.prepared import Prepared

_IN_FORCE = Prepared(
    select(POLICIES.c.number).where(POLICIES.c.state == VersionState.IN_FORCE.value)
)


def insert_version(tx: Transaction, version: PolicyVersion) -> None:
    """Add a version."""
    row = {name: getattr(version, name) for name in PolicyVersion.__slots__}
    plain = [asdict(policy) for policy in version.policies]
    tx.execute(insert(POLICIES), row | {"state": version.state.value, "policies": plain})


def update_version(tx: Transaction, number: int, **values: Any) -> None:
    """Set the named columns of a version."""
    tx.execute(update(POLICIES).where(POLICIES.c.number == number).values(**values))


def find_version(tx: Transaction, number: int) -> PolicyVersion | None:
    """Return a version, or None."""
    rows = tx.rows(select(POLICIES).where(POLICIES.c.number == number))
    return _version(rows[0]) if rows else None


def newest_number(tx: Transaction) -> int:
    """Return the highest number given so far, 0 for none."""
    return int(tx.scalar(select(func.max(POLICIES.c.number))) or 0)


def number_in_force(tx: Transaction) -> int:
    """Return the number of the version in force, 0 for none."""
    found = _IN_FORCE.rows(tx)
    return int(found[0].number) if found else 0


def list_versions(tx: Transaction, offset: int, limit: int) -> list[PolicyVersion]:
    """List versions, the newest first."""
    query = select(POLICIES).order_by(POLICIES.c.number.desc()).offset(offset).limit(limit)
    return [_version(row) for row in tx.rows(query)]


SORTS: Mapping[str, ColumnElement[Any]] = {
    "number": POLICIES.c.number,
    "state": POLICIES.c.state,
}


def page_versions(
    tx: Transaction, search: str, people: Sequence[str], *, sort: str, offset: int, limit: int
) -> tuple[list[PolicyVersion], int]:
    """Return one page by a key of SORTS ("-" downwards), and how many match.

    ``search`` is found in the note; ``people`` are those whom it names, as authors.
    """
    where: list[ColumnElement[bool]] = []
    if search:
        noted = POLICIES.c.note.icontains(search, autoescape=True)
        where.append(or_(noted, POLICIES.c.author.in_(people)))
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    page = select(POLICIES).where(*where).order_by(order, POLICIES.c.number.desc())
    total = tx.scalar(select(func.count()).select_from(POLICIES).where(*where))
    return [_version(row) for row in tx.rows(page.offset(offset).limit(limit))], int(total)


def list_waiting(tx: Transaction) -> list[PolicyVersion]:
    """List versions that wait for somebody's word, the oldest first."""
    query = select(POLICIES).where(POLICIES.c.state == VersionState.WAITING.value)
    return [_version(row) for row in tx.rows(query.order_by(POLICIES.c.number))]


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(
        number=row.number,
        state=VersionState(row.state),
        policies=tuple(Policy(**each) for each in row.policies),
        note=row.note,
        author=row.author,
        created_at=row.created_at,
        based_on=row.based_on,
        decider=row.decider,
        decided_at=row.decided_at,
        words=row.words,
    )
