"""Reads and writes resources."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from sekisho.access.model import Resource, ResourceID, ResourceKind, Trust, Upstream
from sekisho.access.store.tables import RESOURCES
from sekisho.identity.model import Strength
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.prepared import Prepared, among_given

_OF_MANY = Prepared(select(RESOURCES).where(among_given(RESOURCES.c.id, "these")))


def insert_resource(tx: Transaction, resource: Resource) -> None:
    """Add a resource."""
    tx.execute(insert(RESOURCES), {"id": resource.id, **_values(tx, resource)})


def update_resource(tx: Transaction, resource: Resource, version: int) -> bool:
    """Replace a resource; False if it was changed since ``version`` was read."""
    mine = (RESOURCES.c.id == resource.id, RESOURCES.c.version == version)
    changed = tx.execute(update(RESOURCES).where(*mine).values(**_values(tx, resource)))
    return bool(changed.rowcount == 1)


def delete_resource(tx: Transaction, resource_id: str) -> None:
    """Delete a resource."""
    tx.execute(delete(RESOURCES).where(RESOURCES.c.id == resource_id))


def find_resource(tx: Transaction, resource_id: str) -> Resource | None:
    """Return the resource with this id or key, or None."""
    wanted = (RESOURCES.c.id == resource_id) | (RESOURCES.c.key == resource_id)
    rows = tx.rows(select(RESOURCES).where(wanted))
    return _resource(rows[0]) if rows else None


def find_resources(tx: Transaction, ids: Collection[str]) -> dict[str, Resource]:
    """Return those of ``ids`` that there are."""
    found: dict[str, Resource] = {}
    for part in chunked(sorted(ids)):
        found |= {row.id: _resource(row) for row in _OF_MANY.rows(tx, {"these": part})}
    return found


def list_resources(tx: Transaction) -> list[Resource]:
    """List every resource by key."""
    return [_resource(row) for row in tx.rows(select(RESOURCES).order_by(RESOURCES.c.key))]


def stamp_resources(tx: Transaction) -> tuple[int, int]:
    """Return how many there are and the sum of their versions: both change with any change."""
    query = select(
        func.count().label("n"), func.coalesce(func.sum(RESOURCES.c.version), 0).label("total")
    )
    (found,) = tx.rows(query)
    return int(found.n), int(found.total)


def _values(tx: Transaction, resource: Resource) -> dict[str, Any]:
    plain = ("key", "name_ja", "name_en", "public_host", "enabled", "version")
    return {
        **{name: getattr(resource, name) for name in plain},
        "kind": resource.kind.value,
        "body": write_body(resource),
        "changed_at": tx.now,
    }


def write_body(resource: Resource) -> dict[str, Any]:
    """Return what has no column of its own, as plain data."""
    age = resource.most_mfa_age
    return {
        "upstreams": [[u.host, u.port, u.tls, u.tls_name] for u in resource.upstreams],
        "ports": list(resource.ports),
        "least_trust": int(resource.least_trust),
        "least_strength": int(resource.least_strength),
        "most_mfa_minutes": None if age is None else int(age.total_seconds()) // 60,
        "note": resource.note,
        "ca_pem": resource.ca_pem,
        "pin": resource.pin,
        "guards_admins": resource.guards_admins,
    }


def read_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read what ``write_body`` wrote."""
    minutes = body["most_mfa_minutes"]
    upstreams: Sequence[Sequence[Any]] = body["upstreams"]
    return {
        "upstreams": tuple(Upstream(*each) for each in upstreams),
        "ports": tuple(body["ports"]),
        "least_trust": Trust(body["least_trust"]),
        "least_strength": Strength(body["least_strength"]),
        "most_mfa_age": None if minutes is None else timedelta(minutes=minutes),
        **{name: body[name] for name in ("note", "ca_pem", "pin", "guards_admins")},
    }


def _resource(row: Row[Any]) -> Resource:
    return Resource(
        id=ResourceID(row.id),
        key=row.key,
        name_ja=row.name_ja,
        name_en=row.name_en,
        kind=ResourceKind(row.kind),
        public_host=row.public_host,
        enabled=row.enabled,
        version=row.version,
        **read_body(row.body),
    )
