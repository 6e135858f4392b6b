"""Evidence over HTTP, as JSON."""

import re
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from sekisho.evidence import service
from sekisho.evidence.model import Checkpoint, EvidenceState, Record, RecordFilter, SigningKey
from sekisho.evidence.sources.destinations import open_destinations
from sekisho.kernel.db import Database
from sekisho.kernel.ids import RecordID
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

_PLACE = re.compile("[0-9]{1,18}")  # fits the 64 bits of a place in the chain
_Limit = Annotated[int, QueryParameter(ge=1, le=500)]
_Place = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)]


class RecordPage(msgspec.Struct, frozen=True):
    """Records, the newest first; ``next`` is the value of ``before`` for the page behind."""

    records: list[Record]
    next: int | None


class Erasure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to erase: single records, or everything that belongs to a person; and why."""

    reason: str
    records: list[str] = []
    person: str | None = None


class Erased(msgspec.Struct, frozen=True):
    """The records that tell of the erasure."""

    erasures: list[RecordID]


@get("/api/evidence/records", sync_to_thread=True)
def list_records(  # noqa: PLR0917 - the framework passes query parameters by name
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    search: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    before: _Place = None,
    limit: _Limit = 50,
) -> RecordPage:
    """List records, the newest first, filtered by words, kind, subject and time."""
    wanted = RecordFilter(search, kind, subject, since, until)
    with database.read(principal) as tx:
        found = service.list_records(tx, wanted=wanted, before=before, limit=limit)
    last = found[-1].seq if len(found) == limit else None
    return RecordPage(found, last)


@get("/api/evidence/records/{wanted:str}", sync_to_thread=True)
def get_record(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    wanted: FromPath[str],
) -> Record:
    """Return one record by its place in the chain or its id."""
    with database.read(principal) as tx:
        return service.get_record(tx, int(wanted) if _PLACE.fullmatch(wanted) else wanted)


@get("/api/evidence/state", sync_to_thread=True)
def get_state(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> EvidenceState:
    """Return where evidence stands: the chain's end, checkpoints and their ways out."""
    with database.read(principal) as tx:
        return service.get_state(tx)


@get("/api/evidence/keys", sync_to_thread=True)
def list_keys(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> list[SigningKey]:
    """Return the public keys that sign checkpoints, the oldest first."""
    principal.require("evidence.read")
    with database.read(principal) as tx:
        return service.list_signing_keys(tx)


@get(
    "/api/evidence/checkpoints",
    media_type="application/x-ndjson",
    response_headers=[
        ResponseHeader(name="content-disposition", value='attachment; filename="checkpoints.jsonl"')
    ],
    sync_to_thread=True,
)
def export_checkpoints(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Annotated[int, QueryParameter(ge=1)] = 1_000,
) -> bytes:
    """Return the latest checkpoints as the lines that travel, the oldest first."""
    with database.read(principal) as tx:
        return service.export_checkpoints(tx, limit=limit)


@post("/api/evidence/checkpoints", sync_to_thread=True)
def write_checkpoint(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
) -> Checkpoint:
    """Sign where the chain stands now and queue it for every destination."""
    with database.write(principal) as tx:
        return service.write_checkpoint(tx, open_destinations(settings), box=box)


@post("/api/evidence/erasures", sync_to_thread=True)
def erase(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[Erasure],
) -> Erased:
    """Erase payloads; the chain stays whole and records tell of it."""
    with database.write(principal) as tx:
        return Erased(
            service.erase_payload(
                tx, records=data.records, person=data.person, reason=data.reason
            )
        )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    list_records,
    get_record,
    get_state,
    list_keys,
    export_checkpoints,
    write_checkpoint,
    erase,
]
