"""Documents: handed in by one person, reviewed by another, spread over devices by the worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sekisho.controls.documents import (
    Document,
    DocumentScope,
    DocumentState,
    check_document,
    check_review,
    tell_kind,
)
from sekisho.controls.model import Control, Proof, VerdictKind
from sekisho.controls.selfchecks import Audience
from sekisho.controls.service.audience import list_audience, require_audience
from sekisho.controls.service.judging import catalogue_in_force, settle_devices
from sekisho.controls.statements import Statement
from sekisho.controls.store import documents as store
from sekisho.controls.store import statements as statement_store
from sekisho.controls.store import verdicts
from sekisho.evidence import service as evidence
from sekisho.evidence.model import Artifact
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID, DeviceID, new_id
from sekisho.notices import service as notices
from sekisho.notices.model import Kind, People

RIGHT = "controls.write"
LARGEST_FILE = 20_000_000
REMINDED = timedelta(days=14)
AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What somebody hands in: a file (``content``) or a link."""

    control_id: str
    title: str
    valid_from: datetime
    valid_until: datetime
    scope: DocumentScope = DocumentScope.ORGANISATION
    scope_id: str = ""
    note: str = ""
    address: str = ""
    file_name: str = ""
    content: bytes = b""


def submit_document(tx: Transaction, new: NewDocument, *, shelf: Path) -> Document:
    """Hand a document in; it proves nothing before somebody else has reviewed it.

    Needs ``controls.write`` and a person; raises InvalidInputError, NotFoundError, TooLargeError.
    """
    tx.principal.require(RIGHT)
    control = _require_control(new.control_id)
    _require_scope(tx, new.scope, new.scope_id)
    digest, name = _keep_file(tx, new, shelf)
    made = Document(
        id=new_id("doc"), control_id=control.id, control_version=control.version,
        scope=new.scope, scope_id=new.scope_id, title=new.title.strip(), note=new.note.strip(),
        address=new.address.strip(), artefact=digest, file_name=name,
        valid_from=new.valid_from, valid_until=new.valid_until, state=DocumentState.SUBMITTED,
        submitted_by=tx.principal.person_id or tx.principal.reference,
        submitted_name=tx.principal.name, submitted_at=tx.now,
    )  # fmt: skip
    check_document(control, made, tx.now)
    store.save_document(tx, made)
    _record(tx, made, "document.submitted", {
        "control": made.control_id, "scope": made.scope.value, "scope_id": made.scope_id,
        "artefact": made.artefact, "address": made.address,
        "valid_from": made.valid_from.isoformat(), "valid_until": made.valid_until.isoformat(),
    })  # fmt: skip
    return made


def _keep_file(tx: Transaction, new: NewDocument, shelf: Path) -> tuple[str | None, str]:
    if not new.content:
        return None, ""
    name = "".join(c for c in new.file_name if c.isprintable()).replace("/", " ").strip()
    name = name[-200:] or "document"
    digest = evidence.store_artifact(
        tx, shelf=shelf, name=name, media_type=tell_kind(new.content), content=new.content,
        subject=f"control:{new.control_id}", most=LARGEST_FILE,
    )  # fmt: skip
    return digest, name


def review_document(tx: Transaction, document_id: str, *, accept: bool, note: str) -> Document:
    """Accept or refuse a document somebody else handed in. Needs ``controls.write``.

    Accepting makes a rule pass and needs a fresh proof of who does it.

    Raises NotPermittedError for the one who handed it in, ConflictError if it was reviewed.
    """
    tx.principal.require(RIGHT)
    found = get_document(tx, document_id)
    check_review(found, tx.principal.person_id)
    if accept:
        tx.principal.require_fresh(tx.now)
    if not accept and not note.strip():
        raise InvalidInputError(msg("Say why it is refused, so that a better one can be found."))
    state = DocumentState.ACCEPTED if accept else DocumentState.REFUSED
    made = replace(
        found, state=state, reviewed_by=tx.principal.person_id, reviewed_at=tx.now,
        reviewed_name=tx.principal.name, review_note=note.strip()[:2000],
    )  # fmt: skip
    store.save_document(tx, made)
    _record(tx, made, f"document.{state.value}", {"note": made.review_note})
    spread_documents(tx)
    return made


def end_document(tx: Transaction, document_id: str) -> None:
    """Take a document back now; what it proved is unknown again. Needs ``controls.write``."""
    tx.principal.require(RIGHT)
    found = get_document(tx, document_id)
    if found.state not in (DocumentState.ACCEPTED, DocumentState.SUBMITTED):
        raise ConflictError(msg("This document does not count any more."))
    store.save_document(tx, replace(found, state=DocumentState.ENDED))
    _record(tx, found, "document.ended", {})
    spread_documents(tx)


def spread_documents(tx: Transaction, limit: int = AT_ONCE) -> int:
    """Let documents speak for the devices they are for, and no longer for others (the worker).

    Returns how many devices were changed, at most about ``limit``.
    """
    said = {(row.device_id, row.control_id): row for row in store.list_said(tx)}
    wanted = _wanted(tx)
    if not said and not wanted:
        return 0
    fresh = [key for key, found in wanted.items() if _is_other(said.get(key), found)][:limit]
    stale = [key for key in said if key not in wanted][:limit]
    controls = catalogue_in_force().controls
    statement_store.save_statements(
        tx, [_statement(wanted[key], controls[ControlID(key[1])], key[0]) for key in fresh]
    )
    gone = [_nothing(tx, key) for key in stale]
    statement_store.delete_statements(tx, gone)
    devices = sorted({DeviceID(device) for device, _ in (*fresh, *stale)})
    settle_devices(tx, verdicts.find_subjects(tx, devices))
    return len(devices)


def _wanted(tx: Transaction) -> dict[tuple[str, str], Document]:
    """Return which document speaks for each device and rule: the one that counts longest."""
    controls = catalogue_in_force().controls
    wanted: dict[tuple[str, str], Document] = {}
    for document in store.list_accepted(tx):
        control = controls.get(document.control_id)
        if control is None or control.version != document.control_version:
            continue
        if not document.holds(tx.now) or document.counts_until(control) <= tx.now:
            continue
        for device in _devices(tx, document):
            key = (device, str(control.id))
            held = wanted.get(key)
            if held is None or held.counts_until(control) < document.counts_until(control):
                wanted[key] = document
    return wanted


def _devices(tx: Transaction, document: Document) -> list[str]:
    rows = store.list_devices(tx, document.control_id)
    if document.scope is DocumentScope.ORGANISATION:
        return [row.device_id for row in rows]
    if document.scope is DocumentScope.DEVICE:
        return [row.device_id for row in rows if row.device_id == document.scope_id]
    people = {person for person, _ in list_audience(tx, Audience.UNIT, document.scope_id)}
    return [row.device_id for row in rows if row.person_id in people]


def _is_other(row: object, document: Document) -> bool:
    return row is None or getattr(row, "source", "") != document.source


def _statement(document: Document, control: Control, device_id: str) -> Statement:
    reviewed = document.reviewed_at or document.submitted_at
    return Statement(
        device_id=DeviceID(device_id), control_id=control.id, control_version=control.version,
        proof=Proof.DOCUMENT, said=VerdictKind.PASS, source=document.source,
        stated_at=reviewed, received_at=reviewed, valid_until=document.counts_until(control),
    )  # fmt: skip


def _nothing(tx: Transaction, key: tuple[str, str]) -> Statement:
    return Statement(
        DeviceID(key[0]), ControlID(key[1]), 0, Proof.DOCUMENT, VerdictKind.UNKNOWN, "", tx.now,
        tx.now, tx.now,
    )  # fmt: skip


def remind_documents(tx: Transaction) -> int:
    """Tell those who know a document two weeks before it ends (the worker); return how many."""
    ending = store.list_ending(tx, tx.now, tx.now + REMINDED)
    for document in ending:
        people = {document.submitted_by, document.reviewed_by or document.submitted_by}
        notices.queue_notice(
            tx, to=People(sorted(people)), kind=Kind.DOCUMENT_ENDS,
            subject=f"document:{document.id}",
            title=msg("A document ends on %(day)s: %(title)s",
                      day=document.valid_until.date().isoformat(), title=document.title),
            body=msg("After that day the rule it proves is unknown again. Hand in the next one in "
                     "time, so that somebody else can review it."),
            link=f"/documents/{document.id}", dedupe_key=f"document.ends:{document.id}",
        )  # fmt: skip
        store.save_document(tx, replace(document, reminded_at=tx.now))
    return len(ending)


def list_documents(
    tx: Transaction, *, state: str = "", search: str = "", sort: str = "until", limit: int = 50,
    offset: int = 0,
) -> tuple[list[Document], int]:  # fmt: skip
    """Return one page of documents and how many match. Needs ``controls.read``.

    A state or an order that is not known lists all of them, those that end first in front.
    """
    tx.principal.require("controls.read")
    known = state if state in tuple(DocumentState) else ""
    order = sort if sort.removeprefix("-") in store.SORTS else "until"
    return store.list_documents(
        tx, state=known, search=search, sort=order, limit=limit, offset=offset
    )


def get_document(tx: Transaction, document_id: str) -> Document:
    """Return a document; raise NotFoundError. Needs ``controls.read``."""
    tx.principal.require("controls.read")
    found = store.find_document(tx, document_id)
    if found is None:
        raise NotFoundError(
            msg("There is no such document."), hint=msg("Documents are at /documents.")
        )
    return found


def open_file(tx: Transaction, document_id: str, *, shelf: Path) -> tuple[Artifact, bytes]:
    """Return a document's file; that it was opened is recorded. Needs ``evidence.read``."""
    found = get_document(tx, document_id)
    if found.artefact is None:
        raise NotFoundError(msg("This document is a link and has no file."))
    return evidence.open_artifact(tx, shelf=shelf, digest=found.artefact, purpose="document")


def paper_controls() -> Sequence[Control]:
    """Return the rules that documents can prove."""
    return [c for c in catalogue_in_force().controls.values() if c.proof is not Proof.MACHINE]


def _require_control(control_id: str) -> Control:
    found = catalogue_in_force().controls.get(ControlID(control_id))
    if found is None:
        raise NotFoundError(msg("There is no control %(id)s.", id=control_id[:60]))
    return found


def _require_scope(tx: Transaction, scope: DocumentScope, scope_id: str) -> None:
    if scope is DocumentScope.UNIT:
        require_audience(tx, Audience.UNIT, scope_id)
    if scope is DocumentScope.DEVICE and not verdicts.find_subjects(tx, [DeviceID(scope_id)]):
        raise NotFoundError(msg("There is no device %(id)s with verdicts.", id=scope_id[:60]))


def _record(tx: Transaction, made: Document, kind: str, detail: Mapping[str, object]) -> None:
    evidence.record(
        tx, kind=kind, subject=f"document:{made.id}", detail={"title": made.title} | dict(detail)
    )
