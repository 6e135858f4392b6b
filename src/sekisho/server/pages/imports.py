"""Bringing in exports of device managers: choose a file, say what its columns mean, look, apply.

Here and not in the room of controls, because rows are held against enrolled devices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.exports.dates import Order, parse_date
from sekisho.controls.exports.grid import LARGEST_FILE
from sekisho.controls.exports.mapping import (
    ROLES,
    FactRule,
    normal,
    own_mappings,
    propose_columns,
    write_mapping,
)
from sekisho.controls.exports.matching import Outcome
from sekisho.controls.exports.model import ImportState
from sekisho.controls.model import Catalogue
from sekisho.controls.service import imports as service
from sekisho.devices.service import inventory, known
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, TooLargeError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import ControlID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.server.pages.documents import own_zone

ADDRESS = "/imports"
PER_PAGE = 50
FACTS = 5  # how many rules one mapping made in the page can answer
_FORM_BYTES = 100_000
Form = URLEncodedBody[dict[str, Any]]
Upload = MultipartBody[dict[str, Any] | None]  # None: a form that is not multipart
WORDS_OF_ROLE: Mapping[str, Text] = {
    "name": msg("Computer name"), "serial": msg("Serial number"), "uuid": msg("Hardware UUID"),
    "email": msg("User's e-mail address"), "platform": msg("Operating system"),
    "ownership": msg("Company or private"), "seen": msg("Last seen"),
}  # fmt: skip
WORDS_OF_OUTCOME: Mapping[str, Text] = {
    "matched": msg("Matched"), "unmatched": msg("Known by the export only"),
    "ambiguous": msg("Needs a decision"), "left_out": msg("Left out"),
}  # fmt: skip
WORDS_OF_MATCH: Mapping[str, Text] = {
    "serial": msg("by serial number"), "uuid": msg("by hardware UUID"), "name": msg("by name"),
    "email": msg("by e-mail address"), "hand": msg("by hand"), "": Text("—"),
}  # fmt: skip
WORDS_OF_STATE: Mapping[ImportState, Text] = {
    ImportState.DRAFT: msg("Columns to be named"), ImportState.PREVIEW: msg("To be looked at"),
    ImportState.APPLYING: msg("Being brought in"), ImportState.DONE: msg("Brought in"),
    ImportState.CANCELLED: msg("Given up"),
}  # fmt: skip
Wrong = tuple[Text | str, Text | str]


@get(ADDRESS, sync_to_thread=True)
def show_imports(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "-received",
    page: FromQuery[int] = 1,
) -> Page:
    """List imports; whoever may, chooses a file here. Needs ``controls.read``."""
    return _list(database, principal, q=q, sort=sort, page=max(1, page))


def _list(
    database: Database, principal: Principal, wrong: Wrong | None = None, *, q: str = "",
    sort: str = "-received", page: int = 1,
) -> Page:  # fmt: skip
    offset = (page - 1) * PER_PAGE
    with database.read(principal) as tx:
        found, total = service.list_imports(tx, search=q, sort=sort, limit=PER_PAGE, offset=offset)
        titles = {key: mapping.title for key, mapping in service.list_mappings(tx).items()}
        alone = service.page_imported(tx, "", 1, 0)[1]
    context = {
        "imports": found, "titles": titles, "words": WORDS_OF_STATE, "wrong": wrong,
        "known_names": ", ".join(dict.fromkeys(m.product for m in own_mappings().values())),
        "alone": alone, "filters": {"q": q, "sort": sort}, "page": page, "total": total,
        "pages": -(-total // PER_PAGE), "first": offset + 1, "last": offset + len(found),
    }  # fmt: skip
    return Page("pages/imports.html", context, status=400 if wrong else 200)


@post(ADDRESS, sync_to_thread=True, request_max_body_size=LARGEST_FILE + _FORM_BYTES)
def upload_export(
    data: Upload,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> Redirect | Page:
    """Take a file in; what is no export is told on the same page."""
    principal.require(service.RIGHT)
    try:
        name, content = _take_file(data or {})
        with database.write(principal) as tx:
            made = service.upload_export(
                tx, folder=service.imports_folder(settings), file_name=name, content=content
            )
    except (InvalidInputError, TooLargeError) as error:
        return _list(database, principal, (error.message, error.hint))
    return Redirect(f"{ADDRESS}/{made.id}", status_code=303)


def _take_file(data: Mapping[str, Any]) -> tuple[str, bytes]:
    sent = data.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise InvalidInputError(msg("No file was chosen."), hint=msg("Choose a CSV or JSON."))
    return sent.filename, sent.file.read(LARGEST_FILE + 1)


@get(ADDRESS + "/{import_id:str}", sync_to_thread=True)
def show_import(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    import_id: FromPath[str],
    *,
    outcome: FromQuery[str] = "",
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "line",
    page: FromQuery[int] = 1,
    columns: FromQuery[int] = 0,
) -> Page:
    """Show an import where it stands: its columns, or what it does row by row."""
    with database.read(principal) as tx:
        made = service.require_import(tx, import_id)
        if made.state is ImportState.DRAFT or (columns and made.state is ImportState.PREVIEW):
            return _columns(tx, catalogue, settings, import_id, {}, None)
        return _rows(tx, catalogue, import_id, Listed(outcome, q, sort, max(1, page)))


def _columns(
    tx: Transaction, catalogue: Catalogue, settings: Settings, import_id: str,
    sent: Mapping[str, str], wrong: Wrong | None,
) -> Page:  # fmt: skip
    draft = service.read_draft(tx, service.imports_folder(settings), import_id)
    context = {
        "draft": draft, "roles": WORDS_OF_ROLE, "controls": catalogue.controls,
        "proposed": propose_columns(draft.columns), "sent": sent, "wrong": wrong, "facts": FACTS,
        "orders": Order, "chosen": draft.made.mapping_id,
    }  # fmt: skip
    return Page("pages/import_columns.html", context, status=400 if wrong else 200)


@dataclass(frozen=True, slots=True)
class Listed:
    """What the address says of the rows."""

    outcome: str = ""
    q: str = ""
    sort: str = "line"
    page: int = 1


def _rows(tx: Transaction, catalogue: Catalogue, import_id: str, listed: Listed) -> Page:
    page = listed.page
    made = service.require_import(tx, import_id)
    rows, total = service.list_rows(
        tx, import_id, outcome=listed.outcome, search=listed.q, sort=listed.sort, limit=PER_PAGE,
        offset=(page - 1) * PER_PAGE,
    )  # fmt: skip
    ids = sorted({i for row in rows for i in (*row.candidates, row.device_id or "") if i})
    titles = _titles(tx, ids)
    mappings = service.list_mappings(tx)
    context = {
        "made": made, "rows": rows, "titles": titles, "controls": catalogue.controls,
        "mapping": mappings.get(made.mapping_id), "words": WORDS_OF_OUTCOME,
        "matches": WORDS_OF_MATCH, "states": WORDS_OF_STATE, "outcomes": Outcome,
        "filters": listed, "total": total, "page": page,
        "pages": -(-total // PER_PAGE) or 1, "first": (page - 1) * PER_PAGE + 1 if rows else 0,
        "last": (page - 1) * PER_PAGE + len(rows),
        "waiting": service.count_waiting(tx, import_id)
        if made.state is ImportState.APPLYING
        else 0,
    }  # fmt: skip
    return Page("pages/import.html", context)


def _titles(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    if not ids:
        return {}
    found = inventory.list_devices(tx, DeviceFilter(only=list(ids)), limit=500).devices
    return {device.id: device.title for device in found}


@post(ADDRESS + "/{import_id:str}/preview", sync_to_thread=True)
def preview_import(
    data: Form,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    import_id: FromPath[str],
) -> Redirect | Page:
    """Read the file under the chosen mapping and show what it would do."""
    principal.require(service.RIGHT)
    sent = {name: str(value) for name, value in data.items()}
    try:
        with database.write(principal) as tx:
            yaml, keep = read_mapping_form(tx, sent, settings, import_id)
            taken_at = _taken_at(sent, own_zone(settings, tx.now))
            service.preview_import(
                tx, import_id, folder=service.imports_folder(settings), yaml=yaml,
                known=known.list_known(tx), taken_at=taken_at, keep=keep,
            )  # fmt: skip
    except InvalidInputError as error:
        with database.read(principal) as tx:
            wrong = (error.message, error.hint)
            return _columns(tx, catalogue, settings, import_id, sent, wrong)
    return Redirect(f"{ADDRESS}/{import_id}", status_code=303)


def _taken_at(sent: Mapping[str, str], zone: tzinfo) -> datetime | None:
    text = sent.get("taken", "").strip()
    if not text:
        return None
    found = parse_date(text, zone)
    if found is None:
        raise InvalidInputError(
            msg("“%(got)s” is no time.", got=text[:40]),
            hint=msg("Write it as 2026-11-23 09:00."),
        )
    return found


def read_mapping_form(
    tx: Transaction, sent: Mapping[str, str], settings: Settings, import_id: str
) -> tuple[str, bool]:
    """Return the mapping as YAML, and whether it is to be kept; raise InvalidInputError."""
    chosen = sent.get("mapping", "")
    if chosen == "yaml":
        return sent.get("yaml", ""), True
    if chosen != "own":
        found = service.list_mappings(tx).get(chosen)
        if found is None:
            raise InvalidInputError(msg("Choose what this file is."))
        return found.yaml, False
    draft = service.read_draft(tx, service.imports_folder(settings), import_id)
    return _write(sent, draft.columns), True


def _write(sent: Mapping[str, str], columns: Sequence[str]) -> str:
    """Write the mapping that was put together in the page; columns are chosen by their place."""
    days = sent.get("days", "14").strip()
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:4]) <= 366):  # noqa: PLR2004 - a year at most
        raise InvalidInputError(msg("“%(got)s” is no number of days from 1 to 366.", got=days[:20]))
    order = sent.get("order", Order.AUTO.value)
    return write_mapping(
        sent.get("id", "").strip(), sent.get("title", "").strip() or sent.get("id", ""),
        {role: name for role in ROLES if (name := _column(sent.get(role, ""), columns))},
        [rule for n in range(FACTS) if (rule := _fact(sent, n, columns)) is not None],
        max_age_days=int(days), time_zone=sent.get("zone", "Asia/Tokyo").strip(),
        order=Order(order) if order in tuple(Order) else Order.AUTO,
        values={
            "ownership": {"private": _words(sent.get("private", "")),
                          "company": _words(sent.get("company", ""))},
        },
    )  # fmt: skip


def _column(place: str, columns: Sequence[str]) -> str:
    fits = place.isascii() and place.isdigit() and len(place) < 4 and int(place) < len(columns)  # noqa: PLR2004 - three digits hold any column
    return columns[int(place)] if fits else ""


def _fact(sent: Mapping[str, str], number: int, columns: Sequence[str]) -> FactRule | None:
    control, column = sent.get(f"control{number}", ""), sent.get(f"column{number}", "")
    heading = _column(column, columns)
    if not control or not heading:
        return None
    return FactRule(
        ControlID(control), (heading,),
        frozenset(map(normal, _words(sent.get(f"pass{number}", "")))),
        frozenset(map(normal, _words(sent.get(f"fail{number}", "")))),
    )  # fmt: skip


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.replace("、", ",").split(",") if word.strip()]


@post(ADDRESS + "/{import_id:str}/apply", sync_to_thread=True)
def apply_import(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    import_id: FromPath[str],
) -> Redirect:
    """Have the worker bring it in."""
    with database.write(principal) as tx:
        service.start_import(tx, import_id)
    return Redirect(f"{ADDRESS}/{import_id}", status_code=303)


@post(ADDRESS + "/{import_id:str}/cancel", sync_to_thread=True)
def cancel_import(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    import_id: FromPath[str],
) -> Redirect:
    """Give it up."""
    with database.write(principal) as tx:
        service.cancel_import(tx, import_id, folder=service.imports_folder(settings))
    return Redirect(ADDRESS, status_code=303)


@post(ADDRESS + "/{import_id:str}/rows/{number:int}", sync_to_thread=True)
def settle_row(
    data: Form,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    import_id: FromPath[str],
    number: FromPath[int],
) -> Redirect:
    """Say which device a row is."""
    with database.write(principal) as tx:
        device = str(data.get("device", ""))
        service.settle_row(tx, import_id, number, device, known.list_known(tx))
    return Redirect(f"{ADDRESS}/{import_id}?outcome=ambiguous", status_code=303)


@get(ADDRESS + "/devices", sync_to_thread=True)
def show_imported(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """List the devices that only an export knows. Needs ``devices.read``."""
    principal.require("devices.read")
    page = max(1, page)
    with database.read(principal) as tx:
        found, total = service.page_imported(tx, q, PER_PAGE, (page - 1) * PER_PAGE, sort)
        titles = {key: mapping.title for key, mapping in service.list_mappings(tx).items()}
        standings = service.list_imported_standings(tx, found)
    context = {
        "devices": found, "titles": titles, "standings": standings, "search": q, "sort": sort,
        "total": total,
        "page": page, "pages": -(-total // PER_PAGE) or 1,
        "first": (page - 1) * PER_PAGE + 1 if found else 0,
        "last": (page - 1) * PER_PAGE + len(found),
    }  # fmt: skip
    return Page("pages/imported.html", context)


HANDLERS: list[ControllerRouterHandler] = [
    show_imports,
    upload_export,
    show_imported,
    show_import,
    preview_import,
    apply_import,
    cancel_import,
    settle_row,
]
