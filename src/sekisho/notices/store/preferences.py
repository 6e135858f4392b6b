"""Reads and writes how people want to be told."""

from collections.abc import Sequence
from datetime import time
from typing import Any

from sqlalchemy import Row, select

from sekisho.kernel.db import Transaction, chunked, upsert
from sekisho.notices.model import Digest, Preferences, Topic, Way
from sekisho.notices.store.tables import preferences


def get_preferences(tx: Transaction, people: Sequence[str]) -> dict[str, Preferences]:
    """Return person id → preferences of those who have chosen any."""
    found: dict[str, Preferences] = {}
    for some in chunked(people):
        rows = tx.rows(select(preferences).where(preferences.c.person_id.in_(some)))
        found.update({row.person_id: _preferences(row) for row in rows})
    return found


def set_preferences(tx: Transaction, person_id: str, chosen: Preferences) -> None:
    """Keep what a person has chosen."""
    row = {
        "person_id": person_id,
        "language": chosen.language,
        "time_zone": chosen.time_zone,
        "digest": chosen.digest.value,
        "hour": chosen.hour,
        "weekday": chosen.weekday,
        "quiet_from": _minute(chosen.quiet_from),
        "quiet_until": _minute(chosen.quiet_until),
        "urgent_passes": chosen.urgent_passes,
        "ways": {
            channel: {topic.value: way.value for topic, way in ways.items()}
            for channel, ways in chosen.ways.items()
        },
    }
    columns = [name for name in row if name != "person_id"]
    upsert(tx, preferences, [row], index=["person_id"], update=columns)


def _minute(wall: time) -> int:
    return wall.hour * 60 + wall.minute


def _preferences(row: Row[Any]) -> Preferences:
    return Preferences(
        language=row.language,
        time_zone=row.time_zone,
        digest=Digest(row.digest),
        hour=row.hour,
        weekday=row.weekday,
        quiet_from=time(row.quiet_from // 60, row.quiet_from % 60),
        quiet_until=time(row.quiet_until // 60, row.quiet_until % 60),
        urgent_passes=row.urgent_passes,
        ways={
            channel: {Topic(topic): Way(way) for topic, way in ways.items()}
            for channel, ways in row.ways.items()
        },
    )
