"""What SCIM says of itself: what is supported, which resources and attributes there are."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from sekisho.identity.engine import scim
from sekisho.identity.engine.scim import ENTERPRISE, GROUP, USER
from sekisho.kernel.principal import Principal
from sekisho.server.scim.wire import AnyRequest, answer, base_of


@get("/ServiceProviderConfig", sync_to_thread=False)
def show_config(request: AnyRequest, principal: NamedDependency[Principal]) -> Response[Any]:
    """Say what is supported (RFC 7643 section 5)."""
    principal.require("identity.scim")
    no = {"supported": False}
    return answer({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": True}, "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": scim.MOST_PER_PAGE},
        "changePassword": no, "sort": no, "etag": {"supported": True},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "API token", "primary": True,
            "description": "Authorization: Bearer, a token with the scope identity.scim",
        }],
        "meta": {"resourceType": "ServiceProviderConfig",
                 "location": f"{base_of(request)}/ServiceProviderConfig"},
    })  # fmt: skip


_RESOURCES = (("User", "/Users", USER), ("Group", "/Groups", GROUP))


@get("/ResourceTypes", sync_to_thread=False)
def show_types(request: AnyRequest, principal: NamedDependency[Principal]) -> Response[Any]:
    """List what there is (RFC 7643 section 6)."""
    principal.require("identity.scim")
    shown = [
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": name,
            "name": name, "endpoint": path, "schema": schema,
            "schemaExtensions": (
                [{"schema": ENTERPRISE, "required": False}] if schema == USER else []
            ),
            "meta": {"resourceType": "ResourceType",
                     "location": f"{base_of(request)}/ResourceTypes/{name}"},
        }
        for name, path, schema in _RESOURCES
    ]  # fmt: skip
    return answer(scim.list_body(shown, len(shown), 1))


@get("/Schemas", sync_to_thread=False)
def show_schemas(request: AnyRequest, principal: NamedDependency[Principal]) -> Response[Any]:
    """Say which attributes are kept (RFC 7643 section 7)."""
    principal.require("identity.scim")
    shown = [
        {
            "id": schema, "name": name, "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "attributes": [_attribute(*attribute) for attribute in attributes],
            "meta": {"resourceType": "Schema", "location": f"{base_of(request)}/Schemas/{schema}"},
        }
        for schema, name, attributes in _SCHEMAS
    ]  # fmt: skip
    return answer(scim.list_body(shown, len(shown), 1))


_SCHEMAS = (
    (USER, "User", (("userName", "string", True), ("displayName", "string", False),
                    ("active", "boolean", False), ("externalId", "string", False),
                    ("preferredLanguage", "string", False))),
    (ENTERPRISE, "EnterpriseUser", (("department", "string", False),
                                    ("manager", "complex", False))),
    (GROUP, "Group", (("displayName", "string", True), ("members", "complex", False))),
)  # fmt: skip


def _attribute(name: str, kind: str, required: bool) -> dict[str, object]:
    return {
        "name": name, "type": kind, "required": required, "multiValued": name == "members",
        "caseExact": name == "externalId", "mutability": "readWrite", "returned": "default",
        "uniqueness": "server" if name == "userName" else "none",
    }  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [show_config, show_types, show_schemas]
