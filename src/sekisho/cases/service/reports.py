"""Reports: made by anyone, read by their maker and by those who answer, answered, finished."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Select

from sekisho.cases import store
from sekisho.cases.engine.pictures import EXTENSIONS, clean_picture
from sekisho.cases.model import (
    LARGEST_PHOTO,
    LONGEST_TEXT,
    MOST_LISTED,
    MOST_PHOTOS,
    MOST_REPORTS_AN_HOUR,
    Message,
    NewPhoto,
    Photo,
    Report,
    ReportFile,
    ReportFilter,
    ReportKind,
    ReportPage,
    ReportStatus,
)
from sekisho.cases.service import telling
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, new_id
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import PrincipalKind

_TELL_MANAGER = "cases.tell_manager"
_HOUR_SECONDS = 3_600


def make_report(
    tx: Transaction, *, shelf: Path, kind: str, text: str, photos: Sequence[NewPhoto] = ()
) -> Report:
    """Keep a report of the person who asks and tell those who answer (``cases.report``).

    Raises InvalidInputError for an unknown kind, an empty or endless text or a file that is no
    picture, TooLargeError for a picture over 10 MB, RateLimitedError for a flood.
    """
    person = _me(tx)
    _check_pace(tx, person)
    if kind not in set(ReportKind):
        raise InvalidInputError(
            msg("Choose what your report is about."),
            hint=msg("If nothing fits, choose the question."),
        )
    words = clean_text(text)
    pictures = [(p.name, *_clean(p)) for p in _checked(photos)]
    report = Report(
        new_id("rpt"), ReportKind(kind), person, ReportStatus.NEW, words, tx.now, tx.now, None,
        None, told_manager=False,
    )  # fmt: skip
    store.insert_report(tx, report)
    for place, picture in enumerate(pictures):
        _keep_photo(tx, shelf, report, place, picture)
    manager = identity.manager_of(tx, person) if tells_manager(tx) else None
    if manager is not None:
        store.update_report(tx, report.id, told_manager=True)
    telling.tell_made(tx, report, manager)
    _record(tx, "case.reported", report, {
        "kind": report.kind.value, "text": words, "photos": len(pictures),
        "told_manager": manager is not None,
    })  # fmt: skip
    return report


def _me(tx: Transaction) -> PersonID:
    tx.principal.require("cases.report")
    if tx.principal.kind is not PrincipalKind.PERSON:
        raise InvalidInputError(
            msg("Only people have notices, choices and reports of their own."),
            hint=msg("Sign in as a person."),
        )
    return PersonID(tx.principal.id)


def _check_pace(tx: Transaction, person: PersonID) -> None:
    since = tx.now - timedelta(seconds=_HOUR_SECONDS)
    if store.count_since(tx, person, since) >= MOST_REPORTS_AN_HOUR:
        raise RateLimitedError(
            msg("%(n)s reports within an hour have arrived from you.", n=MOST_REPORTS_AN_HOUR),
            retry_after_seconds=_HOUR_SECONDS,
            hint=msg("Add to one of them, or call your security team."),
        )


def clean_text(text: str) -> str:
    """Return a text with plain line ends; raise InvalidInputError if it is empty or too long."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
    if not plain or len(plain) > LONGEST_TEXT:
        raise InvalidInputError(
            msg("A text of 1 to %(most)s characters is expected.", most=LONGEST_TEXT),
            hint=msg("A few words are enough; details can follow."),
        )
    return plain


def _checked(photos: Sequence[NewPhoto]) -> Sequence[NewPhoto]:
    if len(photos) > MOST_PHOTOS:
        raise InvalidInputError(
            msg("%(got)s pictures were sent; at most %(most)s are taken at once.",
                got=len(photos), most=MOST_PHOTOS),
            hint=msg("Send the most telling ones."),
        )  # fmt: skip
    for photo in photos:
        if len(photo.content) > LARGEST_PHOTO:
            raise TooLargeError(
                msg("A picture has more than 10 MB."),
                hint=msg("Send a smaller one, such as a screenshot."),
            )
    return photos


def _clean(photo: NewPhoto) -> tuple[str, bytes]:
    return clean_picture(photo.content)


def _keep_photo(
    tx: Transaction, shelf: Path, report: Report, place: int, picture: tuple[str, str, bytes]
) -> None:
    name, media_type, content = picture
    shown = _clean_name(name, media_type)
    digest = evidence.store_artifact(
        tx, shelf=shelf, name=shown, media_type=media_type, content=content,
        subject=f"report:{report.id}", most=LARGEST_PHOTO,
    )  # fmt: skip
    photo = Photo(new_id("pho"), shown, media_type, len(content), digest)
    store.insert_photo(tx, report.id, place, photo)


def _clean_name(name: str, media_type: str) -> str:
    """Return the sender's name for a file as a name and nothing else, ending as its content does.

    Paths, control characters and turned-around endings (U+202E) are dropped.
    """
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    plain = "".join(c for c in stem if c.isalnum() or c in " -_()（）").strip()[:80]
    return f"{plain or 'photo'}{EXTENSIONS[media_type]}"


def list_own_reports(tx: Transaction, *, page: int = 1, page_size: int = 20) -> ReportPage:
    """Return one's own reports, the newest first (``cases.report``)."""
    return _page(tx, ReportFilter(mine=_me(tx)), None, "-created", page, page_size)


def list_reports(
    tx: Transaction, wanted: ReportFilter, *, sort: str = "-created", page: int = 1,
    page_size: int = 50,
) -> ReportPage:  # fmt: skip
    """Return one page of reports of the units in which ``cases.read`` is held."""
    return _page(tx, wanted, _within(tx), sort, page, page_size)


def _within(tx: Transaction) -> Select[Any] | None:
    reach = tx.principal.require_reach("cases.read")
    return None if reach is None else identity.select_people_in(reach)


def _page(
    tx: Transaction, wanted: ReportFilter, within: Select[Any] | None, sort: str, page: int,
    size: int,
) -> ReportPage:  # fmt: skip
    if page < 1 or not 1 <= size <= MOST_LISTED or sort.removeprefix("-") not in store.SORTS:
        raise InvalidInputError(msg("There is no such page of reports."))
    named = identity.search_ids(tx, wanted.search)
    found = store.list_reports(
        tx, wanted, within=within, named=named, sort=sort, offset=(page - 1) * size, limit=size
    )
    total = store.count_reports(tx, wanted, within, named)
    people = [report.reporter_id for report in found]
    people += [report.handler_id for report in found if report.handler_id]
    names = identity.find_names(tx, people)
    return ReportPage(found, names, total, page, size, store.count_by_status(tx, within))


def get_own_report(tx: Transaction, report_id: str) -> ReportFile:
    """Return one's own report with its answers, without notes; raise NotFoundError."""
    person = _me(tx)
    found = store.find_report(tx, report_id)
    if found is None or found.reporter_id != person:
        raise NotFoundError(msg("You have made no such report."))
    return _file(tx, found, internal=False)


def get_report(tx: Transaction, report_id: str) -> ReportFile:
    """Return a report with all that belongs to it (``cases.read``); raise NotFoundError."""
    return _file(tx, find_readable(tx, report_id, "cases.read"), internal=True)


def find_readable(tx: Transaction, report_id: str, right: str) -> Report:
    """Return a report to whoever has ``right`` where its maker belongs; raise NotFoundError."""
    tx.principal.require_reach(right)
    found = store.find_report(tx, report_id)
    unit = identity.unit_of(tx, found.reporter_id) if found else None
    if found is None or not tx.principal.allows(right, unit):
        raise NotFoundError(msg("There is no such report."))
    return found


def _file(tx: Transaction, report: Report, *, internal: bool) -> ReportFile:
    messages = store.list_messages(tx, report.id, internal=internal)
    people = [report.reporter_id, *(m.author_id for m in messages)]
    people += [report.handler_id] if report.handler_id else []
    names = identity.find_names(tx, people)
    return ReportFile(report, messages, store.list_photos(tx, report.id), names)


def reply_own(tx: Transaction, report_id: str, text: str) -> None:
    """Add to one's own report; one that was finished is open again (``cases.report``)."""
    report = get_own_report(tx, report_id).report
    _add_message(tx, report, text, from_reporter=True, internal=False)
    status = ReportStatus.OPEN if report.handler_id else ReportStatus.NEW
    store.update_report(tx, report.id, status=status.value, changed_at=tx.now, closed_at=None)
    telling.tell_reply(tx, report)
    _record(tx, "case.replied", report, {})


def answer_report(tx: Transaction, report_id: str, text: str, *, internal: bool = False) -> None:
    """Answer, or leave a note that the reporter never sees (``cases.write``)."""
    report = find_readable(tx, report_id, "cases.write")
    store.lock_report(tx, report.id)
    _add_message(tx, report, text, from_reporter=False, internal=internal)
    if not internal:
        _take(tx, report)
        telling.tell_answered(tx, report, finished=False)
    _record(tx, "case.noted" if internal else "case.answered", report, {})


def take_report(tx: Transaction, report_id: str) -> None:
    """Look after a report oneself (``cases.write``)."""
    report = find_readable(tx, report_id, "cases.write")
    store.lock_report(tx, report.id)
    _take(tx, report, again=True)
    _record(tx, "case.taken", report, {"before": report.handler_id})


def _take(tx: Transaction, report: Report, *, again: bool = False) -> None:
    handler = tx.principal.id if again else report.handler_id or tx.principal.id
    status = ReportStatus.OPEN.value
    store.update_report(
        tx, report.id, handler_id=handler, status=status, changed_at=tx.now, closed_at=None
    )


def close_report(tx: Transaction, report_id: str) -> None:
    """Finish a report (``cases.write``); raise ConflictError if it is finished already."""
    report = find_readable(tx, report_id, "cases.write")
    store.lock_report(tx, report.id)
    if report.status is ReportStatus.CLOSED:
        raise ConflictError(
            msg("This report is finished already."), hint=msg("Open the page anew.")
        )
    store.update_report(
        tx, report.id, status=ReportStatus.CLOSED.value, changed_at=tx.now, closed_at=tx.now
    )
    telling.tell_answered(tx, report, finished=True)
    _record(tx, "case.closed", report, {})


def _add_message(
    tx: Transaction, report: Report, text: str, *, from_reporter: bool, internal: bool
) -> None:
    author = PersonID(tx.principal.id)
    message = Message(new_id("rpm"), author, from_reporter, internal, clean_text(text), tx.now)
    store.insert_message(tx, report.id, message)


def open_photo(tx: Transaction, *, shelf: Path, report_id: str, photo_id: str) -> tuple[str, bytes]:
    """Return a photo's name and bytes; who opened it is recorded (``cases.read``)."""
    found = find_readable(tx, report_id, "cases.read")
    photos = {photo.id: photo for photo in store.list_photos(tx, found.id)}
    if photo_id not in photos:
        raise NotFoundError(msg("There is no such picture."))
    photo = photos[photo_id]
    _, content = evidence.open_artifact(
        tx, shelf=shelf, digest=photo.digest, purpose=f"report {found.id}"
    )
    return photo.name, content


def tells_manager(tx: Transaction) -> bool:
    """Tell whether the reporter's manager is told that there is a report."""
    return bool(get_fact(tx, _TELL_MANAGER, False))


def set_tells_manager(tx: Transaction, wanted: bool) -> None:
    """Decide whether managers are told (``settings.write``)."""
    tx.principal.require("settings.write")
    before = tells_manager(tx)
    set_fact(tx, _TELL_MANAGER, wanted)
    if before != wanted:
        evidence.record(
            tx, kind="settings.changed", subject="settings",
            detail={"cases.tell_manager": {"before": before, "after": wanted}},
        )  # fmt: skip


def _record(tx: Transaction, kind: str, report: Report, detail: dict[str, object]) -> None:
    evidence.record(
        tx, kind=kind, subject=f"report:{report.id}", detail=detail, person=report.reporter_id
    )
