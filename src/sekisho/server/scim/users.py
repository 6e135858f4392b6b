"""People as a directory keeps them; whoever becomes inactive leaves."""

from collections.abc import Callable
from typing import Any

from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, RawBody
from litestar.types import ControllerRouterHandler

from sekisho.identity.engine import scim
from sekisho.identity.engine.scim import ENTERPRISE, USER
from sekisho.identity.model import PersonState
from sekisho.identity.service import directory
from sekisho.identity.service.directory import DirectoryUser
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import Principal
from sekisho.server.leaving import end_person
from sekisho.server.scim.wire import (
    AnyRequest,
    Filter,
    Start,
    answer,
    base_of,
    check_version,
    meta_of,
    page_of,
    read_body,
)

_GONE = 204


def show_user(found: DirectoryUser, base: str) -> dict[str, Any]:
    """Return a person as a User resource."""
    person, user = found.person, found.user
    body: dict[str, Any] = {
        "schemas": [USER, ENTERPRISE], "id": person.id, "userName": user.email,
        "displayName": user.name, "name": {"formatted": user.name}, "active": user.active,
        "preferredLanguage": user.language,
        "emails": [{"value": user.email, "type": "work", "primary": True}],
        "groups": [
            {"value": group.id, "display": group.name, "$ref": f"{base}/Groups/{group.id}"}
            for group in found.groups
        ],
        ENTERPRISE: {},
        "meta": meta_of("User", f"{base}/Users/{person.id}", person.version),
    }  # fmt: skip
    if user.external_id:
        body["externalId"] = user.external_id
    if user.department:
        body[ENTERPRISE]["department"] = user.department
    if user.manager_id:
        body[ENTERPRISE]["manager"] = {
            "value": user.manager_id, "$ref": f"{base}/Users/{user.manager_id}",
        }  # fmt: skip
    return body


@get("/Users", sync_to_thread=True)
def list_users(
    request: AnyRequest, database: NamedDependency[Database], principal: NamedDependency[Principal],
    *, filter_text: Filter = "", start: Start = 1, count: FromQuery[int] = 100,
) -> Response[Any]:  # fmt: skip
    """List people; ``filter`` knows eq of userName, externalId, id and active, and "and"."""
    principal.require("identity.scim")
    wanted = scim.parse_filter(filter_text, ("userName", "externalId", "id", "active"))
    first, limit, offset = page_of(start, count)
    with database.read(principal) as tx:
        acting = directory.act_for_directory(tx)
        found, total = directory.list_users(acting, wanted, limit=limit, offset=offset)
    shown = [show_user(user, base_of(request)) for user in found]
    return answer(scim.list_body(shown, total, first))


@get("/Users/{person_id:str}", sync_to_thread=True)
def read_user(
    request: AnyRequest, person_id: FromPath[str], database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Give one person."""
    with database.read(principal) as tx:
        found = directory.read_user(directory.act_for_directory(tx), person_id)
    return answer(show_user(found, base_of(request)), version=found.person.version)


@post("/Users", sync_to_thread=True)
def create_user(
    request: AnyRequest, body: RawBody, database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Add a person; one who is not active is added and has left at once."""
    wanted = scim.read_user(read_body(principal, body))
    with database.write(principal) as tx:
        acting = directory.act_for_directory(tx)
        found = directory.create_user(acting, wanted)
        found = _end_if_gone(acting, found, active=wanted.active)
    return answer(show_user(found, base_of(request)), 201, found.person.version)


def _end_if_gone(tx: Transaction, found: DirectoryUser, *, active: bool) -> DirectoryUser:
    if active or found.person.state is PersonState.LEFT:
        return found
    end_person(tx, found.person.id, "inactive in the directory")
    return directory.read_user(tx, found.person.id)


def _change_user(
    request: AnyRequest,
    database: Database,
    principal: Principal,
    person_id: str,
    change: Callable[[scim.User], scim.User],
) -> Response[Any]:
    with database.write(principal) as tx:
        acting = directory.act_for_directory(tx)
        before = directory.read_user(acting, person_id)
        check_version(request, before.person.version)
        wanted = change(before.user)
        found = before
        if wanted != before.user or wanted.active != before.user.active:
            found = directory.change_user(acting, person_id, wanted)
        found = _end_if_gone(acting, found, active=wanted.active or not before.user.active)
    return answer(show_user(found, base_of(request)), version=found.person.version)


@put("/Users/{person_id:str}", sync_to_thread=True)
def replace_user(
    request: AnyRequest, person_id: FromPath[str], body: RawBody,
    database: NamedDependency[Database], principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Make a person what the body says."""
    given = read_body(principal, body)
    return _change_user(
        request, database, principal, person_id, lambda was: scim.read_user(given, was)
    )


@patch("/Users/{person_id:str}", sync_to_thread=True)
def patch_user(
    request: AnyRequest, person_id: FromPath[str], body: RawBody,
    database: NamedDependency[Database], principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Change a person in parts."""
    given = read_body(principal, body)
    return _change_user(
        request, database, principal, person_id, lambda was: scim.patch_user(was, given)
    )


@delete("/Users/{person_id:str}", status_code=_GONE, sync_to_thread=True)
def delete_user(
    person_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> None:
    """End a person's time here; the directory finds them no more."""
    with database.write(principal) as tx:
        acting = directory.act_for_directory(tx)
        found = directory.read_user(acting, person_id)
        if found.person.state is not PersonState.LEFT:
            end_person(acting, person_id, "deleted in the directory")
        directory.forget_user(acting, person_id)


HANDLERS: list[ControllerRouterHandler] = [
    list_users, read_user, create_user, replace_user, patch_user, delete_user,
]  # fmt: skip
