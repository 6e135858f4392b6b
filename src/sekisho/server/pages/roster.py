"""Bringing in people by a CSV: choose a file, look at what it would do, let it. And the way out."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service as identity
from sekisho.identity.engine.roster import LARGEST_FILE, WORDS_OF_COLUMN, Column
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    SekishoError,
    TooLargeError,
)
from sekisho.kernel.i18n import msg, translate
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.server.leaving import end_person

Form = URLEncodedBody[dict[str, Any]]
Upload = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]

IMPORT = "/people/import"
_FORM_BYTES = 100_000
_SHOWN = 100
_MOST_LEAVERS = 500


@get(IMPORT, sync_to_thread=True)
def show_import(principal: NamedDependency[Principal]) -> Page:
    """Show what a file must look like and take one."""
    principal.require("identity.write")
    return _choose()


def _choose(fault: SekishoError | None = None, done: identity.Applied | None = None) -> Page:
    context = {"columns": list(WORDS_OF_COLUMN.values()), "fault": fault, "done": done}
    return Page("pages/people_import.html", context, fault.status if fault else 200)


@post(IMPORT, sync_to_thread=True, request_max_body_size=LARGEST_FILE + _FORM_BYTES)
def take_file(
    data: Upload, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Response[Page]:
    """Keep a file for a day and show what it would do; what cannot be read is told here."""
    principal.require("identity.write")
    sent = data.get("file")
    try:
        name, content = _read_upload(sent)
        with database.write(principal) as tx:
            roster_id = identity.hold_roster(tx, name, content)
    except (InvalidInputError, TooLargeError) as fault:
        return Response(_choose(fault), status_code=fault.status)
    return Redirect(f"{IMPORT}/{roster_id}", status_code=303)


def _read_upload(sent: object) -> tuple[str, bytes]:
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise InvalidInputError(msg("No file was chosen."), hint=msg("Choose a CSV."))
    return sent.filename, sent.file.read(LARGEST_FILE + 1)


@get("/people/import/{roster_id:str}", sync_to_thread=True)
def show_plan(
    roster_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show what a file would do; nothing is done by looking."""
    return _plan(database, principal, roster_id)


def _plan(
    database: Database, principal: Principal, roster_id: str, fault: SekishoError | None = None
) -> Page:
    with database.read(principal) as tx:
        waiting = identity.read_waiting(tx, roster_id)
    context = {
        "waiting": waiting, "plan": waiting.plan, "words": WORDS_OF_COLUMN, "shown": _SHOWN,
        "heads": [WORDS_OF_COLUMN[column] for column in waiting.columns], "fault": fault,
        "column": Column, "most_leavers": _MOST_LEAVERS,
    }  # fmt: skip
    return Page("pages/people_plan.html", context, fault.status if fault else 200)


@post("/people/import/{roster_id:str}", status_code=200, sync_to_thread=True)
def bring_in(
    roster_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Page]:
    """Bring a file in as its plan was shown; whoever is missing leaves only if that was ticked."""
    try:
        with database.write(principal) as tx:
            done = identity.apply_roster(tx, roster_id, _text(data, "digest"))
            if _text(data, "leave") == "yes":
                _refuse_many(done)
                for person_id in done.missing:
                    end_person(tx, person_id, "missing from the file brought in")
    except NotFoundError as fault:
        return Response(_choose(fault), status_code=fault.status)
    except (ConflictError, InvalidInputError) as fault:
        page = _plan(database, principal, roster_id, fault)
        return Response(page, status_code=fault.status)
    return Response(_choose(done=done), status_code=200)


def _refuse_many(done: identity.Applied) -> None:
    """Refuse to end very many at once: a file of one department must not end the company."""
    if len(done.missing) > _MOST_LEAVERS:
        raise InvalidInputError(
            msg("%(n)s people are missing from the file; at most %(most)s leave at once.",
                n=len(done.missing), most=_MOST_LEAVERS),
            hint=msg("Bring it in without leavers, and look whether the file is complete."),
        )  # fmt: skip


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


@get("/people.csv", sync_to_thread=True)
def export_people(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
) -> Response[str]:
    """Give everybody as a CSV that can be brought in again."""
    spoken = "ja" if language == "ja" else "en"
    heads = {column: translate(words, spoken) for column, words in WORDS_OF_COLUMN.items()}
    with database.read(principal) as tx:
        text = identity.export_roster(tx, heads)
    return Response(
        text, media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="people.csv"'},
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    show_import, take_file, show_plan, bring_in, export_people,
]  # fmt: skip
