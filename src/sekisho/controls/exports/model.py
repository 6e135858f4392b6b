"""Imports of exports: how far each has come, and devices that only an export knows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sekisho.controls.exports.grid import Problem


class ImportState(StrEnum):
    """How far an import has come."""

    DRAFT = "draft"  # read; its columns have no meaning yet
    PREVIEW = "preview"  # shown what it would do
    APPLYING = "applying"  # the worker brings it in, bit by bit
    DONE = "done"
    CANCELLED = "cancelled"


class TakenFrom(StrEnum):
    """Where the time of an export comes from, best first."""

    ROWS = "rows"  # each row tells when the device was seen
    PERSON = "person"  # whoever brought it said when it was made
    UPLOAD = "upload"  # nobody said; it can be no older than the upload


IMPORTED_PREFIX = "imp_"  # how the id of a device begins that only an export knows


@dataclass(frozen=True, slots=True)
class Import:
    """One export that was brought in."""

    id: str
    mapping_id: str
    mapping_digest: str
    yaml: str
    file_name: str
    digest: str
    taken_at: datetime
    taken_from: TakenFrom
    received_at: datetime
    person_id: str | None
    person_name: str
    state: ImportState
    rows: int
    counts: Mapping[str, int]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedDevice:
    """A device that only an export knows: it counts, and it is never let in anywhere.

    It has no key, no certificate and no agent; ``key`` is what the export tells it by.
    """

    id: str
    mapping_id: str
    key: str
    name: str
    serial: str
    uuid: str
    email: str
    person_id: str | None
    platform: str
    seen_at: datetime | None
    import_id: str
    created_at: datetime
