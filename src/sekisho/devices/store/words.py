"""What devices are searched by: one folded text a device, kept beside its row.

A row is wide: to read 30,000 of them for a word took 40 ms, these texts take 5. Folding is done
here, not by the database: full width, half width and case are one, also beyond ASCII.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select, union

from sekisho.devices.store.tables import DEVICES, WORDS
from sekisho.kernel.db import Transaction, chunked, contains, upsert

SEARCHED = ("label", "hostname", "serial", "id", "os_name", "model", "note")


def fold(text: str) -> str:
    """Return a text in the form that is compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def say_words(row: Any) -> dict[str, str]:
    """Return the row of WORDS for a row of DEVICES, or for anything with its columns."""
    said = "\n".join(getattr(row, name) for name in SEARCHED)  # no search has a line break
    return {"device_id": row.id, "words": fold(said)}


def save_words(tx: Transaction, device_ids: Sequence[str]) -> None:
    """Say anew what these devices are found by; due after each change of a searched column."""
    columns = [DEVICES.c[name] for name in SEARCHED]
    for some in chunked(device_ids):
        rows = tx.rows(select(*columns).where(DEVICES.c.id.in_(some)))
        said = [say_words(row) for row in rows]
        upsert(tx, WORDS, said, index=["device_id"], update=["words"])


def select_called(search: str, owner_ids: Sequence[str]) -> Select[tuple[str]] | Any:
    """Return the query for the ids of devices that hold ``search``, or are of one of these."""
    called = select(WORDS.c.device_id).where(contains(fold(search), WORDS.c.words))
    if not owner_ids:
        return called
    return union(called, select(DEVICES.c.id).where(DEVICES.c.owner_id.in_(list(owner_ids))))
