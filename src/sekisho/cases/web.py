"""Reports as pages: the short form and the answers for the teleworker, the list for the CSIRT."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.cases import service
from sekisho.cases.model import (
    FIRST_AID,
    LARGEST_PHOTO,
    MOST_PHOTOS,
    WORDS_OF_KIND,
    WORDS_OF_STATUS,
    NewPhoto,
    ReportFilter,
    ReportKind,
    ReportPage,
    ReportStatus,
)
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, SekishoError, TooLargeError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

MINE = "/my/reports"
ALL = "/reports"
PER_PAGE = 50
MINE_PER_PAGE = 20
_FORM_BYTES = 200_000
_MOST_BYTES = MOST_PHOTOS * LARGEST_PHOTO + _FORM_BYTES
Form = URLEncodedBody[dict[str, Any]]
Upload = MultipartBody[dict[str, Any]]


@get(MINE, sync_to_thread=True)
def show_own_reports(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    page: FromQuery[int] = 1,
) -> Page:
    """List one's own reports, the newest first."""
    with database.read(principal) as tx:
        found = service.list_own_reports(tx, page=max(1, page), page_size=MINE_PER_PAGE)
    return Page("cases/mine.html", {**_words(), "found": found, **_paging(found)})


def _words() -> dict[str, object]:
    return {"kinds": WORDS_OF_KIND, "statuses": WORDS_OF_STATUS}


def _paging(found: ReportPage) -> dict[str, int]:
    size = found.page_size
    return {
        "page": found.page,
        "pages": max(1, -(-found.total // size)),
        "first": min(found.total, (found.page - 1) * size + 1),
        "last": min(found.total, found.page * size),
        "total": found.total,
    }


@get("/my/reports/new", sync_to_thread=False)
def show_form(principal: NamedDependency[Principal], kind: FromQuery[str] = "") -> Page:
    """Show the short form."""
    principal.require("cases.report")
    return _form_page({"kind": kind if kind in set(ReportKind) else "", "text": ""})


def _form_page(form: dict[str, str], fault: SekishoError | None = None) -> Page:
    context = {**_words(), "form": form, "fault": fault, "most": MOST_PHOTOS}
    return Page("cases/new.html", context, fault.status if fault else 200)


@post(MINE, sync_to_thread=True, request_max_body_size=_MOST_BYTES)
def make_report(
    data: Upload,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
) -> Redirect | Page:
    """Take a report; what cannot be taken is said on the same page, with the words kept."""
    kind, text = _text(data, "kind"), _text(data, "text")
    try:
        photos = read_photos(data)
        with database.write(principal) as tx:
            made = service.make_report(
                tx, shelf=settings.data / "artefacts", kind=kind, text=text, photos=photos
            )
    except (InvalidInputError, TooLargeError) as error:
        return _form_page({"kind": kind, "text": text}, error)
    return Redirect(f"{MINE}/{made.id}?made=1", status_code=303)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def read_photos(data: dict[str, Any]) -> list[NewPhoto]:
    """Read the pictures of a form; an empty field of a browser is none."""
    sent = data.get("photo") or []
    files = [f for f in (sent if isinstance(sent, list) else [sent]) if isinstance(f, UploadFile)]
    found = [NewPhoto(f.filename or "", f.file.read(LARGEST_PHOTO + 1)) for f in files]
    return [photo for photo in found if photo.name or photo.content]


@get("/my/reports/{report_id:str}", sync_to_thread=True)
def show_own_report(
    report_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    made: FromQuery[str] = "",
) -> Page:
    """Show one's own report and what was answered."""
    return _own_page(database, principal, report_id, made=bool(made))


def _own_page(
    database: Database, principal: Principal, report_id: str, *, made: bool = False,
    fault: SekishoError | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        file = service.get_own_report(tx, report_id)
    context = {**_words(), "file": file, "made": made, "fault": fault,
               "aid": FIRST_AID[file.report.kind]}  # fmt: skip
    return Page("cases/own.html", context, fault.status if fault else 200)


@post("/my/reports/{report_id:str}/reply", sync_to_thread=True)
def reply(
    report_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Add to one's own report."""
    try:
        with database.write(principal) as tx:
            service.reply_own(tx, report_id, _text(data, "text"))
    except InvalidInputError as error:
        return _own_page(database, principal, report_id, fault=error)
    return Redirect(f"{MINE}/{report_id}", status_code=303)


@get(ALL, sync_to_thread=True)
def show_reports(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    q: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    status: FromQuery[str] = "",
    sort: FromQuery[str] = "-created",
    page: FromQuery[int] = 1,
) -> Page:
    """List reports for those who answer."""
    wanted = ReportFilter(
        search=q.strip(),
        kind=kind if kind in set(ReportKind) else "",
        status=status if status in set(ReportStatus) else "",
        open_only=not status,
    )
    with database.read(principal) as tx:
        found = service.list_reports(tx, wanted, sort=sort, page=max(1, page), page_size=PER_PAGE)
        telling, days = service.tells_manager(tx), service.kept_days(tx)
    context = {**_words(), "found": found, "telling": telling, "kept_days": days, **_paging(found),
               "filters": {"q": q, "kind": kind, "status": status, "sort": sort}}  # fmt: skip
    return Page("cases/list.html", context)


@post("/reports/settings", sync_to_thread=True)
def set_settings(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Decide whether the reporter's manager is told, and how long reports are kept."""
    with database.write(principal) as tx:
        service.set_tells_manager(tx, bool(data.get("tell_manager")))
        if "kept_days" in data:
            service.set_kept_days(tx, _number(_text(data, "kept_days")))
    return Redirect(ALL, status_code=303)


def _number(text: str) -> int:
    plain = text.strip()
    if not (plain.isascii() and plain.isdecimal() and len(plain) <= 6):  # noqa: PLR2004 - days
        raise InvalidInputError(
            msg("“%(got)s” is not a number.", got=plain[:20]),
            hint=msg("Give a number of days, or 0 to keep them for ever."),
        )
    return int(plain)


@get("/reports/{report_id:str}", sync_to_thread=True)
def show_report(
    report_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show a report with everything that belongs to it."""
    return _report_page(database, principal, report_id)


def _report_page(
    database: Database, principal: Principal, report_id: str, fault: SekishoError | None = None
) -> Page:
    with database.read(principal) as tx:
        file = service.get_report(tx, report_id)
    context = {**_words(), "file": file, "fault": fault}
    return Page("cases/report.html", context, fault.status if fault else 200)


@post("/reports/{report_id:str}/answer", sync_to_thread=True)
def answer(
    report_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Answer, or leave a note for colleagues."""
    try:
        with database.write(principal) as tx:
            service.answer_report(
                tx, report_id, _text(data, "text"), internal=_text(data, "for") == "colleagues"
            )
    except InvalidInputError as error:
        return _report_page(database, principal, report_id, error)
    return Redirect(f"{ALL}/{report_id}", status_code=303)


@post("/reports/{report_id:str}/take", sync_to_thread=True)
def take(
    report_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Look after a report oneself."""
    with database.write(principal) as tx:
        service.take_report(tx, report_id)
    return Redirect(f"{ALL}/{report_id}", status_code=303)


@post("/reports/{report_id:str}/close", sync_to_thread=True)
def close(
    report_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Finish a report."""
    with database.write(principal) as tx:
        service.close_report(tx, report_id)
    return Redirect(f"{ALL}/{report_id}", status_code=303)


@post("/reports/{report_id:str}/erase", sync_to_thread=True)
def erase(
    report_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Erase a report, with a reason."""
    try:
        with database.write(principal) as tx:
            service.erase_report(tx, report_id, _text(data, "reason"))
    except InvalidInputError as error:
        return _report_page(database, principal, report_id, error)
    return Redirect(ALL, status_code=303)


@get("/reports/{report_id:str}/photos/{photo_id:str}", sync_to_thread=True)
def download_photo(
    report_id: FromPath[str],
    photo_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """Hand a picture out as a file that no browser opens by itself; the look is recorded."""
    with database.write(principal) as tx:
        name, content = service.open_photo(
            tx, shelf=settings.data / "artefacts", report_id=report_id, photo_id=photo_id
        )
    plain = name.encode("ascii", "ignore").decode().replace('"', "") or "photo"
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{plain}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[
            show_own_reports, show_form, make_report, show_own_report, reply, show_reports,
            set_settings, show_report, answer, take, close, erase,
            download_photo,
        ],
        include_in_schema=False,
    )
]  # fmt: skip
