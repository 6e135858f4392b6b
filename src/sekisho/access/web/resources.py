"""Resources as pages: the list, one to edit."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from sekisho.access import service
from sekisho.access.engine.resources import read_upstream, write_upstream
from sekisho.access.model import (
    WORDS_OF_KIND,
    WORDS_OF_TRUST,
    Resource,
    ResourceID,
    ResourceKind,
    Trust,
)
from sekisho.access.web import fields
from sekisho.identity.model import WORDS_OF_STRENGTH, Strength
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ALL = "/access/resources"
Form = URLEncodedBody[dict[str, Any]]


@get(ALL, sync_to_thread=True)
def show_resources(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    *,
    q: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """List resources."""
    with database.read(principal) as tx:
        every = service.list_resources(tx)
        live = service.count_by_resource(tx)
    fitting = [r for r in every if _fits(r, q.strip().lower(), kind)]
    ordered = sorted(fitting, key=_order(sort, live, language), reverse=sort.startswith("-"))
    page = max(1, page)
    shown = ordered[(page - 1) * fields.PER_PAGE : page * fields.PER_PAGE]
    counts = {k: sum(r.kind is k for r in every) for k in ResourceKind}
    context = {
        "resources": shown, "live": live, "kinds": WORDS_OF_KIND, "trusts": WORDS_OF_TRUST,
        "counts_of": counts, "any": bool(every), "filters": {"q": q, "kind": kind, "sort": sort},
        **fields.paging(page, len(ordered)),
    }  # fmt: skip
    return Page("access/resources.html", context)


def _fits(resource: Resource, search: str, kind: str) -> bool:
    words = (resource.key, resource.name_ja, resource.name_en, resource.public_host)
    return (not kind or resource.kind.value == kind) and (
        not search or any(search in word.lower() for word in words)
    )


def _order(sort: str, live: Mapping[str, int], language: str) -> Any:
    keys = {
        "kind": lambda r: (r.kind.value, r.key),
        "trust": lambda r: (int(r.least_trust), r.key),
        "live": lambda r: (live.get(r.id, 0), r.key),
    }
    by_name = lambda r: (r.named(language).casefold(), r.key)  # noqa: E731 - as those above
    return keys.get(sort.removeprefix("-"), by_name)


@get(f"{ALL}/new", sync_to_thread=True)
def show_new(database: NamedDependency[Database], principal: NamedDependency[Principal]) -> Page:
    """Show the empty form."""
    principal.require("access.write")
    del database
    return _form(None, {})


@get(f"{ALL}/{{resource_id:str}}", sync_to_thread=True)
def show_resource(
    resource_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show one resource as a form."""
    with database.read(principal) as tx:
        found = service.get_resource(tx, resource_id)
    return _form(found, write_fields(found))


def _form(
    found: Resource | None, sent: Mapping[str, Any], fault: SekishoError | None = None
) -> Page:
    context = {
        "resource": found, "sent": sent, "fault": fault, "kinds": WORDS_OF_KIND,
        "trusts": WORDS_OF_TRUST, "strengths": WORDS_OF_STRENGTH,
    }  # fmt: skip
    return Page("access/resource.html", context, fault.status if fault else 200)


def write_fields(resource: Resource) -> dict[str, str]:
    """Return a resource as the values of its form."""
    age = resource.most_mfa_age
    return {
        "key": resource.key,
        "name_ja": resource.name_ja,
        "name_en": resource.name_en,
        "kind": resource.kind.value,
        "public_host": resource.public_host,
        "upstreams": "\n".join(write_upstream(each) for each in resource.upstreams),
        "ports": ", ".join(map(str, resource.ports)),
        "least_trust": str(int(resource.least_trust)),
        "least_strength": str(int(resource.least_strength)),
        "mfa_minutes": "" if age is None else str(int(age.total_seconds()) // 60),
        "note": resource.note,
        "pin": resource.pin,
        "ca_pem": resource.ca_pem,
        "guards_admins": "1" if resource.guards_admins else "",
        "enabled": "1" if resource.enabled else "",
        "version": str(resource.version),
    }


def read_fields(data: Mapping[str, Any]) -> Resource:
    """Make a resource of a form; raise InvalidInputError for what cannot be read."""
    minutes = fields.number(data, "mfa_minutes", 0)
    return Resource(
        id=ResourceID(""),
        key=fields.text(data, "key").lower(),
        name_ja=fields.text(data, "name_ja"),
        name_en=fields.text(data, "name_en"),
        kind=_choice(ResourceKind, fields.text(data, "kind")),
        public_host=fields.text(data, "public_host").lower(),
        upstreams=tuple(map(read_upstream, fields.text(data, "upstreams").splitlines())),
        ports=_read_ports(fields.text(data, "ports")),
        least_trust=Trust(fields.number(data, "least_trust", 3)) if _known(data) else Trust.MANAGED,
        least_strength=Strength(min(3, max(1, fields.number(data, "least_strength", 2)))),
        most_mfa_age=timedelta(minutes=minutes) if minutes else None,
        note=fields.text(data, "note"),
        ca_pem=fields.text(data, "ca_pem"),
        pin=fields.text(data, "pin").lower().replace(":", ""),
        guards_admins=bool(fields.text(data, "guards_admins")),
        enabled=bool(fields.text(data, "enabled")),
    )


def _known(data: Mapping[str, Any]) -> bool:
    return fields.text(data, "least_trust") in {"1", "2", "3"}


def _choice(kind: Any, value: str) -> Any:
    if value not in set(kind):
        raise InvalidInputError(
            msg("“%(got)s” is none of %(known)s.", got=value[:40], known=", ".join(kind))
        )
    return kind(value)


def _read_ports(words: str) -> tuple[int, ...]:
    found = [word for word in words.replace(",", " ").split() if word]
    if not all(word.isdecimal() and len(word) <= 5 for word in found):  # noqa: PLR2004 - 65535
        raise InvalidInputError(msg("“%(got)s” is not a list of ports.", got=words[:40]))
    return tuple(map(int, found))


@post(ALL, sync_to_thread=True)
def add(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Page:
    """Add a resource; faults are said beside what was filled in."""
    try:
        with database.write(principal) as tx:
            made = service.add_resource(tx, read_fields(data))
    except (InvalidInputError, ConflictError) as error:
        return _form(None, data, error)
    return Redirect(f"{ALL}/{made.id}", status_code=303)


@post(f"{ALL}/{{resource_id:str}}", sync_to_thread=True)
def change(
    resource_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Change a resource."""
    with database.read(principal) as tx:
        found = service.get_resource(tx, resource_id)
    try:
        made = read_fields({**data, "key": found.key})
        version = fields.number(data, "version", 0)
        with database.write(principal) as tx:
            service.change_resource(tx, replace(made, id=found.id), version)
    except (InvalidInputError, ConflictError) as error:
        return _form(found, data, error)
    return Redirect(ALL, status_code=303)


@post(f"{ALL}/{{resource_id:str}}/remove", sync_to_thread=True)
def remove(
    resource_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Remove a resource; its connections are cut."""
    with database.write(principal) as tx:
        service.remove_resource(tx, resource_id)
    return Redirect(ALL, status_code=303)


PAGES = [show_resources, show_new, show_resource, add, change, remove]
