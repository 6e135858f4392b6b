"""Evidence as pages: the state of the chain, the records, one record.

Here and not in the room of evidence, because records name devices and people.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.web.people import name_people, say_actor
from sekisho.evidence import service
from sekisho.evidence.model import Checkpoint, EvidenceState, Record, RecordFilter
from sekisho.evidence.sources.destinations import own_destination
from sekisho.evidence.words import name_kind
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page, say_number
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

PER_PAGE = 50
CHECKPOINTS = 5
VERIFICATIONS = 7
VERIFIED = "evidence.verified"
SHORT = 6  # characters that tell two ids of one page apart

# Where the page of a subject lies; a subject without one is only named.
ADDRESSES = {"device": "/devices/", "control": "/controls/"}
# What a record can be about, where no name is known.
THINGS: Mapping[str, Text] = {
    "person": msg("Person"), "device": msg("Device"), "kit": msg("Enrolment kit"),
    "record": msg("Record"), "token": msg("API token"), "control": msg("Rule"),
    "carve": msg("Files"), "finding": msg("Finding"), "exception": msg("Exception"),
    "unit": msg("Unit"), "group": msg("Group"), "selfcheck": msg("Self-check"),
    "act": msg("Act on many"), "view": msg("View"), "report": msg("Report"),
    "document": msg("Document"), "import": msg("Import"), "mapping": msg("Columns of an import"),
    "channel": msg("Channel"), "rules": msg("Source of detection rules"),
    "rule": msg("Detection rule"), "artifact": msg("Kept file"),
}  # fmt: skip
_COUNTED = ("sealed", "outside", "problems")  # numbers in the detail of a verification
# Rooms whose records a person looks for; the chip filters by "<room>.*".
KINDS = (
    ("control", msg("Verdicts")),
    ("device", msg("Devices")),
    ("identity", msg("People")),
    ("finding", msg("Findings")),
    ("exception", msg("Exceptions")),
    ("notice", msg("Notices")),
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
    left_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One record as a line; ``number`` is None until it is sealed.

    ``kind``, ``subject`` and ``actor`` are for people; the ``_id`` of each is what is stored.
    """

    id: str
    number: int | None
    at: datetime
    kind: Text | str
    kind_id: str
    subject: Text | str
    subject_id: str
    address: str
    actor: Text | str
    actor_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint that was signed, and the places outside this machine that have it."""

    at: datetime
    upto: int
    sent_to: Sequence[str]
    digest: str


@dataclass(frozen=True, slots=True)
class VerificationRow:
    """What one of the daily verifications found."""

    id: str
    at: datetime
    records: int
    outside: int
    problems: int


def shorten(name: str) -> str:
    """Shorten ``prefix_ULID`` to the end of the id, which tells them apart."""
    return f"…{name[-SHORT:]}" if len(name) > 2 * SHORT else name


def read_chain(state: EvidenceState, own: str) -> ChainView:
    """Say how the chain stands. Never verified is unknown, not fine.

    ``own`` names the destination that does not leave this machine.
    """
    last = state.last_verification
    outcome, words, detail = _judge(last)
    left = [p.delivered_at for p in state.destinations if p.destination != own and p.delivered_at]
    return ChainView(
        outcome, words, detail, state.sealed + state.unsealed, state.sealed, state.unsealed,
        state.last_checkpoint.at if state.last_checkpoint else None, max(left, default=None),
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


def read_rows(tx: Transaction, records: Sequence[Record]) -> list[RecordRow]:
    """Make the lines of records; whoever and whatever is still known is named."""
    spoken = [reference for r in records for reference in (r.subject, r.actor)]
    names = name_references(tx, spoken)
    return [_row(record, names) for record in records]


def name_references(tx: Transaction, references: Iterable[str]) -> dict[str, str]:
    """Return ``person:…`` and ``device:…`` → its name, as far as the caller may know it."""
    wanted = set(references)
    found: dict[str, str] = {}
    if tx.principal.allows("identity.read"):
        people = {ref.removeprefix("person:") for ref in wanted if ref.startswith("person:")}
        found |= {f"person:{key}": name for key, name in name_people(tx, people).items()}
    devices = sorted(ref.removeprefix("device:") for ref in wanted if ref.startswith("device:"))
    if devices and tx.principal.allows("devices.read"):
        listed = inventory.list_devices(tx, DeviceFilter(only=devices), limit=len(devices))
        found |= {f"device:{device.id}": device.title for device in listed.devices}
    return found


def _row(record: Record, names: Mapping[str, str]) -> RecordRow:
    kind, _, name = record.subject.partition(":")
    address = ADDRESSES[kind] + name if kind in ADDRESSES and name else ""
    return RecordRow(
        str(record.seq or record.id), record.seq, record.at, name_kind(record.kind), record.kind,
        name_reference(record.subject, names), record.subject, address,
        name_reference(record.actor, names), record.actor, record.digest,
    )  # fmt: skip


def name_reference(reference: str, names: Mapping[str, str]) -> Text | str:
    """Say who or what a reference is: by name, else what kind of thing and the end of its id."""
    kind, _, name = reference.partition(":")
    words = None if reference in names else THINGS.get(kind)
    if words:
        return msg("%(thing)s %(id)s", thing=words, id=shorten(name))
    return say_actor(reference, names)


def read_checkpoints(
    state: EvidenceState, listed: list[Checkpoint], own: str
) -> list[CheckpointRow]:
    """Make the lines of the checkpoints; a place is named once it has received that one."""
    outside = [place for place in state.destinations if place.destination != own]
    return [
        CheckpointRow(
            checkpoint.at, checkpoint.seq,
            [p.destination for p in outside if (p.delivered_seq or 0) >= checkpoint.seq],
            checkpoint.chain,
        )
        for checkpoint in listed
    ]  # fmt: skip


def read_verifications(tx: Transaction) -> list[VerificationRow]:
    """Return what the last daily verifications found, from the evidence itself, newest first."""
    records = service.list_records(tx, kind=VERIFIED, limit=VERIFICATIONS)
    return [
        VerificationRow(
            str(record.seq or record.id), record.at,
            *(int(str((record.detail or {}).get(key) or 0)) for key in _COUNTED),
        )
        for record in records
    ]  # fmt: skip


@get("/evidence", sync_to_thread=True)
def show_evidence(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    q: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    sort: FromQuery[str] = service.LATEST,
    after: FromQuery[int | None] = None,
) -> Page:
    """Show the chain's state, the records that match, checks and checkpoints."""
    own = own_destination(settings.data)
    with database.read(principal) as tx:
        state = service.get_state(tx)
        wanted = RecordFilter(search=q, kind=f"{kind}.*" if kind else "")
        records = service.sort_records(tx, wanted, sort, after=after, limit=PER_PAGE)
        rows = read_rows(tx, records)
        listed = service.list_checkpoints(tx, limit=CHECKPOINTS)
        checks = read_verifications(tx)
    further = records[-1].seq if len(records) == PER_PAGE else None
    return Page("evidence/list.html", {
        "state": read_chain(state, own), "rows": rows, "further": further, "checks": checks,
        "kinds": KINDS, "filters": {"q": q, "kind": kind, "sort": sort, "after": after},
        "checkpoints": read_checkpoints(state, listed, own),
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
        (row,) = read_rows(tx, [record])
    detail = record.detail
    payload = None if detail is None else msgspec.json.format(msgspec.json.encode(detail)).decode()
    place = say_number(record.seq) if record.seq else msg("not sealed yet")
    return Page("evidence/record.html", {
        "row": row, "name": msg("Record %(number)s", number=place),
        "payload": payload, "needs": record.needs,
        "utc": record.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
        "chain": [
            (msg("Id"), record.id), (msg("Whole subject"), record.subject),
            (msg("Whole actor"), record.actor),
            (msg("Salted digest of the content"), record.digest),
            (msg("Chain up to here"), record.chain), (msg("Erased by"), record.erased_by),
        ],
    })  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [show_evidence, show_record]
