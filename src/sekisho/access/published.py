"""Resources and policies as JSON: read, added, changed, proposed; approving is a person's work."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.access import service
from sekisho.access.model import Resource, ResourceID, ResourceKind, Trust, Upstream
from sekisho.access.policies import Policy, PolicyVersion
from sekisho.identity.model import Strength
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal

_ONE = "/api/access/resources/{key:str}"


class UpstreamView(msgspec.Struct, forbid_unknown_fields=True):
    """One address behind the gate; ``tls_name`` is what its certificate must name."""

    host: str
    port: int
    tls: bool = False
    tls_name: str = ""


class ResourceView(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Something that people reach through the gate; its short name stands in the address.

    ``most_mfa_minutes`` says how old the proof may be; 0 sets no limit.
    """

    kind: ResourceKind
    public_host: str
    upstreams: list[UpstreamView]
    name_ja: str = ""
    name_en: str = ""
    ports: list[int] = []
    least_trust: Literal["browser", "private_agent", "managed"] = "managed"
    least_strength: Literal["one", "two", "resistant"] = "two"
    most_mfa_minutes: int = 0
    note: str = ""
    ca_pem: str = ""
    pin: str = ""
    guards_admins: bool = False
    enabled: bool = True


class StoredResourceView(ResourceView, kw_only=True):
    """A resource as it stands; ``version`` grows with every change."""

    id: str
    key: str
    version: int


class ResourceList(msgspec.Struct):
    """Every resource, by its short name."""

    resources: list[StoredResourceView]


class PolicyView(msgspec.Struct, forbid_unknown_fields=True):
    """One policy: Cedar text under a name that never changes, and what people read of it."""

    id: str
    text: str
    title_ja: str = ""
    title_en: str = ""
    fix_ja: str = ""
    fix_en: str = ""
    approvers: str = ""
    enabled: bool = True


class VersionView(msgspec.Struct):
    """All policies as they were at one time; number 0 is before the first."""

    number: int
    state: str
    policies: list[PolicyView]
    note: str = ""
    author: str = ""
    created_at: datetime | None = None
    based_on: int = 0
    decider: str | None = None
    decided_at: datetime | None = None
    words: str = ""


class VersionList(msgspec.Struct):
    """One page of versions, the newest first."""

    versions: list[VersionView]


class Proposal(msgspec.Struct, forbid_unknown_fields=True):
    """All policies as they should be; ``based_on`` is the version that was in force."""

    policies: list[PolicyView]
    based_on: int
    note: str = ""


@get("/api/access/resources", sync_to_thread=True, tags=["access"])
def list_resources(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> ResourceList:
    """List every resource."""
    with database.read(principal) as tx:
        return ResourceList([_view(each) for each in service.list_resources(tx)])


@get(_ONE, sync_to_thread=True, tags=["access"])
def get_resource(
    key: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> StoredResourceView:
    """Return one resource by its short name or id."""
    with database.read(principal) as tx:
        return _view(service.get_resource(tx, key))


@put(_ONE, sync_to_thread=True, tags=["access"])
def put_resource(
    key: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: JSONBody[ResourceView],
    version: FromQuery[int] = 0,
) -> StoredResourceView:
    """Add the resource of this short name, or change it.

    A ``version`` other than 0 is the one the change was made from: if it is no longer the one that
    stands, nothing is changed.
    """
    principal.require("access.write")
    wanted = read_resource(key, data)
    with database.write(principal) as tx:
        before = next((each for each in service.list_resources(tx) if each.key == key), None)
        if before is None:
            return _view(service.add_resource(tx, wanted))
        made = replace(wanted, id=before.id)
        return _view(service.change_resource(tx, made, version or before.version))


@post(f"{_ONE}/remove", sync_to_thread=True, status_code=204, tags=["access"])
def remove_resource(
    key: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> None:
    """Remove a resource; its connections are cut."""
    with database.write(principal) as tx:
        service.remove_resource(tx, key)


@get("/api/access/policies", sync_to_thread=True, tags=["access"])
def show_policies(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> VersionView:
    """Return the policies in force."""
    with database.read(principal) as tx:
        found = service.version_in_force(tx)
    return _version(found) if found else VersionView(0, "in_force", [])


@get("/api/access/policies/versions", sync_to_thread=True, tags=["access"])
def list_versions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    page: FromQuery[int] = 1,
) -> VersionList:
    """List versions of the policies, twenty a page."""
    with database.read(principal) as tx:
        return VersionList([_version(each) for each in service.list_versions(tx, page=page)])


@post("/api/access/policies", sync_to_thread=True, tags=["access"])
def propose_policies(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: JSONBody[Proposal],
) -> VersionView:
    """Propose all policies anew; in force at once only where nobody else could approve them."""
    principal.require("access.write")
    policies = [Policy(**msgspec.structs.asdict(each)) for each in data.policies]
    with database.write(principal) as tx:
        made = service.propose_policies(tx, policies, note=data.note, based_on=data.based_on)
    return _version(made)


def read_resource(key: str, view: ResourceView) -> Resource:
    """Make a resource of its view; what is wrong with it the service says."""
    minutes = view.most_mfa_minutes
    return Resource(
        id=ResourceID(""),
        key=key,
        name_ja=view.name_ja,
        name_en=view.name_en,
        kind=view.kind,
        public_host=view.public_host,
        upstreams=tuple(Upstream(u.host, u.port, u.tls, u.tls_name) for u in view.upstreams),
        ports=tuple(view.ports),
        least_trust=Trust[view.least_trust.upper()],
        least_strength=Strength[view.least_strength.upper()],
        most_mfa_age=timedelta(minutes=minutes) if minutes else None,
        note=view.note,
        ca_pem=view.ca_pem,
        pin=view.pin,
        guards_admins=view.guards_admins,
        enabled=view.enabled,
    )


def _view(resource: Resource) -> StoredResourceView:
    age = resource.most_mfa_age
    plain = {
        "id": resource.id, "key": resource.key, "version": resource.version,
        "kind": resource.kind, "public_host": resource.public_host, "name_ja": resource.name_ja,
        "name_en": resource.name_en, "ports": list(resource.ports), "note": resource.note,
        "upstreams": [asdict(each) for each in resource.upstreams],
        "least_trust": resource.least_trust.word,
        "least_strength": resource.least_strength.name.lower(),
        "most_mfa_minutes": int(age.total_seconds()) // 60 if age else 0,
        "ca_pem": resource.ca_pem, "pin": resource.pin, "enabled": resource.enabled,
        "guards_admins": resource.guards_admins,
    }  # fmt: skip
    return msgspec.convert(plain, StoredResourceView)


def _version(version: PolicyVersion) -> VersionView:
    plain = {name: getattr(version, name) for name in VersionView.__struct_fields__}
    policies = [PolicyView(**asdict(each)) for each in version.policies]
    return VersionView(**{**plain, "state": version.state.value, "policies": policies})


HANDLERS: list[ControllerRouterHandler] = [
    list_resources, get_resource, put_resource, remove_resource, show_policies, list_versions,
    propose_policies,
]  # fmt: skip
