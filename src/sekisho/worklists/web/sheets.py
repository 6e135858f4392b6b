"""Bringing a spreadsheet back: choose the file, see the plan, carry it out whole or not at all."""

from typing import Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.worklists.engine.orders import read_acting
from sekisho.worklists.engine.sheets import LARGEST
from sekisho.worklists.model import Listing
from sekisho.worklists.service import sheets as service
from sekisho.worklists.web.acts import WORDS_OF_LIST

MOST_SHOWN = 200
_FORM_BYTES = 100_000
Upload = MultipartBody[dict[str, Any]]
Form = URLEncodedBody[dict[str, Any]]
COLUMN_WORDS = {
    "owner_email": msg("Person"),
    "assignee_email": msg("Assigned to"),
    "tags": msg("Tags"),
    "note": msg("Note"),
}


@get("/sheets/{listing:str}", sync_to_thread=True)
def show_upload(
    listing: FromPath[str],
    principal: NamedDependency[Principal],
    done: FromQuery[int] = 0,
) -> Page:
    """Say how a file is brought in, and take it."""
    wanted = read_acting(listing)
    principal.require_reach(_right(wanted))
    return _upload(wanted, done=done)


def _right(listing: Listing) -> str:
    return "devices.write" if listing is Listing.DEVICES else "findings.write"


def _upload(listing: Listing, fault: SekishoError | None = None, done: int = 0) -> Page:
    return Page("worklists/sheet.html", {
        "listing": listing, "list_word": WORDS_OF_LIST[listing], "fault": fault, "done": done,
    }, fault.status if fault else 200)  # fmt: skip


@post(
    "/sheets/{listing:str}/file", sync_to_thread=True, request_max_body_size=LARGEST + _FORM_BYTES
)
def take_file(
    listing: FromPath[str],
    data: Upload,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Keep the file and lead to its plan; what cannot be read is said on the same page."""
    wanted = read_acting(listing)
    principal.require_reach(_right(wanted))
    file = data.get("file")
    try:
        if not isinstance(file, UploadFile):
            raise InvalidInputError(  # noqa: TRY301 - said on the page like every other fault
                msg("No file is chosen."), hint=msg("Choose the CSV file and send it again.")
            )
        content = file.file.read(LARGEST + 1)
        with database.write(principal) as tx:
            sheet = service.put_sheet(tx, wanted, file.filename or "", content)
    except InvalidInputError as error:
        return _upload(wanted, error)
    return Redirect(f"/sheets/{wanted}/{sheet}", status_code=303)


@get("/sheets/{listing:str}/{sheet_id:str}", sync_to_thread=True)
def show_plan(
    listing: FromPath[str],
    sheet_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show what a file would change, and what is wrong with it, line by line."""
    wanted = read_acting(listing)
    with database.read(principal) as tx:
        plan, mark = service.plan_sheet(tx, sheet_id)
    return Page("worklists/sheet_plan.html", {
        "listing": wanted, "list_word": WORDS_OF_LIST[wanted], "plan": plan, "mark": mark,
        "sheet_id": sheet_id, "most": MOST_SHOWN, "column_words": COLUMN_WORDS,
    })  # fmt: skip


@post("/sheets/{listing:str}/{sheet_id:str}/apply", sync_to_thread=True)
def apply_plan(
    listing: FromPath[str],
    sheet_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Carry out the plan that was shown."""
    wanted = read_acting(listing)
    with database.write(principal) as tx:
        plan = service.apply_sheet(tx, sheet_id, str(data.get("mark", "")))
    return Redirect(f"/sheets/{wanted}?done={len(plan.changes)}", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [show_upload, take_file, show_plan, apply_plan]
