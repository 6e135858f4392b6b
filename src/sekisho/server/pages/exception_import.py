"""Reading in exceptions that so far existed on paper: the file, the plan, then all or nothing."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.exceptions import last_day
from sekisho.controls.paper import HEADS, MOST_BYTES, MOST_LINES, REQUIRED, decode
from sekisho.controls.service import papers
from sekisho.controls.service.papers import ImportPlan
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, SekishoError, TooLargeError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.server.pages.exception_views import KIND_WORDS, zone_of

_HEADS = "rule,scope,for,ownership,reason,measure,until,since,asked by,source\n"
EXAMPLES: Mapping[str, str] = {
    "ja": f"{_HEADS}uac-on,person,tanaka@example.jp,company,古い業務ソフトのため,"
    "社内網に接続しない,2026-12-20,2026-04-01,田中 結衣,例外申請書 2026-014\n",
    "en": f"{_HEADS}uac-on,person,tanaka@example.jp,company,An old program needs it,"
    "Kept off the company network,2026-12-20,2026-04-01,Yui Tanaka,Form 2026-014\n",
}
Upload = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]
Typed = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/exceptions/import", sync_to_thread=True)
def show_import(principal: NamedDependency[Principal]) -> Page:
    """Show how the file has to look. Needs ``exceptions.write``."""
    principal.require("exceptions.write")
    return _page(None)


def _page(fault: SekishoError | None) -> Page:
    return Page("pages/exception_import.html", {
        "fault": fault, "examples": EXAMPLES, "heads": HEADS, "required": REQUIRED,
        "most": MOST_LINES,
    }, status=fault.status if fault else 200)  # fmt: skip


@post("/exceptions/import", status_code=200)
async def plan_import(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    data: Upload,
) -> Page:
    """Read the file and show what would be done; nothing is stored yet."""
    principal.require("exceptions.write")
    try:
        text = await _read_upload(data.get("file"))
    except (InvalidInputError, TooLargeError) as fault:
        return _page(fault)
    with database.read(principal) as tx:
        plan = papers.plan_import(tx, text, zone_of(settings), lambda words: find(tx, words))
    return _plan_page(plan, text)


def _plan_page(plan: ImportPlan, text: str) -> Page:
    return Page("pages/exception_plan.html", {
        "plan": plan, "text": text, "kind_words": KIND_WORDS, "last_day": last_day,
    })  # fmt: skip


async def _read_upload(file: object) -> str:
    content = await file.read(MOST_BYTES + 1) if isinstance(file, UploadFile) else b""
    if len(content) > MOST_BYTES:
        raise TooLargeError(
            msg("The file is larger than %(most)s bytes.", most=MOST_BYTES),
            hint=msg("Cut it in two."),
        )
    try:
        text = decode(content)
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or "\0" in text:
        raise InvalidInputError(
            msg("This is no CSV text in UTF-8 or Shift_JIS."),
            hint=msg("In Excel: save as “CSV UTF-8 (comma delimited)”."),
        )
    return text


@post("/exceptions/import/run", sync_to_thread=True)
def run_import(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    data: Typed,
) -> Redirect:
    """Take over everything the plan shows; the file is judged once more."""
    text = data.get("text", "")
    with database.write(principal) as tx:
        papers.run_import(tx, text, zone_of(settings), lambda words: find(tx, words))
    return Redirect("/exceptions?show=in_force", status_code=303)


def find(tx: Transaction, words: str) -> Sequence[str]:
    """Return the devices with exactly this name, label or id."""
    found = inventory.list_devices(tx, DeviceFilter(search=words), limit=200).devices
    return [d.id for d in found if words in {d.id, d.label, d.hostname, d.serial}]


HANDLERS: list[ControllerRouterHandler] = [show_import, plan_import, run_import]
