"""Dated lists in the browser: take the one in force away, bring a newer one in."""

from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.service import content
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotFoundError, TooLargeError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import Principal

LARGEST = 1 << 20
_FORM_BYTES = 10_000
Upload = MultipartBody[dict[str, Any] | None]  # None: a form that is not multipart


@get("/controls/lists/{name:str}", sync_to_thread=True)
def give_list(
    name: FromPath[str], database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Response[str]:
    """Give the file of a dated list that is in force, as a start for a newer one."""
    principal.require("controls.read")
    with database.read(principal) as tx:
        found = {file.name: file.text for file in content.list_content(tx, "data")}
    text = found.get(f"data/{name}.yaml")
    if text is None:
        raise NotFoundError(
            msg("There is no dated list “%(name)s”.", name=name[:60]),
            hint=msg("The page of rules names those there are."),
        )
    headers = {"Content-Disposition": f'attachment; filename="{name}.yaml"'}
    return Response(text, media_type="application/yaml; charset=utf-8", headers=headers)


@post("/controls/lists", sync_to_thread=True, request_max_body_size=LARGEST + _FORM_BYTES)
def take_list(
    data: Upload, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Put a newer list in force. Needs ``controls.write``; every fault is said with its line."""
    principal.require("controls.write")
    file = (data or {}).get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidInputError(
            msg("No file is chosen."), hint=msg("Choose the YAML file of a dated list.")
        )
    sent = file.file.read(LARGEST + 1)
    if len(sent) > LARGEST:
        raise TooLargeError(msg("A dated list has at most 1 MB."))
    with database.write(principal) as tx:
        content.set_content(tx, f"data/{file.filename}", _decode(sent))
    return Redirect("/controls?taken=1#h-dated", status_code=303)


def _decode(sent: bytes) -> str:
    try:
        return sent.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            msg("The file is no text in UTF-8."), hint=msg("Save it as UTF-8 and send it again.")
        ) from error


HANDLERS: list[ControllerRouterHandler] = [give_list, take_list]
