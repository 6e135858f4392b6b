"""What exceptions mean for single devices, what bars them, and their stored access."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Row,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from sekisho.controls.exceptions import RuleException
from sekisho.controls.model import Exemption, Verdict, VerdictKind
from sekisho.controls.store.exception_tables import BARS
from sekisho.controls.store.tables import EXEMPTIONS, SUBJECTS, VERDICTS
from sekisho.kernel.db import Transaction, among, chunked, upsert
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.prepared import Prepared, among_given
from sekisho.wire.kit import Ownership

# Made once: the gate asks with these for every decision, and making one costs thrice its running.
_OWNERS_OF_MANY = Prepared(
    select(SUBJECTS.c.device_id, SUBJECTS.c.person_id).where(
        among_given(SUBJECTS.c.device_id, "devices")
    )
)
_BARS_OF_MANY = Prepared(select(BARS).where(among_given(BARS.c.device_id, "devices")))
_WAITING = (VerdictKind.FAIL.value, VerdictKind.UNKNOWN.value)


def find_devices(
    tx: Transaction, ownership: Ownership | None, *, device_id: str = "", people: Sequence[str] = ()
) -> list[DeviceID]:
    """Return the devices that are judged: this one, or those of these people."""
    narrowed = [] if ownership is None else [SUBJECTS.c.ownership == ownership.value]
    if device_id:
        rows = tx.rows(
            select(SUBJECTS.c.device_id).where(SUBJECTS.c.device_id == device_id, *narrowed)
        )
        return [row.device_id for row in rows]
    found: list[DeviceID] = []
    for some in chunked(people):
        statement = select(SUBJECTS.c.device_id).where(SUBJECTS.c.person_id.in_(some), *narrowed)
        found += [row.device_id for row in tx.rows(statement)]
    return found


def find_owners(tx: Transaction, device_ids: Sequence[str]) -> dict[str, str | None]:
    """Return device → person of the devices that are judged."""
    found = {}
    for some in chunked(device_ids):
        for row in _OWNERS_OF_MANY.rows(tx, {"devices": some}):
            found[row.device_id] = row.person_id
    return found


def move_owners(tx: Transaction, device_ids: Sequence[str], person_id: str | None) -> None:
    """Set whose these devices are, for those that are judged."""
    for some in chunked(device_ids):
        moved = update(SUBJECTS).where(SUBJECTS.c.device_id.in_(some))
        tx.execute(moved.values(person_id=person_id))


def list_laid(tx: Transaction, exception_id: str) -> list[DeviceID]:
    """Return the devices that an exception lies over."""
    rows = tx.rows(
        select(EXEMPTIONS.c.device_id)
        .where(EXEMPTIONS.c.exception_id == exception_id)
        .order_by(EXEMPTIONS.c.device_id)
    )
    return [row.device_id for row in rows]


def count_laid(tx: Transaction, ids: Sequence[str]) -> dict[str, int]:
    """Return how many devices each exception lies over."""
    found = dict.fromkeys(ids, 0)
    for some in chunked(ids):
        rows = tx.rows(
            select(EXEMPTIONS.c.exception_id, func.count().label("number"))
            .where(EXEMPTIONS.c.exception_id.in_(some))
            .group_by(EXEMPTIONS.c.exception_id)
        )
        found |= {row.exception_id: int(row.number) for row in rows}
    return found


def lay(tx: Transaction, rows: Iterable[tuple[DeviceID, RuleException]]) -> None:
    """Lay exceptions over devices; a row that is there already keeps its place."""
    written = [
        {
            "device_id": device_id,
            "control_id": exception.control_id,
            "exception_id": exception.id,
            "until": exception.until,
        }
        for device_id, exception in rows
    ]
    keys = ("device_id", "control_id", "exception_id")
    upsert(tx, EXEMPTIONS, written, index=keys, update=("until",))


def lift(tx: Transaction, exception_id: str, devices: Sequence[DeviceID] | None = None) -> None:
    """Take an exception from these devices, or from all."""
    mine = EXEMPTIONS.c.exception_id == exception_id
    if devices is None:
        tx.execute(delete(EXEMPTIONS).where(mine))
        return
    for some in chunked(devices):
        tx.execute(delete(EXEMPTIONS).where(mine, EXEMPTIONS.c.device_id.in_(some)))


def lift_ended(tx: Transaction, before: datetime) -> None:
    """Forget what lay over devices and ended long ago."""
    tx.execute(delete(EXEMPTIONS).where(EXEMPTIONS.c.until < before))


def find_exemptions_of_control(
    tx: Transaction, control_id: ControlID, device_ids: Sequence[DeviceID]
) -> dict[DeviceID, Exemption]:
    """Return what lies over one control on many devices, the latest end of each."""
    found: dict[DeviceID, Exemption] = {}
    for some in chunked(device_ids):
        rows = tx.rows(
            select(EXEMPTIONS)
            .where(EXEMPTIONS.c.device_id.in_(some), EXEMPTIONS.c.control_id == control_id)
            .order_by(EXEMPTIONS.c.until)
        )
        for row in rows:
            found[row.device_id] = Exemption(control_id, row.until, row.exception_id)
    return found


def set_bar(tx: Transaction, device_id: DeviceID, bar: str | None) -> None:
    """Remember what stands in a device's way besides rules; None takes it away."""
    tx.execute(delete(BARS).where(BARS.c.device_id == device_id))
    if bar is not None:
        tx.execute(insert(BARS), [{"device_id": device_id, "bar": bar, "since": tx.now}])


def find_bars(tx: Transaction, device_ids: Sequence[str]) -> dict[str, str]:
    """Return device → what stands in its way."""
    found = {}
    for some in chunked(device_ids):
        for row in _BARS_OF_MANY.rows(tx, {"devices": some}):
            found[row.device_id] = row.bar
    return found


def list_barred(tx: Transaction, bar: str) -> list[DeviceID]:
    """Return the devices with such a bar."""
    return [row.device_id for row in tx.rows(select(BARS.c.device_id).where(BARS.c.bar == bar))]


def select_access(
    now: datetime, access: str, more: Sequence[DeviceID], less: Sequence[DeviceID]
) -> Select[tuple[str]] | CompoundSelect[tuple[str]]:
    """Return the query for devices whose stored access holds at ``now`` and is this.

    ``more`` count as well, ``less`` do not.
    """
    # Not "none, or later": SQLite would look up both in an index, which took 14 times as long.
    current = not_(and_(SUBJECTS.c.next_expiry_at.is_not(None), SUBJECTS.c.next_expiry_at <= now))
    held = select(SUBJECTS.c.device_id).where(SUBJECTS.c.access == access, current)
    if less:
        held = held.where(~among(SUBJECTS.c.device_id, less))
    listed = select(SUBJECTS.c.device_id).where(among(SUBJECTS.c.device_id, more))
    return held.union(listed) if more else held


def list_overdue_devices(tx: Transaction, now: datetime) -> list[DeviceID]:
    """Return the devices whose stored access may be behind."""
    rows = tx.rows(select(SUBJECTS.c.device_id).where(SUBJECTS.c.next_expiry_at <= now))
    return [row.device_id for row in rows]


def list_late(tx: Transaction, now: datetime, device_ids: Sequence[DeviceID]) -> list[DeviceID]:
    """Return those of these devices whose stored access may be behind."""
    found: list[DeviceID] = []
    for some in chunked(device_ids):
        where = (SUBJECTS.c.device_id.in_(some), SUBJECTS.c.next_expiry_at <= now)
        found += [row.device_id for row in tx.rows(select(SUBJECTS.c.device_id).where(*where))]
    return found


def find_access(tx: Transaction, device_ids: Sequence[DeviceID]) -> dict[DeviceID, str]:
    """Return device → stored access."""
    found = {}
    for some in chunked(device_ids):
        columns = select(SUBJECTS.c.device_id, SUBJECTS.c.access)
        for row in tx.rows(columns.where(SUBJECTS.c.device_id.in_(some))):
            found[row.device_id] = row.access
    return found


def list_devices_of(tx: Transaction, person_ids: Sequence[str]) -> list[DeviceID]:
    """Return the devices of these people."""
    return sorted(find_devices(tx, None, people=person_ids))


def move_subjects(
    tx: Transaction,
    device_ids: Sequence[DeviceID],
    moved: Mapping[str, int],
    access: str,
    turn: datetime | None,
) -> None:
    """Add to the counts of devices, set their access, and let them be due at ``turn`` or before."""
    columns = SUBJECTS.c
    values: dict[str, Any] = {name: columns[name] + number for name, number in moved.items()}
    values["access"] = access
    if turn is not None:
        sooner = or_(columns.next_expiry_at.is_(None), columns.next_expiry_at > turn)
        values["next_expiry_at"] = case((sooner, turn), else_=columns.next_expiry_at)
    for some in chunked(device_ids, columns=2):
        tx.execute(update(SUBJECTS).where(columns.device_id.in_(some)).values(**values))


def count_passing(tx: Transaction, device_ids: Sequence[DeviceID]) -> dict[DeviceID, int]:
    """Return device → its number of passes."""
    found: dict[DeviceID, int] = {}
    columns = select(SUBJECTS.c.device_id, SUBJECTS.c.passing)
    for some in chunked(device_ids):
        rows = tx.rows(columns.where(SUBJECTS.c.device_id.in_(some)))
        found |= {row.device_id: row.passing for row in rows}
    return found


def shift_verdicts(
    tx: Transaction, control_id: ControlID, device_ids: Sequence[DeviceID], like: Verdict
) -> None:
    """Set on these devices what an exception changes of a verdict, as it is in ``like``."""
    values = {
        "kind": like.kind.value, "judged": like.judged.value, "since": like.since,
        "exempt_until": like.exempt_until,
    }  # fmt: skip
    for some in chunked(device_ids, columns=2):
        where = (VERDICTS.c.control_id == control_id, VERDICTS.c.device_id.in_(some))
        tx.execute(update(VERDICTS).where(*where).values(**values))


def list_unfine(tx: Transaction, device_ids: Sequence[DeviceID]) -> Sequence[Row[Any]]:
    """Return what decides on access of the verdicts that fail or are unknown, as stored."""
    columns = (
        VERDICTS.c.device_id, VERDICTS.c.control_id, VERDICTS.c.kind, VERDICTS.c.since,
        VERDICTS.c.first_failed_at,
    )  # fmt: skip
    found: list[Row[Any]] = []
    for some in chunked(device_ids):
        found.extend(
            tx.rows(
                select(*columns).where(
                    VERDICTS.c.device_id.in_(some), VERDICTS.c.kind.in_(_WAITING)
                )
            )
        )
    return found


def list_proven(
    tx: Transaction, device_ids: Sequence[DeviceID], control_ids: Sequence[ControlID]
) -> set[DeviceID]:
    """Return the devices on which at least one of these controls passes, as it is stored."""
    found: set[DeviceID] = set()
    for some in chunked(device_ids):
        rows = tx.rows(
            select(VERDICTS.c.device_id)
            .where(
                VERDICTS.c.device_id.in_(some),
                VERDICTS.c.kind == VerdictKind.PASS.value,
                VERDICTS.c.control_id.in_(control_ids),
            )
            .distinct()
        )
        found.update(row.device_id for row in rows)
    return found
