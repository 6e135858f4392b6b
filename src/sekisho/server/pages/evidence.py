"""Evidence as pages: the state of the chain, the records, one record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.evidence import service
from sekisho.evidence.model import Checkpoint, EvidenceState, Record
from sekisho.kernel.db import Database
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page, say_number
from sekisho.kernel.principal import Principal

PER_PAGE = 50
CHECKPOINTS = 5
SHORT = 6  # characters that tell two ids of one page apart

# Where the page of a subject lies; a subject without one is only named.
ADDRESSES = {"device": "/devices/", "control": "/controls/"}
# Rooms whose records a person looks for; the chip filters by "<room>.*".
KINDS = (
    ("control", msg("Verdicts")),
    ("device", msg("Devices")),
    ("identity", msg("People")),
    ("finding", msg("Findings")),
    ("evidence", msg("Evidence itself")),
)


@dataclass(frozen=True, slots=True)
class ChainView:
    """The state of the chain in words: verdict mark, headline, sentence, figures."""

    outcome: str
    words: Text
    detail: Text
    count: int
    sealed: int
    waiting: int
    checkpoint_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One record as a line; ``number`` is None until it is sealed."""

    id: str
    number: int | None
    at: datetime
    kind: str
    subject: str
    address: str
    actor: str
    digest: str


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint that was signed, and where the last one arrived."""

    at: datetime
    upto: int
    sent_to: str
    digest: str


def shorten(reference: str) -> str:
    """Shorten ``kind:prefix_ULID`` to its kind and the end of the id, which tells them apart."""
    kind, _, name = reference.partition(":")
    return f"{kind} …{name[-SHORT:]}" if len(name) > 2 * SHORT else reference


def read_chain(state: EvidenceState) -> ChainView:
    """Say how the chain stands. Never verified is unknown, not fine."""
    last = state.last_verification
    outcome, words, detail = _judge(last)
    return ChainView(
        outcome, words, detail, state.sealed + state.unsealed, state.sealed, state.unsealed,
        state.last_checkpoint.at if state.last_checkpoint else None,
        datetime.fromisoformat(str(last["at"])) if last else None,
    )  # fmt: skip


def _judge(last: Mapping[str, object] | None) -> tuple[str, Text, Text]:
    if last is None:
        return "unknown", msg("Not verified yet"), msg(
            "The records are sealed, but nobody has read them against the chain so far."
        )  # fmt: skip
    if last["problems"]:
        return "fail", msg("The chain is broken"), msg(
            "%(n)s problems were found. The first: %(first)s",
            n=say_number(int(str(last["problems"]))), first=last["first"],
        )  # fmt: skip
    return "pass", msg("The chain holds"), msg(
        "%(n)s records were read again and all of them match.",
        n=say_number(int(str(last["sealed"]))),
    )  # fmt: skip


def read_row(record: Record) -> RecordRow:
    """Make the line of one record."""
    kind, _, name = record.subject.partition(":")
    address = ADDRESSES[kind] + name if kind in ADDRESSES and name else ""
    return RecordRow(
        str(record.seq or record.id), record.seq, record.at, record.kind,
        shorten(record.subject), address, shorten(record.actor), record.digest,
    )  # fmt: skip


def read_checkpoints(state: EvidenceState, listed: list[Checkpoint]) -> list[CheckpointRow]:
    """Make the lines of the checkpoints; a place is named once it has received that one."""
    return [
        CheckpointRow(
            checkpoint.at, checkpoint.seq,
            ", ".join(
                place.destination
                for place in state.destinations
                if place.delivered_seq is not None and place.delivered_seq >= checkpoint.seq
            ) or "—",
            checkpoint.chain,
        )
        for checkpoint in listed
    ]  # fmt: skip


@get("/evidence", sync_to_thread=True)
def show_evidence(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    q: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    before: FromQuery[int | None] = None,
) -> Page:
    """Show the chain's state, the newest records that match, and the checkpoints."""
    with database.read(principal) as tx:
        state = service.get_state(tx)
        records = service.list_records(
            tx, search=q, kind=f"{kind}.*" if kind else "", before=before, limit=PER_PAGE
        )
        listed = service.list_checkpoints(tx, limit=CHECKPOINTS)
    older = records[-1].seq if len(records) == PER_PAGE else None
    return Page("evidence/list.html", {
        "state": read_chain(state), "rows": [read_row(r) for r in records], "older": older,
        "kinds": KINDS, "filters": {"q": q, "kind": kind},
        "checkpoints": read_checkpoints(state, listed),
    })  # fmt: skip


@get("/evidence/{wanted:str}", sync_to_thread=True)
def show_record(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    wanted: FromPath[str],
) -> Page:
    """Show one record, found by its place in the chain or by its id."""
    with database.read(principal) as tx:
        record = service.get_record(tx, int(wanted) if wanted.isdecimal() else wanted)
    detail = record.detail
    payload = None if detail is None else msgspec.json.format(msgspec.json.encode(detail)).decode()
    place = say_number(record.seq) if record.seq else msg("not sealed yet")
    return Page("evidence/record.html", {
        "row": read_row(record), "name": msg("Record %(number)s", number=place),
        "payload": payload,
        "utc": record.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
        "chain": [
            (msg("Id"), record.id), (msg("Whole subject"), record.subject),
            (msg("Whole actor"), record.actor),
            (msg("Salted digest of the content"), record.digest),
            (msg("Chain up to here"), record.chain), (msg("Erased by"), record.erased_by),
        ],
    })  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [show_evidence, show_record]
