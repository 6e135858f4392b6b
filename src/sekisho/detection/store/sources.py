"""Sources of rules, the files they brought, and what could not be read."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from sekisho.detection.library import Origin, Source
from sekisho.detection.model import RuleFault
from sekisho.detection.store.tables import FAULTS, FILES, RULES, SOURCES
from sekisho.kernel import i18n
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Localized, Text

_PIECE = 500
# Parameters that are kept as they are; everything else is kept as its text.
_KEPT = (int, float, Text, Localized, OSError)


def list_sources(tx: Transaction) -> list[Source]:
    """List the sources, the one that wins first."""
    return [_read(row) for row in tx.rows(select(SOURCES).order_by(SOURCES.c.place, SOURCES.c.id))]


def find_source(tx: Transaction, source_id: str) -> Source | None:
    """Return a source, or None."""
    rows = tx.rows(select(SOURCES).where(SOURCES.c.id == source_id))
    return _read(rows[0]) if rows else None


def find_source_named(tx: Transaction, name: str) -> Source | None:
    """Return the source of this name, or None."""
    rows = tx.rows(select(SOURCES).where(SOURCES.c.name == name))
    return _read(rows[0]) if rows else None


def _read(row: Row[Any]) -> Source:
    return Source(
        id=row.id, name=row.name, origin=Origin(row.origin), place=row.place, address=row.address,
        automatic=row.automatic, digest=row.digest, etag=row.etag, taken_at=row.taken_at,
        checked_at=row.checked_at, trouble=unpack_text(row.trouble),
    )  # fmt: skip


def unpack_text(packed: Any) -> Text | None:
    """Return a text as it was packed."""
    return None if packed is None else i18n.unpack_text(packed)


def pack_text(text: Text | None) -> dict[str, object] | None:
    """Return a text as JSON that can be said in either language later."""
    if text is None:
        return None
    params = {n: v if isinstance(v, _KEPT) else str(v) for n, v in text.params.items()}
    return i18n.pack_text(Text(text.id, params))


def insert_source(tx: Transaction, source: Source) -> None:
    """Add a source, behind all others."""
    last = tx.scalar(
        select(func.max(SOURCES.c.place)).where(SOURCES.c.origin != Origin.BUILTIN.value)
    )
    tx.execute(insert(SOURCES), _row(replace(source, place=int(last or 0) + 1)))


def _row(source: Source) -> dict[str, Any]:
    row = {name: getattr(source, name) for name in Source.__slots__}
    return row | {"origin": source.origin.value, "trouble": pack_text(source.trouble)}


def update_source(tx: Transaction, source: Source) -> None:
    """Write a source as it is now."""
    tx.execute(update(SOURCES).where(SOURCES.c.id == source.id).values(**_row(source)))


def delete_source(tx: Transaction, source_id: str) -> None:
    """Remove a source with all it brought."""
    for table in (RULES, FAULTS, FILES):
        tx.execute(delete(table).where(table.c.source_id == source_id))
    tx.execute(delete(SOURCES).where(SOURCES.c.id == source_id))


def note_check(tx: Transaction, source_id: str, at: datetime, trouble: Text | None) -> None:
    """Write that an update was looked for, and what went wrong."""
    values = {"checked_at": at, "trouble": pack_text(trouble)}
    tx.execute(update(SOURCES).where(SOURCES.c.id == source_id).values(**values))


def replace_files(tx: Transaction, source_id: str, files: Iterable[tuple[str, str, bytes]]) -> None:
    """Keep these texts (name, digest, content) for a source instead of those before."""
    tx.execute(delete(FILES).where(FILES.c.source_id == source_id))
    rows = [
        {"source_id": source_id, "file": name, "digest": digest, "content": content}
        for name, digest, content in files
    ]
    for start in range(0, len(rows), _PIECE):
        tx.execute(insert(FILES), rows[start : start + _PIECE])


def list_files(tx: Transaction, source_id: str) -> Sequence[Row[Any]]:
    """List file, digest and content of a source, in the order of names."""
    columns = (FILES.c.file, FILES.c.digest, FILES.c.content)
    query = select(*columns).where(FILES.c.source_id == source_id).order_by(FILES.c.file)
    return tx.rows(query)


def find_file(tx: Transaction, source_id: str, file: str) -> bytes | None:
    """Return the text of one file, or None."""
    query = select(FILES.c.content).where(FILES.c.source_id == source_id, FILES.c.file == file)
    found = tx.scalar(query)
    return None if found is None else bytes(found)


def replace_faults(tx: Transaction, source_id: str, faults: Sequence[RuleFault]) -> None:
    """Keep what could not be read of a source instead of what was so before."""
    tx.execute(delete(FAULTS).where(FAULTS.c.source_id == source_id))
    rows = [
        {"source_id": source_id, "file": f.file[:400], "line": f.line,
         "said": [pack_text(f.got), pack_text(f.expected), pack_text(f.fix)]}
        for f in faults
    ]  # fmt: skip
    if rows:
        tx.execute(insert(FAULTS), rows)


def list_faults(tx: Transaction, source_id: str) -> list[RuleFault]:
    """List what could not be read of a source."""
    query = select(FAULTS).where(FAULTS.c.source_id == source_id)
    found = []
    for row in tx.rows(query.order_by(FAULTS.c.file, FAULTS.c.line)):
        got, expected, fix = (unpack_text(said) or Text("") for said in row.said)
        found.append(RuleFault(row.file, row.line, got, expected, fix))
    return found


def count_faults(tx: Transaction) -> dict[str, int]:
    """Return source → number of faults."""
    query = select(FAULTS.c.source_id, func.count().label("n")).group_by(FAULTS.c.source_id)
    return {row.source_id: row.n for row in tx.rows(query)}
