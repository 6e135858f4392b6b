"""Documents as evidence: the list, handing one in, and reviewing what somebody else handed in.

Here and not in the room of controls, because it names devices.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.documents import DocumentScope, DocumentState
from sekisho.controls.exports.dates import parse_date
from sekisho.controls.model import Catalogue
from sekisho.controls.selfchecks import Audience
from sekisho.controls.service import documents as service
from sekisho.controls.service.audience import list_choices
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    StepUpNeededError,
    TooLargeError,
)
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

ADDRESS = "/documents"
PER_PAGE = 50
_FORM_BYTES = 100_000
_DAY = timedelta(days=1)
Upload = MultipartBody[dict[str, Any] | None]  # None: a form that is not multipart
Form = URLEncodedBody[dict[str, Any]]
Wrong = tuple[Text | str, Text | str]
WORDS_OF_STATE: Mapping[DocumentState, Text] = {
    DocumentState.SUBMITTED: msg("Waits for review"),
    DocumentState.ACCEPTED: msg("Accepted"),
    DocumentState.REFUSED: msg("Refused"),
    DocumentState.ENDED: msg("Taken back"),
}


@get(ADDRESS, sync_to_thread=True)
def show_documents(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    q: FromQuery[str] = "",
    shown: FromQuery[str] = "",
    sort: FromQuery[str] = "until",
    page: FromQuery[int] = 1,
) -> Page:
    """List documents, those that end first in front. Needs ``controls.read``."""
    return _list(database, principal, q=q, shown=shown, sort=sort, page=max(1, page))


def _list(
    database: Database, principal: Principal, *, q: str = "", shown: str = "",
    sort: str = "until", page: int = 1, wrong: Wrong | None = None,
    sent: Mapping[str, str] | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        found, total = service.list_documents(
            tx, state=shown, search=q, sort=sort, limit=PER_PAGE, offset=(page - 1) * PER_PAGE
        )
        may = tx.principal.allows(service.RIGHT)
        units = (
            list_choices(tx, Audience.UNIT) if may and tx.principal.holds("identity.read") else []
        )
        today = tx.now
    controls = service.paper_controls()
    context = {
        "documents": found, "words": WORDS_OF_STATE, "moment": today, "units": units,
        "controls": {control.id: control for control in controls},
        "filters": {"q": q, "shown": shown, "sort": sort}, "wrong": wrong, "sent": sent or {},
        "page": page, "pages": -(-total // PER_PAGE) or 1, "total": total,
        "first": (page - 1) * PER_PAGE + 1 if found else 0,
        "last": (page - 1) * PER_PAGE + len(found),
    }  # fmt: skip
    return Page("pages/documents.html", context, status=400 if wrong else 200)


@post(ADDRESS, sync_to_thread=True, request_max_body_size=service.LARGEST_FILE + _FORM_BYTES)
def submit_document(
    data: Upload,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> Redirect | Page:
    """Hand a document in; what is wrong with it is told on the same page."""
    principal.require(service.RIGHT)
    given = data or {}
    sent = {name: value for name, value in given.items() if isinstance(value, str)}
    try:
        with database.write(principal) as tx:
            made = service.submit_document(
                tx,
                _read(tx, sent, given.get("file"), own_zone(settings, tx.now)),
                shelf=settings.data / "artefacts",
            )
    except (InvalidInputError, NotFoundError, TooLargeError) as error:
        return _list(database, principal, wrong=(error.message, error.hint), sent=sent)
    return Redirect(f"{ADDRESS}/{made.id}", status_code=303)


def _read(
    tx: Transaction, sent: Mapping[str, str], upload: object, zone: tzinfo
) -> service.NewDocument:
    kind, _, scope_id = sent.get("scope", "organisation").partition(":")
    if kind == "device":
        scope_id = _find_device(tx, sent.get("device", ""))
    has_file = isinstance(upload, UploadFile) and bool(upload.filename)
    return service.NewDocument(
        control_id=sent.get("control", ""), title=sent.get("title", ""),
        valid_from=_day(sent.get("from", ""), zone),
        valid_until=_day(sent.get("until", ""), zone) + _DAY,
        scope=DocumentScope(kind) if kind in tuple(DocumentScope) else DocumentScope.ORGANISATION,
        scope_id=scope_id, note=sent.get("note", ""), address=sent.get("address", ""),
        file_name=upload.filename if isinstance(upload, UploadFile) else "",
        content=upload.file.read(service.LARGEST_FILE + 1)
        if has_file and isinstance(upload, UploadFile)
        else b"",
    )  # fmt: skip


def _find_device(tx: Transaction, name: str) -> str:
    """Return the one device that is called so; raise InvalidInputError for none or several."""
    found = inventory.list_devices(tx, DeviceFilter(search=name.strip()), limit=2).devices
    if len(found) != 1 or not name.strip():
        raise InvalidInputError(
            msg("“%(got)s” is not the name of exactly one device.", got=name[:60]),
            hint=msg("Write its name, host name or serial number as the list of devices shows it."),
        )
    return str(found[0].id)


def own_zone(settings: Settings, now: datetime) -> tzinfo:
    """Return the zone that times without one are in: that of the pages."""
    if settings.time_zone:
        return ZoneInfo(settings.time_zone)
    return now.astimezone().tzinfo or UTC


def _day(text: str, zone: tzinfo) -> datetime:
    found = parse_date(text, zone)
    if found is None:
        raise InvalidInputError(
            msg("“%(got)s” is no day.", got=text[:40]), hint=msg("Write it as 2026-11-23.")
        )
    return found.astimezone(UTC)


@get(ADDRESS + "/{document_id:str}", sync_to_thread=True)
def show_document(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    document_id: FromPath[str],
) -> Page:
    """Show one document and, to somebody else than who brought it, the review."""
    return _one(database, principal, catalogue, document_id)


def _one(
    database: Database, principal: Principal, catalogue: Catalogue, document_id: str,
    wrong: Wrong | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        found = service.get_document(tx, document_id)
        control = catalogue.controls.get(found.control_id)
        name = _say_scope(tx, found.scope, found.scope_id)
        now = tx.now
    context = {
        "document": found, "control": control, "scope": name, "words": WORDS_OF_STATE,
        "moment": now, "own": found.submitted_by == principal.person_id, "wrong": wrong,
        "counts_until": found.counts_until(control) if control is not None else None,
    }  # fmt: skip
    return Page("pages/document.html", context, status=400 if wrong else 200)


def _say_scope(tx: Transaction, scope: DocumentScope, scope_id: str) -> str:
    if scope is DocumentScope.UNIT and tx.principal.holds("identity.read"):
        return dict(list_choices(tx, Audience.UNIT)).get(scope_id, "").strip()
    if scope is DocumentScope.DEVICE and tx.principal.allows("devices.read"):
        found = inventory.list_devices(tx, DeviceFilter(only=[scope_id]), limit=1).devices
        return found[0].title if found else ""
    return ""


@post(ADDRESS + "/{document_id:str}/review", sync_to_thread=True)
def review_document(
    data: Form,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    document_id: FromPath[str],
) -> Redirect | Page:
    """Accept or refuse it."""
    principal.require(service.RIGHT)
    try:
        with database.write(principal) as tx:
            service.review_document(
                tx, document_id, accept=data.get("decision") == "accept",
                note=str(data.get("note", "")),
            )  # fmt: skip
    except StepUpNeededError:
        raise  # the form waits meanwhile
    except (InvalidInputError, NotPermittedError) as error:
        wrong = (error.message, error.hint)
        return _one(database, principal, catalogue, document_id, wrong)
    return Redirect(f"{ADDRESS}/{document_id}", status_code=303)


@post(ADDRESS + "/{document_id:str}/end", sync_to_thread=True)
def end_document(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    document_id: FromPath[str],
) -> Redirect:
    """Take it back."""
    with database.write(principal) as tx:
        service.end_document(tx, document_id)
    return Redirect(f"{ADDRESS}/{document_id}", status_code=303)


@get(ADDRESS + "/{document_id:str}/file", sync_to_thread=True)
def open_file(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    document_id: FromPath[str],
) -> Response[bytes]:
    """Hand the file out to be saved, never to be shown by the browser; looking is recorded."""
    with database.write(principal) as tx:
        artefact, content = service.open_file(tx, document_id, shelf=settings.data / "artefacts")
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(artefact.name)}",
            "X-Content-Type-Options": "nosniff",
        },
    )


HANDLERS: list[ControllerRouterHandler] = [
    show_documents,
    submit_document,
    show_document,
    review_document,
    end_document,
    open_file,
]
