"""Imports, their rows, mappings that people made, and devices that only an export knows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy import Row as SQLRow

from sekisho.controls.exports.grid import Problem
from sekisho.controls.exports.matching import MatchedBy, Outcome, Row
from sekisho.controls.exports.model import Import, ImportedDevice, ImportState, TakenFrom
from sekisho.controls.store.proof_tables import IMPORT_ROWS, IMPORTED, IMPORTS, MAPPINGS
from sekisho.kernel.db import Transaction, chunked, contains, upsert
from sekisho.kernel.i18n import pack_text, unpack_text

_AT_ONCE = 1000
_IMPORTED = tuple(ImportedDevice.__slots__)
SORTS = {
    "received": IMPORTS.c.received_at, "file": func.lower(IMPORTS.c.file_name),
    "state": IMPORTS.c.state, "taken": IMPORTS.c.taken_at, "rows": IMPORTS.c.rows,
    "by": func.lower(IMPORTS.c.person_name),
}  # fmt: skip

ROW_SORTS: Mapping[str, ColumnElement[Any]] = {
    "line": IMPORT_ROWS.c.number, "name": func.lower(IMPORT_ROWS.c.name),
    "outcome": IMPORT_ROWS.c.outcome, "seen": IMPORT_ROWS.c.seen_at,
}  # fmt: skip
ALONE_SORTS: Mapping[str, ColumnElement[Any]] = {
    "name": func.lower(IMPORTED.c.name), "system": IMPORTED.c.platform,
    "mapping": IMPORTED.c.mapping_id, "seen": IMPORTED.c.seen_at,
}  # fmt: skip


def save_import(tx: Transaction, made: Import) -> None:
    """Insert or replace an import."""
    row = {name: getattr(made, name) for name in Import.__slots__}
    row["problems"] = [{"line": p.line, "message": pack_text(p.message)} for p in made.problems]
    row["counts"] = dict(made.counts)
    names = [name for name in row if name != "id"]
    upsert(tx, IMPORTS, [row], index=["id"], update=names)


def find_import(tx: Transaction, import_id: str) -> Import | None:
    """Return an import, or None."""
    rows = tx.rows(select(IMPORTS).where(IMPORTS.c.id == import_id))
    return _import(rows[0]) if rows else None


def list_imports(
    tx: Transaction, *, search: str = "", sort: str = "-received", limit: int = 50, offset: int = 0
) -> tuple[list[Import], int]:
    """Return one page of imports by a key of SORTS ("-" downwards), and how many match."""
    wanted = [contains(search, IMPORTS.c.file_name, IMPORTS.c.person_name)] if search else []
    total = tx.scalar(select(func.count()).select_from(IMPORTS).where(*wanted))
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    page = select(IMPORTS).where(*wanted).order_by(order, IMPORTS.c.id)
    return [_import(row) for row in tx.rows(page.limit(limit).offset(offset))], int(total or 0)


def find_applying(tx: Transaction) -> Import | None:
    """Return the import that the worker brings in now, or None."""
    wanted = select(IMPORTS).where(IMPORTS.c.state == ImportState.APPLYING.value)
    rows = tx.rows(wanted.order_by(IMPORTS.c.received_at).limit(1))
    return _import(rows[0]) if rows else None


def set_state(tx: Transaction, import_id: str, state: ImportState) -> None:
    """Say how far an import has come."""
    tx.execute(update(IMPORTS).where(IMPORTS.c.id == import_id).values(state=state.value))


def replace_rows(tx: Transaction, import_id: str, rows: Iterable[Row]) -> None:
    """Store the rows of an import; what was stored of it gives way."""
    tx.execute(delete(IMPORT_ROWS).where(IMPORT_ROWS.c.import_id == import_id))
    values = [
        {
            "import_id": import_id, "number": row.number, "name": row.name, "serial": row.serial,
            "uuid": row.uuid, "email": row.email, "platform": row.platform,
            "ownership": row.ownership, "seen_at": row.seen_at, "facts": dict(row.facts),
            "outcome": row.outcome.value, "matched_by": row.matched_by.value,
            "device_id": row.device_id, "candidates": list(row.candidates),
            "applied": int(row.outcome in (Outcome.LEFT_OUT, Outcome.AMBIGUOUS)),
        }
        for row in rows
    ]  # fmt: skip
    for start in range(0, len(values), _AT_ONCE):
        tx.execute(insert(IMPORT_ROWS), values[start : start + _AT_ONCE])


def list_rows(
    tx: Transaction, import_id: str, *, outcome: str = "", search: str = "", sort: str = "line",
    limit: int = 50, offset: int = 0,
) -> tuple[list[Row], int]:  # fmt: skip
    """Return one page of an import's rows by a key of ROW_SORTS ("-" downwards), and the total."""
    wanted: list[Any] = [IMPORT_ROWS.c.import_id == import_id]
    if outcome:
        wanted.append(IMPORT_ROWS.c.outcome == outcome)
    if search:
        like = f"%{search.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        columns = (IMPORT_ROWS.c.name, IMPORT_ROWS.c.serial, IMPORT_ROWS.c.email)
        wanted.append(or_(*(column.ilike(like, escape="!") for column in columns)))
    total = tx.scalar(select(func.count()).select_from(IMPORT_ROWS).where(*wanted))
    order = (_order(ROW_SORTS, sort), IMPORT_ROWS.c.number)
    page = select(IMPORT_ROWS).where(*wanted).order_by(*order)
    return [_row(row) for row in tx.rows(page.limit(limit).offset(offset))], int(total or 0)


def _order(sorts: Mapping[str, ColumnElement[Any]], sort: str) -> ColumnElement[Any]:
    column = sorts[sort.removeprefix("-")]
    return (column.desc() if sort.startswith("-") else column.asc()).nulls_last()


def list_waiting_rows(tx: Transaction, import_id: str, limit: int) -> list[Row]:
    """Return rows that were not brought in yet."""
    wanted = and_(IMPORT_ROWS.c.import_id == import_id, IMPORT_ROWS.c.applied == 0)
    query = select(IMPORT_ROWS).where(wanted).order_by(IMPORT_ROWS.c.number).limit(limit)
    return [_row(row) for row in tx.rows(query)]


def count_waiting_rows(tx: Transaction, import_id: str) -> int:
    """Return how many rows were not brought in yet."""
    wanted = and_(IMPORT_ROWS.c.import_id == import_id, IMPORT_ROWS.c.applied == 0)
    return int(tx.scalar(select(func.count()).select_from(IMPORT_ROWS).where(wanted)) or 0)


def set_applied(tx: Transaction, import_id: str, numbers: Sequence[int]) -> None:
    """Remember that rows were brought in."""
    for some in chunked(numbers):
        these = and_(IMPORT_ROWS.c.import_id == import_id, IMPORT_ROWS.c.number.in_(some))
        tx.execute(update(IMPORT_ROWS).where(these).values(applied=1))


def settle_row(tx: Transaction, import_id: str, number: int, device_id: str) -> None:
    """Say which device a row is, as a person chose."""
    this = and_(IMPORT_ROWS.c.import_id == import_id, IMPORT_ROWS.c.number == number)
    tx.execute(update(IMPORT_ROWS).where(this).values(
        outcome=Outcome.MATCHED.value, matched_by=MatchedBy.HAND.value, device_id=device_id,
        applied=0,
    ))  # fmt: skip


def delete_rows(tx: Transaction, import_id: str) -> None:
    """Delete the rows of an import; what it said stays said."""
    tx.execute(delete(IMPORT_ROWS).where(IMPORT_ROWS.c.import_id == import_id))


def list_with_rows(tx: Transaction) -> list[tuple[str, str]]:
    """Return (import, mapping) of finished imports that still have rows, the latest first."""
    with_rows = select(IMPORT_ROWS.c.import_id).distinct()
    query = select(IMPORTS.c.id, IMPORTS.c.mapping_id).where(
        IMPORTS.c.id.in_(with_rows), IMPORTS.c.state == ImportState.DONE.value
    )
    return [(r.id, r.mapping_id) for r in tx.rows(query.order_by(IMPORTS.c.received_at.desc()))]


def save_mapping(tx: Transaction, mapping_id: str, yaml: str) -> None:
    """Store a mapping that a person made."""
    row = {"id": mapping_id, "yaml": yaml, "changed_by": tx.principal.name, "changed_at": tx.now}
    upsert(tx, MAPPINGS, [row], index=["id"], update=["yaml", "changed_by", "changed_at"])


def read_mappings(tx: Transaction) -> Mapping[str, str]:
    """Return the mappings that people made: id → YAML."""
    return {row.id: row.yaml for row in tx.rows(select(MAPPINGS).order_by(MAPPINGS.c.id))}


def find_imported(
    tx: Transaction, mapping_id: str, keys: Sequence[str]
) -> dict[str, ImportedDevice]:
    """Return devices that only an export knows, by its keys."""
    found: dict[str, ImportedDevice] = {}
    for some in chunked(keys):
        these = and_(IMPORTED.c.mapping_id == mapping_id, IMPORTED.c.key.in_(some))
        found |= {row.key: _device(row) for row in tx.rows(select(IMPORTED).where(these))}
    return found


def find_imported_by_id(tx: Transaction, ids: Sequence[str]) -> dict[str, ImportedDevice]:
    """Return devices that only an export knows, by id."""
    found: dict[str, ImportedDevice] = {}
    for some in chunked(ids):
        rows = tx.rows(select(IMPORTED).where(IMPORTED.c.id.in_(some)))
        found |= {row.id: _device(row) for row in rows}
    return found


def list_imported(tx: Transaction) -> list[ImportedDevice]:
    """Return every device that only an export knows."""
    return [_device(row) for row in tx.rows(select(IMPORTED).order_by(IMPORTED.c.id))]


def page_imported(
    tx: Transaction, search: str, limit: int, offset: int, sort: str = "name"
) -> tuple[list[ImportedDevice], int]:
    """Return one page of devices that only an export knows, and how many match.

    ``sort`` is a key of ALONE_SORTS, "-" downwards.
    """
    like = f"%{search.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    columns = (IMPORTED.c.name, IMPORTED.c.serial, IMPORTED.c.email)
    wanted = or_(*(column.ilike(like, escape="!") for column in columns))
    total = tx.scalar(select(func.count()).select_from(IMPORTED).where(wanted))
    page = (
        select(IMPORTED)
        .where(wanted)
        .order_by(_order(ALONE_SORTS, sort), IMPORTED.c.name, IMPORTED.c.id)
    )
    return [_device(row) for row in tx.rows(page.limit(limit).offset(offset))], int(total or 0)


def count_imported(tx: Transaction) -> int:
    """Count the devices that only an export knows."""
    return int(tx.scalar(select(func.count()).select_from(IMPORTED)) or 0)


def save_imported(tx: Transaction, devices: Sequence[ImportedDevice]) -> None:
    """Insert devices that only an export knows, or take over what it says of them now."""
    rows = [{name: getattr(device, name) for name in _IMPORTED} for device in devices]
    names = [name for name in _IMPORTED if name not in ("id", "created_at")]
    upsert(tx, IMPORTED, rows, index=["id"], update=names)


def delete_imported(tx: Transaction, ids: Sequence[str]) -> None:
    """Delete devices that only an export knew."""
    for some in chunked(ids):
        tx.execute(delete(IMPORTED).where(IMPORTED.c.id.in_(some)))


def _import(row: SQLRow[Any]) -> Import:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values["problems"] = tuple(Problem(p["line"], unpack_text(p["message"])) for p in row.problems)
    values["state"], values["taken_from"] = ImportState(row.state), TakenFrom(row.taken_from)
    return Import(**values)


def _row(row: SQLRow[Any]) -> Row:
    return Row(
        number=row.number, name=row.name, serial=row.serial, uuid=row.uuid, email=row.email,
        platform=row.platform, ownership=row.ownership, seen_at=row.seen_at, facts=row.facts,
        outcome=Outcome(row.outcome), matched_by=MatchedBy(row.matched_by),
        device_id=row.device_id, candidates=tuple(row.candidates),
    )  # fmt: skip


def _device(row: SQLRow[Any]) -> ImportedDevice:
    return ImportedDevice(**{name: getattr(row, name) for name in _IMPORTED})
