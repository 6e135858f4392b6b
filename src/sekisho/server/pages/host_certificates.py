"""The certificate of a desktop's host: fetched, looked at by a person, and pinned.

Nothing is believed by being fetched. A person compares what is shown here with what the host
itself says, and confirms that very digest; the gate takes nothing else from then on.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from cryptography import x509
from litestar import post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.access import service as access
from sekisho.access.model import Resource, ResourceKind
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.server.desktop import words
from sekisho.server.desktop.dial import RefusedError, Seen, inspect
from sekisho.server.desktop.office import make_grant

ONE = "/access/resources/{resource_id:str}/host-certificate"
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
_DIGITS = 64


@post(ONE, status_code=200, sync_to_thread=True)
def look(
    resource_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Fetch what the host shows now, and show it beside what is pinned. Needs ``access.write``."""
    principal.require("access.write")
    with database.read(principal) as tx:
        resource = _desktop(access.get_resource(tx, resource_id))
    seen, fault = _fetch(resource)
    context = {
        "resource": resource, "seen": seen, "fault": fault,
        "facts": read_facts(seen.certificate) if seen else {},
        "is_rdp": resource.kind is ResourceKind.RDP,
    }  # fmt: skip
    return Page("pages/host_certificate.html", context)


@post(ONE + "/pin", sync_to_thread=True)
def pin(
    resource_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Confirm the certificate that a person has compared."""
    principal.require("access.write")
    digest, version = data.get("digest", ""), data.get("version", "")
    if len(digest) != _DIGITS or not version.isdecimal():
        raise InvalidInputError(msg("Look at the certificate first, then confirm it."))
    with database.write(principal) as tx:
        found = _desktop(access.get_resource(tx, resource_id))
        access.change_resource(tx, replace(found, pin=digest), int(version[:9]))
    return Redirect(f"/access/resources/{found.id}", status_code=303)


def _desktop(resource: Resource) -> Resource:
    if not resource.shows_certificate:
        raise InvalidInputError(
            msg("Only the host of a desktop over TLS has a certificate that is pinned.")
        )
    return resource


def _fetch(resource: Resource) -> tuple[Seen | None, tuple[Text, Text] | None]:
    try:
        return asyncio.run(inspect(make_grant(resource))), None
    except RefusedError as refused:
        return None, words.WHY[refused.why]


def read_facts(certificate: bytes) -> Mapping[str, object]:
    """Return what a certificate (DER) says of itself; {} where it cannot be read."""
    try:
        read = x509.load_der_x509_certificate(certificate)
        return {
            "subject": read.subject.rfc4514_string(),
            "issuer": read.issuer.rfc4514_string(),
            "begins": read.not_valid_before_utc,
            "ends": read.not_valid_after_utc,
        }
    except ValueError:
        return {}


HANDLERS: list[ControllerRouterHandler] = [look, pin]
