"""Groups as a directory keeps them."""

from collections.abc import Mapping
from typing import Any

from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, RawBody
from litestar.types import ControllerRouterHandler

from sekisho.identity.engine import scim
from sekisho.identity.engine.scim import GROUP
from sekisho.identity.model import Group
from sekisho.identity.service import directory
from sekisho.identity.service.groups import get_group, list_groups
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import Principal
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


def show_group(tx: Transaction, group: Group, base: str) -> dict[str, Any]:
    """Return a group as a Group resource."""
    body: dict[str, Any] = {
        "schemas": [GROUP], "id": group.id, "displayName": group.name,
        "members": [
            {"value": key, "display": name, "$ref": f"{base}/Users/{key}"}
            for key, name in directory.list_group_members(tx, group.id)
        ],
        "meta": meta_of("Group", f"{base}/Groups/{group.id}", group.version),
    }  # fmt: skip
    return body | ({"externalId": group.external_id} if group.external_id else {})


@get("/Groups", sync_to_thread=True)
def list_all_groups(
    request: AnyRequest, database: NamedDependency[Database], principal: NamedDependency[Principal],
    *, filter_text: Filter = "", start: Start = 1, count: FromQuery[int] = 100,
) -> Response[Any]:  # fmt: skip
    """List groups; ``filter`` knows eq of displayName, externalId and id, and "and"."""
    principal.require("identity.scim")
    wanted = scim.parse_filter(filter_text, ("displayName", "externalId", "id"))
    first, limit, offset = page_of(start, count)
    with database.read(principal) as tx:
        acting = directory.act_for_directory(tx)
        fitting = [group for group in list_groups(acting) if _fits(group, wanted)]
        shown = [
            show_group(acting, group, base_of(request))
            for group in fitting[offset : offset + limit]
        ]
    return answer(scim.list_body(shown, len(fitting), first))


def _fits(group: Group, wanted: Mapping[str, str]) -> bool:
    own = {"displayname": group.name, "externalid": group.external_id, "id": group.id}
    return all(own[name] == value for name, value in wanted.items())


@get("/Groups/{group_id:str}", sync_to_thread=True)
def read_group(
    request: AnyRequest, group_id: FromPath[str], database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Give one group."""
    with database.read(principal) as tx:
        acting = directory.act_for_directory(tx)
        group = get_group(acting, group_id)
        body = show_group(acting, group, base_of(request))
    return answer(body, version=group.version)


@post("/Groups", sync_to_thread=True)
def create_group(
    request: AnyRequest, body: RawBody, database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Make a group."""
    wanted = scim.read_group(read_body(principal, body))
    with database.write(principal) as tx:
        acting = directory.act_for_directory(tx)
        group = directory.make_group(acting, wanted)
        shown = show_group(acting, group, base_of(request))
    return answer(shown, 201, group.version)


def _change_group(
    request: AnyRequest,
    database: Database,
    principal: Principal,
    group_id: str,
    change: scim.GroupChange,
) -> Response[Any]:
    with database.write(principal) as tx:
        acting = directory.act_for_directory(tx)
        check_version(request, get_group(acting, group_id).version)
        group = directory.change_group(acting, group_id, change)
        shown = show_group(acting, group, base_of(request))
    return answer(shown, version=group.version)


@put("/Groups/{group_id:str}", sync_to_thread=True)
def replace_group(
    request: AnyRequest, group_id: FromPath[str], body: RawBody,
    database: NamedDependency[Database], principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Make a group what the body says."""
    return _change_group(
        request, database, principal, group_id, scim.read_group(read_body(principal, body))
    )


@patch("/Groups/{group_id:str}", sync_to_thread=True)
def patch_group(
    request: AnyRequest, group_id: FromPath[str], body: RawBody,
    database: NamedDependency[Database], principal: NamedDependency[Principal],
) -> Response[Any]:  # fmt: skip
    """Change a group in parts."""
    return _change_group(
        request, database, principal, group_id, scim.patch_group(read_body(principal, body))
    )


@delete("/Groups/{group_id:str}", status_code=_GONE, sync_to_thread=True)
def delete_group(
    group_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> None:
    """Delete a group; its members stay people."""
    with database.write(principal) as tx:
        directory.remove_group(directory.act_for_directory(tx), group_id)


HANDLERS: list[ControllerRouterHandler] = [
    list_all_groups, read_group, create_group, replace_group, patch_group, delete_group,
]  # fmt: skip
