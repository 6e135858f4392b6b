"""Where rules come from: sources, uploads on their way in, what could not be read."""

from typing import Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.detection import service
from sekisho.detection.library import LARGEST_DOWNLOAD
from sekisho.detection.pages.words import WORDS_OF_STAGED
from sekisho.detection.store.sources import unpack_text
from sekisho.detection.wording import say_title
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError, TooLargeError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

SOURCES = "/detection/sources"
STAGED = "/detection/staged"
Form = URLEncodedBody[dict[str, Any]]
Upload = MultipartBody[dict[str, Any]]


@get(SOURCES, sync_to_thread=True)
def show_sources(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Page:
    """List the sources, what is on its way in, and the ways to add one."""
    return _sources_page(database, principal)


def _sources_page(
    database: Database, principal: Principal, *, fault: SekishoError | None = None,
    form: dict[str, str] | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        found = service.list_sources(tx)
        staged = service.list_staged(tx)
    context = {"found": found, "staged": staged, "words": WORDS_OF_STAGED, "fault": fault,
               "form": form or {}, "own": service.OWN_SOURCE,
               "most": LARGEST_DOWNLOAD // 1024**2}  # fmt: skip
    return Page("detection/sources.html", context, fault.status if fault else 200)


@post(SOURCES + "/upload", sync_to_thread=True, request_max_body_size=LARGEST_DOWNLOAD + 200_000)
def upload(
    data: Upload,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Take a rule file or an archive, as a new source or instead of what one held."""
    principal.require("detection.write")
    name, source_id, file = _word(data, "name"), _word(data, "source_id"), data.get("file")
    sent = isinstance(file, UploadFile)
    content = file.file.read(LARGEST_DOWNLOAD + 1) if isinstance(file, UploadFile) else b""
    try:
        with database.write(principal) as tx:
            staged = service.stage_upload(
                tx, name=name, source_id=source_id, content=content,
                file_name=file.filename if sent and isinstance(file, UploadFile) else "",
            )  # fmt: skip
    except (InvalidInputError, ConflictError, TooLargeError) as error:
        return _sources_page(database, principal, fault=error, form={"name": name})
    return Redirect(f"{STAGED}/{staged.id}", status_code=303)


def _word(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value.strip() if isinstance(value, str) else ""


@post(SOURCES + "/address", sync_to_thread=True)
def add_address(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Page:
    """Ask for rules from an address."""
    form = {"address_name": _word(data, "address_name"), "address": _word(data, "address")}
    try:
        with database.write(principal) as tx:
            staged = service.stage_address(
                tx, name=form["address_name"], address=form["address"],
                automatic=bool(data.get("automatic")),
            )  # fmt: skip
    except (InvalidInputError, ConflictError) as error:
        return _sources_page(database, principal, fault=error, form=form)
    return Redirect(f"{STAGED}/{staged.id}", status_code=303)


@post(SOURCES + "/{source_id:str}/update", sync_to_thread=True)
def update_source(
    source_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Ask for what the address of a source holds now."""
    with database.write(principal) as tx:
        staged = service.stage_update(tx, source_id)
    return Redirect(f"{STAGED}/{staged.id}", status_code=303)


@post(SOURCES + "/{source_id:str}/remove", sync_to_thread=True)
def remove_source(
    source_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Take a source with all its rules out of force."""
    service.remove_source(database, principal, source_id)
    return Redirect(SOURCES, status_code=303)


@get(SOURCES + "/{source_id:str}/faults", sync_to_thread=True)
def show_faults(
    source_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """List what of a source is not in force, with file and line."""
    with database.read(principal) as tx:
        faults = service.list_faults(tx, source_id)
        names = {s.id: s.name for s, _, _ in service.list_sources(tx)}
    context = {"faults": faults, "name": names.get(source_id, source_id)}
    return Page("detection/faults.html", context)


@get(STAGED + "/{staged_id:str}", sync_to_thread=True)
def show_staged(
    staged_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show how far an upload has come and what it would change."""
    with database.read(principal) as tx:
        staged = service.get_staged(tx, staged_id)
    said = staged.said
    context = {
        "staged": staged, "words": WORDS_OF_STAGED, "faults": service.unpack_faults(said),
        "counts": said.get("counts", {}), "named": said.get("named", {}),
        "why": unpack_text(said.get("message")), "hint": unpack_text(said.get("hint")),
        "called": say_title,
    }  # fmt: skip
    return Page("detection/staged.html", context)


@post(STAGED + "/{staged_id:str}/approve", sync_to_thread=True)
def approve_staged(
    staged_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Take over what an upload would change."""
    with database.write(principal) as tx:
        service.approve_staged(tx, staged_id)
    return Redirect(SOURCES, status_code=303)


@post(STAGED + "/{staged_id:str}/discard", sync_to_thread=True)
def discard_staged(
    staged_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Forget an upload; the rules in force stay."""
    with database.write(principal) as tx:
        service.discard_staged(tx, staged_id)
    return Redirect(SOURCES, status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_sources, upload, add_address, update_source, remove_source, show_faults, show_staged,
    approve_staged, discard_staged,
]  # fmt: skip
