"""SQL about devices themselves: rows, node keys, last words, schedules, log lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, func, or_, select, update

from sekisho.devices.model import AGENT_VERSION_PREFIX, Device, DeviceState, Ownership, Platform
from sekisho.devices.store import words
from sekisho.devices.store.tables import DEVICES, LINES, NODE_KEYS, SCHEDULES, TAGS
from sekisho.kernel.db import Transaction, among, chunked, upsert
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.prepared import Prepared, among_given

COLUMNS = [DEVICES.c[item.name] for item in fields(Device)]
_SORTS: Mapping[str, Any] = {
    "label": func.lower(DEVICES.c.label + DEVICES.c.hostname),
    "seen_at": DEVICES.c.seen_at,
    "enrolled_at": DEVICES.c.enrolled_at,
    "platform": DEVICES.c.platform,
    "ownership": DEVICES.c.ownership,
    "state": DEVICES.c.state,
}
SORTS = tuple(_SORTS)
# Made once: to build one of these costs as much as to run it, and check-ins run them all day.
_SEEN = (
    update(DEVICES)
    .where(DEVICES.c.id == bindparam("device"))
    .where(or_(DEVICES.c.seen_at.is_(None), DEVICES.c.seen_at < bindparam("at")))
    .values(seen_at=bindparam("at"), address=bindparam("network"))
)
_ANSWERED = (
    update(DEVICES).where(DEVICES.c.id == bindparam("device")).values(answered_at=bindparam("at"))
)
_OF_MANY = Prepared(select(*COLUMNS).where(among_given(DEVICES.c.id, "devices")))
_LINES_OF = select(LINES).where(
    LINES.c.device_id == bindparam("device"),
    LINES.c.query.in_(bindparam("those", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices a list shows; empty fields do not narrow it.

    ``silent_before`` keeps active devices without a word since then; ``only`` and ``owner_ids``
    narrow by ids that another room found. ``owned_by`` is another room's query for the ids of
    owners: whose devices the caller may see at all (None: everybody's, and those of nobody);
    ``owner_units`` is such a query for the unit that was asked for, ``standing`` are such queries
    for the ids of devices that stand as asked.
    """

    search: str = ""
    ownership: Ownership | None = None
    platform: Platform | None = None
    state: DeviceState | None = None
    silent_before: datetime | None = None
    flagged: bool = False
    owner_id: str | None = None
    owner_ids: Sequence[str] = ()
    only: Sequence[str] | None = None
    owned_by: Any = None
    tag: str = ""
    owner_units: Any = None
    standing: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """What the web process keeps in memory about one device from its start on."""

    id: DeviceID
    ownership: Ownership
    platform: Platform
    state: DeviceState
    check_now_until: datetime | None
    plan: str
    times: bytes
    identity: tuple[str, ...]
    owner_id: str | None
    agent: bool


def insert_device(tx: Transaction, device: Device) -> None:
    """Store a new device."""
    tx.execute(DEVICES.insert(), asdict(device) | {"changed_at": tx.now})
    words.save_words(tx, [device.id])


def update_device(tx: Transaction, device_id: str, **values: object) -> None:
    """Set some columns of one device; the web process notices by ``changed_at``."""
    changed = {**values, "changed_at": tx.now}
    tx.execute(update(DEVICES).where(DEVICES.c.id == device_id).values(changed))
    if not values.keys().isdisjoint(words.SEARCHED):
        words.save_words(tx, [device_id])


def find_device(tx: Transaction, device_id: str) -> Device | None:
    """Return one device, or None."""
    found = tx.rows(select(*COLUMNS).where(DEVICES.c.id == device_id))
    return read_device(found[0]) if found else None


def find_devices(tx: Transaction, device_ids: Sequence[str]) -> dict[str, Device]:
    """Return those of ``device_ids`` that there are, by id."""
    found: dict[str, Device] = {}
    for part in chunked(device_ids):
        rows = _OF_MANY.rows(tx, {"devices": part})
        found |= {row.id: read_device(row) for row in rows}
    return found


def find_same_host(tx: Transaction, host_identifier: str) -> list[Device]:
    """Return the devices with this host identifier that are not withdrawn, latest first."""
    query = (
        select(*COLUMNS)
        .where(DEVICES.c.host_identifier == host_identifier)
        .where(DEVICES.c.state != DeviceState.WITHDRAWN)
        .order_by(DEVICES.c.id.desc())
    )
    return [read_device(row) for row in tx.rows(query)]


def list_page(
    tx: Transaction, narrow: DeviceFilter, sort: str, *, descending: bool, offset: int, limit: int
) -> tuple[list[Device], int]:
    """Return one page of devices and how many there are in all."""
    where = _conditions(narrow)
    key = _SORTS[sort]
    order = key.desc() if descending else key.asc()
    if sort != "label":  # a name is never NULL, and its index is of no use with NULLS LAST
        order = order.nulls_last()
    ordered = select(DEVICES.c.id).where(*where).order_by(order, DEVICES.c.id)
    if narrow.search:  # to look for words costs more than to fetch all hits: it is done once
        found = [row.id for row in tx.rows(ordered)]
        total, shown = len(found), found[offset : offset + limit]
    else:
        total = tx.scalar(select(func.count()).select_from(DEVICES).where(*where))
        shown = [row.id for row in tx.rows(ordered.offset(offset).limit(limit))]
    known = find_devices(tx, shown)
    return [known[name] for name in shown], total


def list_ids(tx: Transaction, narrow: DeviceFilter, limit: int | None = None) -> list[str]:
    """Return the ids of all devices that match; at most ``limit``."""
    query = select(DEVICES.c.id).where(*_conditions(narrow)).limit(limit)
    found: Sequence[Any] = tx.rows(query)
    return [row.id for row in found]


def count_states(tx: Transaction, owned_by: Any = None) -> list[tuple[str, str, str, int]]:
    """Return how many devices there are by state, ownership and platform."""
    columns = (DEVICES.c.state, DEVICES.c.ownership, DEVICES.c.platform)
    query = select(*columns, func.count()).where(*_owned(owned_by)).group_by(*columns)
    rows: Sequence[Any] = tx.rows(query)
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def count_silent(tx: Transaction, before: datetime, owned_by: Any = None) -> int:
    """Return how many active devices have said nothing since ``before``."""
    where = _conditions(DeviceFilter(silent_before=before, owned_by=owned_by))
    return int(tx.scalar(select(func.count()).select_from(DEVICES).where(*where)))


def save_seen(tx: Transaction, seen: Mapping[str, tuple[datetime, str]]) -> None:
    """Store when and from which network devices were last heard; never set a time back."""
    if not seen:
        return
    rows = [
        {"device": device, "at": at, "network": network} for device, (at, network) in seen.items()
    ]
    tx.execute(_SEEN, rows)


def insert_key(tx: Transaction, digest: str, device_id: str, number: int) -> None:
    """Store a node key that was just issued, by its digest; ``number`` counts them up."""
    row = {
        "digest": digest,
        "device_id": device_id,
        "number": number,
        "issued_at": tx.now,
        "used_at": None,
    }
    tx.execute(NODE_KEYS.insert(), row)


def list_keys(tx: Transaction, device_id: str) -> Sequence[Row[Any]]:
    """Return digest, number, issued_at and used_at of a device's node keys, oldest first."""
    query = select(NODE_KEYS).where(NODE_KEYS.c.device_id == device_id)
    return tx.rows(query.order_by(NODE_KEYS.c.number))


def find_key(tx: Transaction, digest: str) -> tuple[RosterEntry, bool] | None:
    """Return the device a node key belongs to, and whether the key was used before."""
    query = _roster_query().join(NODE_KEYS, NODE_KEYS.c.device_id == DEVICES.c.id)
    rows = tx.rows(query.add_columns(NODE_KEYS.c.used_at).where(NODE_KEYS.c.digest == digest))
    return (_entry(rows[0]), rows[0].used_at is not None) if rows else None


def mark_key_used(tx: Transaction, digest: str) -> None:
    """Remember that a node key came back, which makes the ones before it worthless."""
    tx.execute(update(NODE_KEYS).where(NODE_KEYS.c.digest == digest).values(used_at=tx.now))


def delete_keys(tx: Transaction, digests: Iterable[str]) -> None:
    """Forget node keys; whoever still uses one is told to enrol again."""
    tx.execute(delete(NODE_KEYS).where(NODE_KEYS.c.digest.in_(list(digests))))


def find_entry(tx: Transaction, device_id: str) -> RosterEntry | None:
    """Return what the desk keeps about one device, or None."""
    rows = tx.rows(_roster_query().where(DEVICES.c.id == device_id))
    return _entry(rows[0]) if rows else None


def list_roster(tx: Transaction) -> list[RosterEntry]:
    """Return all devices that may speak, for the start of the web process."""
    where = DEVICES.c.state != DeviceState.WITHDRAWN
    return [_entry(row) for row in tx.rows(_roster_query().where(where))]


def list_changed(tx: Transaction, since: datetime) -> list[RosterEntry]:
    """Return the devices, withdrawn ones too, that were changed at ``since`` or later."""
    return [_entry(row) for row in tx.rows(_roster_query().where(DEVICES.c.changed_at >= since))]


def list_used_keys(tx: Transaction) -> list[tuple[str, str]]:
    """Return digest and device of all node keys that were used before."""
    query = select(NODE_KEYS).where(NODE_KEYS.c.used_at.is_not(None))
    return [(row.digest, row.device_id) for row in tx.rows(query)]


def save_schedules(tx: Transaction, rows: Sequence[tuple[str, str, bytes]]) -> None:
    """Store plan and packed answer times of devices, and when they answered last."""
    named = [{"device_id": device, "plan": plan, "times": times} for device, plan, times in rows]
    upsert(tx, SCHEDULES, named, index=["device_id"], update=["plan", "times"])
    tx.execute(_ANSWERED, [{"device": row[0], "at": tx.now} for row in rows])


def list_lines(
    tx: Transaction, device_id: str, queries: Iterable[str]
) -> dict[str, tuple[int, int, int, str]]:
    """Return the last log line taken for each of ``queries``."""
    found: dict[str, tuple[int, int, int, str]] = {}
    for part in chunked(list(queries)):
        for row in tx.rows(_LINES_OF, {"device": device_id, "those": part}):
            found[row.query] = (row.unix_time, row.epoch, row.counter, row.digest)
    return found


def save_lines(
    tx: Transaction, device_id: str, lines: Mapping[str, tuple[int, int, int, str]]
) -> None:
    """Remember the last log line taken for each query."""
    rows = [
        {"device_id": device_id, "query": name, "unix_time": line[0], "epoch": line[1],
         "counter": line[2], "digest": line[3]}
        for name, line in lines.items()
    ]  # fmt: skip
    columns = ["unix_time", "epoch", "counter", "digest"]
    upsert(tx, LINES, rows, index=["device_id", "query"], update=columns)


def forget_answers(tx: Transaction, device_id: str) -> None:
    """Delete what is kept about a device's answers and keys."""
    for table in (SCHEDULES, LINES, NODE_KEYS):
        tx.execute(delete(table).where(table.c.device_id == device_id))


def _conditions(narrow: DeviceFilter) -> list[Any]:
    equal = {
        "ownership": narrow.ownership,
        "platform": narrow.platform,
        "state": narrow.state,
        "owner_id": narrow.owner_id,
    }
    found: list[Any] = [DEVICES.c[name] == value for name, value in equal.items() if value]
    if narrow.state is None and narrow.silent_before is None:
        found.append(DEVICES.c.state != DeviceState.WITHDRAWN)
    if narrow.silent_before is not None:
        # Two terms, not one coalesce(): an index can be used for each of them.
        never = and_(DEVICES.c.seen_at.is_(None), DEVICES.c.enrolled_at < narrow.silent_before)
        long_ago = DEVICES.c.seen_at < narrow.silent_before
        found += [DEVICES.c.state == DeviceState.ACTIVE, or_(long_ago, never)]
    if narrow.flagged:
        found.append(DEVICES.c.flagged != "")
    if narrow.only is not None:
        found.append(among(DEVICES.c.id, narrow.only))
    # An expression, so that an index with all that is asked is walked through once, in the order
    # of the list; to look up each of tens of thousands of ids took three times as long.
    found += [(DEVICES.c.id + "").in_(query) for query in narrow.standing]
    if narrow.tag:
        tagged = select(TAGS.c.device_id).where(TAGS.c.tag == narrow.tag)
        found.append(DEVICES.c.id.in_(tagged))
    return [*found, *_owned(narrow.owned_by), *_owned(narrow.owner_units), *_search(narrow)]


def _owned(owned_by: Any) -> list[Any]:
    return [] if owned_by is None else [DEVICES.c.owner_id.in_(owned_by)]


def _search(narrow: DeviceFilter) -> list[Any]:
    if not narrow.search:
        return []
    return [DEVICES.c.id.in_(words.select_called(narrow.search, narrow.owner_ids))]


def _roster_query() -> Any:
    return select(
        DEVICES.c.id,
        DEVICES.c.ownership,
        DEVICES.c.platform,
        DEVICES.c.state,
        DEVICES.c.check_now_until,
        SCHEDULES.c.plan,
        SCHEDULES.c.times,
        DEVICES.c.identity,
        DEVICES.c.owner_id,
        DEVICES.c.agent_version,
    ).select_from(DEVICES.outerjoin(SCHEDULES, SCHEDULES.c.device_id == DEVICES.c.id))


def _entry(row: Any) -> RosterEntry:
    return RosterEntry(
        DeviceID(row.id),
        Ownership(row.ownership),
        Platform(row.platform),
        DeviceState(row.state),
        row.check_now_until,
        row.plan or "",
        row.times or b"",
        tuple(row.identity or ()),
        row.owner_id,
        row.agent_version.startswith(AGENT_VERSION_PREFIX),
    )


def read_device(row: Any) -> Device:
    """Make a device of a row of COLUMNS."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    values["ownership"] = Ownership(row.ownership)
    values["platform"] = Platform(row.platform)
    values["state"] = DeviceState(row.state)
    return Device(**values)
