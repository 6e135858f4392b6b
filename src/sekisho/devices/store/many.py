"""SQL about many devices at once: tags, whose they are, what is noted about them."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Select, bindparam, delete, func, select, update

from sekisho.devices.model import Device
from sekisho.devices.store import words
from sekisho.devices.store.devices import COLUMNS, read_device
from sekisho.devices.store.tables import DEVICES, TAGS
from sekisho.kernel.db import Transaction, chunked, upsert


def find_devices(tx: Transaction, ids: Sequence[str]) -> dict[str, Device]:
    """Return the devices among ``ids``, withdrawn ones too."""
    found: dict[str, Device] = {}
    for some in chunked(ids):
        rows = tx.rows(select(*COLUMNS).where(DEVICES.c.id.in_(some)))
        found.update({row.id: read_device(row) for row in rows})
    return found


def find_tags(tx: Transaction, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the tags of devices, in alphabetical order; devices without any are left out."""
    found: dict[str, list[str]] = {}
    for some in chunked(ids):
        rows = tx.rows(select(TAGS).where(TAGS.c.device_id.in_(some)).order_by(TAGS.c.tag))
        for row in rows:
            found.setdefault(row.device_id, []).append(row.tag)
    return {device: tuple(tags) for device, tags in found.items()}


def count_tags(tx: Transaction, limit: int) -> list[tuple[str, int]]:
    """Return the tags in use and on how many devices each is, the most used first."""
    number = func.count()
    statement = select(TAGS.c.tag, number.label("n")).group_by(TAGS.c.tag)
    rows = tx.rows(statement.order_by(number.desc(), TAGS.c.tag).limit(limit))
    return [(row.tag, row.n) for row in rows]


def add_tags(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    """Put tags on devices; one that is there stays."""
    rows = [{"device_id": device, "tag": tag} for device, tag in pairs]
    upsert(tx, TAGS, rows, index=["device_id", "tag"], update=[])


def remove_tags(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Take tags from devices."""
    if pairs:
        where = (TAGS.c.device_id == bindparam("device"), TAGS.c.tag == bindparam("word"))
        rows = [{"device": device, "word": tag} for device, tag in pairs]
        tx.execute(delete(TAGS).where(*where), rows)


def forget_tags(tx: Transaction, device_id: str) -> None:
    """Take all tags from a device."""
    tx.execute(delete(TAGS).where(TAGS.c.device_id == device_id))


def save_devices(tx: Transaction, rows: Mapping[str, Mapping[str, object]]) -> None:
    """Set the same columns of many devices by id; the web process notices by ``changed_at``."""
    if not rows:
        return
    names = list(next(iter(rows.values())))
    statement = (
        update(DEVICES)
        .where(DEVICES.c.id == bindparam("device"))
        .values({name: bindparam(f"new_{name}") for name in names} | {"changed_at": tx.now})
    )
    tx.execute(statement, [
        {"device": device} | {f"new_{name}": values[name] for name in names}
        for device, values in rows.items()
    ])  # fmt: skip
    if not set(names).isdisjoint(words.SEARCHED):
        words.save_words(tx, list(rows))


def select_subjects(owned_by: Select[tuple[str]]) -> Select[tuple[str]]:
    """Return the query for the subjects (``device:…``) of the devices of these owners."""
    subject = ("device:" + DEVICES.c.id).label("subject")
    return select(subject).where(DEVICES.c.owner_id.in_(owned_by))
