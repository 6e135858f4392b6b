"""Bringing in what device managers export: read, preview, apply, forget.

The file waits in a folder until it was applied or given up, then only its digest stays. Needs
``controls.write`` throughout; every step leaves a record.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sekisho.controls.exports.grid import Grid, Problem, read_grid
from sekisho.controls.exports.mapping import (
    ColumnMapping,
    find_columns,
    own_mappings,
    rank_mappings,
    read_mapping,
)
from sekisho.controls.exports.matching import KnownDevice, Outcome, Row, read_export
from sekisho.controls.exports.model import (
    IMPORTED_PREFIX,
    Import,
    ImportedDevice,
    ImportState,
    TakenFrom,
)
from sekisho.controls.faults import CatalogueError
from sekisho.controls.reading import Source
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.controls.service.reading import Standing, list_standings
from sekisho.controls.store import imports as store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import DeviceID, new_id
from sekisho.kernel.settings import Settings

RIGHT = "controls.write"
WAITS = timedelta(hours=24)
_LONGEST_NAME = 300
_SAMPLE = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """An import whose columns have no meaning yet: what is there, and which mappings would fit."""

    made: Import
    columns: Sequence[str]
    sample: Sequence[Sequence[str]]
    values: Mapping[str, Sequence[str]]
    fitting: Sequence[ColumnMapping]
    encoding: str
    rows: int


def imports_folder(settings: Settings) -> Path:
    """Return where files wait until they are brought in."""
    return settings.data / "imports"


def list_mappings(tx: Transaction) -> dict[str, ColumnMapping]:
    """Return all mappings: those of the program and those that people made, by id."""
    tx.principal.require("controls.read")
    found = dict(own_mappings())
    for mapping_id, text in store.read_mappings(tx).items():
        made = read_mapping(text, Source(mapping_id))
        if made is not None:
            found[mapping_id] = made
    return found


def upload_export(tx: Transaction, *, folder: Path, file_name: str, content: bytes) -> Import:
    """Take a file in and read its headings; nothing is brought in yet.

    Raises InvalidInputError and TooLargeError for what is no export.
    """
    tx.principal.require(RIGHT)
    grid = read_grid(content)
    made = Import(
        id=new_id("imp"), mapping_id="", mapping_digest="", yaml="",
        file_name=_clean_name(file_name), digest=hashlib.sha256(content).hexdigest(),
        taken_at=tx.now, taken_from=TakenFrom.UPLOAD, received_at=tx.now,
        person_id=tx.principal.person_id, person_name=tx.principal.name,
        state=ImportState.DRAFT, rows=len(grid.rows), counts={}, problems=grid.problems,
    )  # fmt: skip
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / made.id).write_bytes(content)
    store.save_import(tx, made)
    told = {"file": made.file_name, "digest": made.digest, "rows": made.rows}
    _record(tx, made, "import.uploaded", told | {"encoding": grid.encoding})
    return made


def _clean_name(name: str) -> str:
    plain = "".join(c for c in name if c.isprintable()).replace("/", " ").strip()
    return plain[-_LONGEST_NAME:] or "export"


def read_draft(tx: Transaction, folder: Path, import_id: str) -> Draft:
    """Return what an export holds and which mappings would fit."""
    made = require_import(tx, import_id)
    grid = _read_file(folder, made)
    values = {
        name: sorted({cells[place] for _, cells in grid.rows[:5000]} - {""})[:12]
        for place, name in enumerate(grid.columns)
    }
    fitting = rank_mappings(list_mappings(tx), grid.columns)
    sample = [cells for _, cells in grid.rows[:_SAMPLE]]
    return Draft(made, grid.columns, sample, values, fitting, grid.encoding, len(grid.rows))


def _read_file(folder: Path, made: Import, rows_at: str = "") -> Grid:
    try:
        content = (folder / made.id).read_bytes()
    except OSError as error:
        raise ConflictError(
            msg("The file of this import is no longer here."),
            hint=msg("Choose it again; a file waits for a day at most."),
        ) from error
    if hashlib.sha256(content).hexdigest() != made.digest:
        raise ConflictError(msg("The file of this import is not the one that was brought."))
    return read_grid(content, rows_at)


def preview_import(
    tx: Transaction, import_id: str, *, folder: Path, yaml: str, known: Sequence[KnownDevice],
    taken_at: datetime | None = None, keep: bool = False,
) -> Import:  # fmt: skip
    """Read an export under a mapping and show what it would do; ``keep`` stores the mapping.

    ``taken_at`` is when the export was made, if somebody says so. Raises InvalidInputError with
    the line of the mapping that is wrong, ConflictError if it was applied already.
    """
    tx.principal.require(RIGHT)
    made = _require_open(tx, import_id)
    mapping = _require_mapping(yaml)
    if taken_at is not None and taken_at > tx.now:
        raise InvalidInputError(msg("An export cannot have been made in the future."))
    grid = _read_file(folder, made, mapping.rows_at)
    reading = read_export(grid, mapping, known, taken_at or tx.now, tx.now)
    _check_useful(reading.rows, reading.problems)
    made = replace(
        made, mapping_id=mapping.id, mapping_digest=mapping.digest, yaml=yaml,
        taken_at=taken_at or _latest(reading.rows) or tx.now,
        taken_from=_taken_from(mapping, grid, taken_at), state=ImportState.PREVIEW,
        rows=len(reading.rows), counts=reading.counts, problems=reading.problems,
    )  # fmt: skip
    store.save_import(tx, made)
    store.replace_rows(tx, made.id, reading.rows)
    if keep:
        _keep_mapping(tx, mapping)
    return made


def _taken_from(mapping: ColumnMapping, grid: Grid, taken_at: datetime | None) -> TakenFrom:
    if "seen" in find_columns(mapping, grid.columns):
        return TakenFrom.ROWS
    return TakenFrom.PERSON if taken_at is not None else TakenFrom.UPLOAD


def _latest(rows: Sequence[Row]) -> datetime | None:
    return max((row.seen_at for row in rows if row.seen_at is not None), default=None)


def _require_mapping(yaml: str) -> ColumnMapping:
    source = Source("mapping")
    mapping = read_mapping(yaml, source)
    known = catalogue_in_force().controls
    for rule in mapping.facts if mapping is not None else ():
        if rule.control_id not in known:
            source.note(1, msg("There is no control %(id)s.", id=rule.control_id))
    if mapping is None or source.faults:
        raise CatalogueError(source.faults)
    return mapping


def _check_useful(rows: Sequence[Row], problems: Sequence[Problem]) -> None:
    if not rows:
        raise InvalidInputError(
            msg("Not one line of this file can be read."),
            hint=problems[0].message if problems else msg("It has headings and nothing else."),
        )
    if not any(row.facts for row in rows) or all(not (row.key or row.email) for row in rows):
        raise InvalidInputError(
            msg("Under this mapping the file says nothing of any device."),
            hint=msg("Name a column that tells devices apart, and one that answers a rule."),
        )


def _keep_mapping(tx: Transaction, mapping: ColumnMapping) -> None:
    if mapping.id in own_mappings():
        raise ConflictError(
            msg("“%(id)s” is a mapping of the program; give yours another name.", id=mapping.id)
        )
    store.save_mapping(tx, mapping.id, mapping.yaml)
    evidence.record(
        tx, kind="import.mapping_saved", subject=f"mapping:{mapping.id}",
        detail={"digest": mapping.digest},
    )  # fmt: skip


def start_import(tx: Transaction, import_id: str) -> Import:
    """Have the worker bring in what the preview showed, by a fresh proof: it counts as proof."""
    tx.principal.require(RIGHT)
    tx.principal.require_fresh(tx.now)
    made = _require_open(tx, import_id)
    if made.state is not ImportState.PREVIEW:
        raise ConflictError(
            msg("This import was not looked at yet."), hint=msg("Choose what its columns mean.")
        )
    store.set_state(tx, import_id, ImportState.APPLYING)
    _record(tx, made, "import.started", {
        "mapping": made.mapping_id, "mapping_digest": made.mapping_digest,
        "taken_at": made.taken_at.isoformat(), "taken_from": made.taken_from.value,
        "counts": dict(made.counts),
    })  # fmt: skip
    return replace(made, state=ImportState.APPLYING)


def cancel_import(tx: Transaction, import_id: str, *, folder: Path) -> None:
    """Give an import up before it was brought in; the file and its rows are deleted."""
    tx.principal.require(RIGHT)
    made = _require_open(tx, import_id)
    store.set_state(tx, import_id, ImportState.CANCELLED)
    store.delete_rows(tx, import_id)
    _record(tx, made, "import.cancelled", {})
    tx.after_commit(lambda: (folder / import_id).unlink(missing_ok=True))


def settle_row(
    tx: Transaction, import_id: str, number: int, device_id: str, known: Sequence[KnownDevice]
) -> None:
    """Say which enrolled device a row is that could be several."""
    tx.principal.require(RIGHT)
    made = require_import(tx, import_id)
    if device_id not in {device.id for device in known}:
        raise NotFoundError(msg("There is no device %(id)s.", id=device_id[:60]))
    if made.state is ImportState.CANCELLED:
        raise ConflictError(msg("This import was given up."))
    store.settle_row(tx, import_id, number, device_id)
    if made.state is ImportState.DONE:
        store.set_state(tx, import_id, ImportState.APPLYING)
    _record(tx, made, "import.row_settled", {"line": number, "device": device_id})


def list_imports(
    tx: Transaction, *, search: str = "", sort: str = "-received", limit: int = 50, offset: int = 0
) -> tuple[list[Import], int]:
    """Return one page of imports and how many match. Needs ``controls.read``.

    An order that is not known lists the latest first.
    """
    tx.principal.require("controls.read")
    known = sort if sort.removeprefix("-") in store.SORTS else "-received"
    return store.list_imports(tx, search=search.strip(), sort=known, limit=limit, offset=offset)


def require_import(tx: Transaction, import_id: str) -> Import:
    """Return an import; raise NotFoundError. Needs ``controls.write``."""
    tx.principal.require(RIGHT)
    made = store.find_import(tx, import_id)
    if made is None:
        raise NotFoundError(msg("There is no such import."), hint=msg("Imports are at /imports."))
    return made


def _require_open(tx: Transaction, import_id: str) -> Import:
    made = require_import(tx, import_id)
    if made.state not in (ImportState.DRAFT, ImportState.PREVIEW):
        raise ConflictError(
            msg("This import is brought in already, or was given up."),
            hint=msg("Choose the file again for another import."),
        )
    return made


def list_rows(
    tx: Transaction, import_id: str, *, outcome: str = "", search: str = "", sort: str = "line",
    limit: int = 50, offset: int = 0,
) -> tuple[list[Row], int]:  # fmt: skip
    """Return one page of an import's rows and how many match. Needs ``controls.write``."""
    tx.principal.require(RIGHT)
    if outcome and outcome not in tuple(Outcome):
        outcome = ""
    known = sort if sort.removeprefix("-") in store.ROW_SORTS else "line"
    return store.list_rows(
        tx, import_id, outcome=outcome, search=search, sort=known, limit=limit, offset=offset
    )


def page_imported(
    tx: Transaction, search: str, limit: int, offset: int, sort: str = "name"
) -> tuple[list[ImportedDevice], int]:
    """Return one page of devices that only an export knows. Needs ``controls.read``."""
    tx.principal.require("controls.read")
    known = sort if sort.removeprefix("-") in store.ALONE_SORTS else "name"
    return store.page_imported(tx, search, limit, offset, known)


def count_imported(tx: Transaction) -> int:
    """Count the devices that only an export knows, nothing else."""
    return store.count_imported(tx)


def name_imported(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return id → name of those among ``ids`` that only an export knows."""
    wanted = [device for device in ids if device.startswith(IMPORTED_PREFIX)]
    found = store.find_imported_by_id(tx, wanted)
    return {key: device.name or device.serial for key, device in found.items()}


def list_imported_standings(
    tx: Transaction, devices: Sequence[ImportedDevice]
) -> dict[DeviceID, Standing]:
    """Return how such devices stand."""
    return list_standings(tx, [DeviceID(device.id) for device in devices])


def count_waiting(tx: Transaction, import_id: str) -> int:
    """Return how many rows the worker has still to bring in."""
    return store.count_waiting_rows(tx, import_id)


def _record(tx: Transaction, made: Import, kind: str, detail: Mapping[str, object]) -> None:
    evidence.record(tx, kind=kind, subject=f"import:{made.id}", detail=detail)
