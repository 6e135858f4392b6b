"""Reads and writes channels and how they fare."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import pack_text, unpack_text
from sekisho.notices.model import Channel, ChannelKind, Fault, Topic
from sekisho.notices.store.tables import channels


def insert_channel(tx: Transaction, channel: Channel) -> None:
    """Add a channel."""
    tx.execute(insert(channels), _row(channel))


def replace_channel(tx: Transaction, channel: Channel) -> None:
    """Set everything of a channel."""
    row = _row(channel)
    tx.execute(update(channels).where(channels.c.id == row.pop("id")).values(**row))


def _row(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "kind": channel.kind.value,
        "name": channel.name,
        "person_id": channel.person_id,
        "setup": dict(channel.setup),
        "sealed": channel.sealed,
        "topics": sorted(channel.topics),
        "language": channel.language,
        "enabled": channel.enabled,
        "created_at": channel.created_at,
        "failures": channel.failures,
        "paused_until": channel.paused_until,
        "fault": pack_fault(channel.fault),
        "worked_at": channel.worked_at,
    }


def find_channel(tx: Transaction, channel_id: str) -> Channel | None:
    """Return a channel, or None."""
    rows = tx.rows(select(channels).where(channels.c.id == channel_id))
    return _channel(rows[0]) if rows else None


def list_shared(tx: Transaction) -> list[Channel]:
    """List the organisation's channels, mail first, then by name."""
    query = select(channels).where(channels.c.person_id.is_(None))
    found = [_channel(row) for row in tx.rows(query.order_by(channels.c.name, channels.c.id))]
    return sorted(found, key=lambda channel: channel.kind is not ChannelKind.MAIL)


def list_personal(tx: Transaction, people: Sequence[str]) -> list[Channel]:
    """List the channels of these people, by name."""
    query = select(channels).where(channels.c.person_id.in_(people))
    return [_channel(row) for row in tx.rows(query.order_by(channels.c.name, channels.c.id))]


def list_ready(tx: Transaction) -> list[Channel]:
    """List every channel that may be used now."""
    rested = or_(channels.c.paused_until.is_(None), channels.c.paused_until <= tx.now)
    return [_channel(row) for row in tx.rows(select(channels).where(channels.c.enabled, rested))]


def delete_channel(tx: Transaction, channel_id: str) -> None:
    """Delete a channel with everything that waits for it."""
    tx.execute(delete(channels).where(channels.c.id == channel_id))


def note_success(tx: Transaction, channel_id: str) -> None:
    """Note that a channel works."""
    fine = {"failures": 0, "paused_until": None, "fault": None, "worked_at": tx.now}
    tx.execute(update(channels).where(channels.c.id == channel_id).values(**fine))


def note_failure(
    tx: Transaction, channel_id: str, fault: Fault, failures: int, paused_until: datetime
) -> None:
    """Note that a channel does not work, and until when it is left alone."""
    state = {"failures": failures, "paused_until": paused_until, "fault": pack_fault(fault)}
    tx.execute(update(channels).where(channels.c.id == channel_id).values(**state))


def pack_fault(fault: Fault | None) -> dict[str, Any] | None:
    """Return a fault as plain data."""
    if fault is None:
        return None
    return {"message": pack_text(fault.message), "hint": pack_text(fault.hint)}


def unpack_fault(raw: Mapping[str, Any] | None) -> Fault | None:
    """Make a fault of plain data again."""
    return raw and Fault(unpack_text(raw["message"]), unpack_text(raw["hint"]))  # type: ignore[return-value]  # None stays None


def _channel(row: Row[Any]) -> Channel:
    return Channel(
        id=row.id,
        kind=ChannelKind(row.kind),
        name=row.name,
        person_id=row.person_id,
        setup=row.setup,
        sealed=bytes(row.sealed) if row.sealed is not None else None,
        topics=frozenset(Topic(topic) for topic in row.topics),
        language=row.language,
        enabled=row.enabled,
        created_at=row.created_at,
        failures=row.failures,
        paused_until=row.paused_until,
        fault=unpack_fault(row.fault),
        worked_at=row.worked_at,
    )
