"""Resources: added, changed and removed; the gate takes them up within a second."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sekisho.access.engine.resources import list_faults
from sekisho.access.model import Resource, ResourceID
from sekisho.access.service.gathering import read_networks, save_networks
from sekisho.access.store import resources as store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import new_id

MOST_RESOURCES = 2_000
NEW = ResourceID("")


def list_resources(tx: Transaction) -> list[Resource]:
    """List every resource by its short name. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.list_resources(tx)


def get_resource(tx: Transaction, resource_id: str) -> Resource:
    """Return a resource by id or short name; raise NotFoundError. Needs ``access.read``."""
    tx.principal.require("access.read")
    return _found(tx, resource_id)


def find_names(tx: Transaction) -> Mapping[str, Resource]:
    """Return id → resource, for pages that name them; shows nothing by itself."""
    return {each.id: each for each in store.list_resources(tx)}


def add_resource(tx: Transaction, resource: Resource) -> Resource:
    """Add a resource (its id is given here). Needs ``access.write``.

    Raises InvalidInputError naming the first fault, ConflictError for a name that is taken.
    """
    tx.principal.require("access.write")
    made = replace(resource, id=ResourceID(new_id("res")), version=1)
    _check(tx, made)
    store.insert_resource(tx, made)
    _record(tx, "access.resource_added", made)
    return made


def change_resource(tx: Transaction, resource: Resource, version: int) -> Resource:
    """Replace a resource; ``version`` is what the change was made from.

    Needs ``access.write`` and a fresh proof: what it asks of devices and where it leads, its pinned
    certificate too, may change by it.
    """
    tx.principal.require("access.write")
    tx.principal.require_fresh(tx.now)
    before = _found(tx, resource.id)
    made = replace(resource, id=before.id, key=before.key, version=version + 1)
    _check(tx, made)
    if not store.update_resource(tx, made, version):
        raise ConflictError(
            msg("Somebody changed “%(name)s” meanwhile.", name=before.key),
            hint=msg("Load the page again and repeat the change."),
        )
    _record(tx, "access.resource_changed", made)
    return made


def remove_resource(tx: Transaction, resource_id: str) -> None:
    """Remove a resource; its live sessions are cut. Needs ``access.write`` and a fresh proof."""
    tx.principal.require("access.write")
    tx.principal.require_fresh(tx.now)
    found = _found(tx, resource_id)
    store.delete_resource(tx, found.id)
    _record(tx, "access.resource_removed", found)


def list_networks(tx: Transaction) -> list[tuple[str, str, str]]:
    """Return (name, country, CIDR) of the named networks. Needs ``access.read``."""
    tx.principal.require("access.read")
    return [(name, country, str(network)) for name, country, network in read_networks(tx)]


def _check(tx: Transaction, resource: Resource) -> None:
    faults = list_faults(resource)
    if faults:
        raise _invalid(resource, faults)
    for other in store.list_resources(tx):
        if other.id == resource.id:
            continue
        if other.key == resource.key:
            raise ConflictError(msg("The short name “%(name)s” is taken.", name=other.key))
        if other.public_host == resource.public_host and other.kind is resource.kind:
            raise ConflictError(msg("The host name “%(name)s” is taken.", name=other.public_host))


def _invalid(resource: Resource, faults: Collection[Text]) -> InvalidInputError:
    first = next(iter(faults))
    return InvalidInputError(
        msg("“%(name)s” cannot be taken. %(why)s", name=resource.key[:64], why=first),
        hint=msg("Faults in all: %(n)s. Nothing was stored.", n=len(faults)),
    )


def _found(tx: Transaction, resource_id: str) -> Resource:
    found = store.find_resource(tx, resource_id)
    if found is None:
        raise NotFoundError(
            msg("There is no resource %(id)s.", id=resource_id[:40]),
            hint=msg("Look for it in the list of resources."),
        )
    return found


def _record(tx: Transaction, kind: str, resource: Resource) -> None:
    detail: dict[str, Any] = {
        "key": resource.key, "name_ja": resource.name_ja, "name_en": resource.name_en,
        "kind": resource.kind.value, "public_host": resource.public_host,
        "enabled": resource.enabled, **store.write_body(resource),
    }  # fmt: skip
    evidence.record(tx, kind=kind, subject=f"resource:{resource.id}", detail=detail)


__all__ = [
    "MOST_RESOURCES", "NEW", "add_resource", "change_resource", "find_names", "get_resource",
    "list_networks", "list_resources", "remove_resource", "save_networks",
]  # fmt: skip
