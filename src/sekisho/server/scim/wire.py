"""What all of SCIM shares: bodies, errors, pages and versions as RFC 7644 has them."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import QueryParameter

from sekisho.identity.engine import scim
from sekisho.identity.engine.scim import SCIMError
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg, translate
from sekisho.kernel.pages import spoken_language
from sekisho.kernel.principal import Principal

ROOT = "/scim/v2"
_TYPE = "application/scim+json"
_LARGEST = 2_000_000
_CHANGED = 412

AnyRequest = Request[Any, Any, Any]
Filter = Annotated[str, QueryParameter(name="filter")]
Start = Annotated[int, QueryParameter(name="startIndex")]


def answer(body: Mapping[str, Any], status: int = 200, version: int | None = None) -> Response[Any]:
    """Return a resource as SCIM has it, with its place and version."""
    headers = {"ETag": f'W/"{version}"'} if version is not None else {}
    meta = body.get("meta")
    if status == 201 and isinstance(meta, Mapping):  # noqa: PLR2004 - Created
        headers["Location"] = str(meta["location"])
    content = msgspec.json.encode(body)
    return Response(content, status_code=status, media_type=_TYPE, headers=headers)


def fault(request: AnyRequest, error: SekishoError) -> Response[Any]:
    """Say an error as RFC 7644 section 3.12 has it, in the caller's language."""
    said = translate(error.message, spoken_language(request.scope))
    status = 409 if getattr(error, "scim_type", "") == "uniqueness" else error.status
    body = scim.error_body(status, said, getattr(error, "scim_type", ""))
    return answer(body, status)


def read_body(principal: Principal, body: bytes) -> Mapping[str, Any]:
    """Return the JSON object that a directory sent; raise SCIMError for anything else.

    Whoever is no directory is refused before what they sent is looked at.
    """
    principal.require("identity.scim")
    if len(body) > _LARGEST:
        raise SCIMError("tooMany", msg("The request is too large."))
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SCIMError("invalidSyntax", msg("A JSON object is expected."))
    return found


def base_of(request: AnyRequest) -> str:
    """Return the address under which this caller reaches SCIM."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}{ROOT}"


def page_of(start: int, count: int) -> tuple[int, int, int]:
    """Return startIndex, limit and offset (RFC 7644 section 3.4.2.4: below one is one)."""
    first = max(1, start)
    return first, max(0, min(count, scim.MOST_PER_PAGE)), first - 1


def meta_of(kind: str, location: str, version: int) -> dict[str, str]:
    """Return the ``meta`` of a resource (RFC 7643 section 3.1)."""
    return {"resourceType": kind, "location": location, "version": f'W/"{version}"'}


def check_version(request: AnyRequest, version: int) -> None:
    """Refuse a change made from an older state (RFC 7644 section 3.14, RFC 9110 If-Match)."""
    wanted = request.headers.get("if-match", "")
    known = {part.strip().removeprefix("W/").strip('"') for part in wanted.split(",")}
    if wanted and wanted.strip() != "*" and str(version) not in known:
        raise StaleError(msg("It was changed since you read it."))


class StaleError(InvalidInputError):
    """The state a change was made from is no longer the present one."""

    status = _CHANGED
