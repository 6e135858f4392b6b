"""Resources of the gate in a folder: read from its file, compared as items, made again (pure)."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from sekisho.access.engine.resources import read_upstream, write_upstream
from sekisho.access.model import Resource, ResourceID, ResourceKind, Trust, Upstream
from sekisho.controls.reading import Place
from sekisho.identity.model import Strength
from sekisho.kernel.i18n import msg
from sekisho.server.apply.model import Item, Kind, Value, Wanted, plain
from sekisho.server.apply.places import (
    fields_of,
    mark_of,
    read_choice,
    read_clean,
    read_switch,
    read_word,
)

_WORDS = ("public_host", "name_ja", "name_en", "note", "ca_pem", "pin")
_CHOICES: Mapping[str, list[str]] = {
    "kind": [kind.value for kind in ResourceKind],
    "least_trust": [trust.word for trust in Trust],
    "least_strength": [strength.name.lower() for strength in Strength],
}
_SWITCHES = ("enabled", "guards_admins")
_NOWHERE = Upstream("", 0)
_MOST_DIGITS = 5
REST: Mapping[str, Value] = {
    **dict.fromkeys(_WORDS, ""), "kind": "http", "least_trust": "managed", "least_strength": "two",
    "enabled": "true", "guards_admins": "false", "most_mfa_minutes": "0",
    "upstreams": frozenset(), "ports": frozenset(),
}  # fmt: skip
"""What a new resource is where the file says nothing."""


def read_resources(place: Place, complete: bool) -> Iterator[Wanted]:
    """Read what the file lists; what it makes of a resource the room judges."""
    del complete  # addresses and ports of a resource are always all of them
    for item in place.items():
        given = fields_of(item, ("key",), tuple(REST))
        if "key" in given:
            key = read_word(given["key"]).lower()
            yield Wanted(Kind.RESOURCE, (key,), _fields(given), mark_of(item), complete=True)


def _fields(given: Mapping[str, Place]) -> dict[str, Value]:
    found: dict[str, Value] = {n: read_word(given[n]) for n in _WORDS if n in given}
    found |= {n: read_choice(given[n], known) for n, known in _CHOICES.items() if n in given}
    found |= {n: str(read_switch(given[n])).lower() for n in _SWITCHES if n in given}
    if "most_mfa_minutes" in given:
        found["most_mfa_minutes"] = _number(given["most_mfa_minutes"])
    if "ports" in given:
        found["ports"] = frozenset(_number(each) for each in given["ports"].items())
    if "upstreams" in given:
        found["upstreams"] = frozenset(
            write_upstream(read_clean(each, read_upstream, _NOWHERE))
            for each in given["upstreams"].items()
        )
    return found


def _number(place: Place) -> str:
    got = read_word(place)
    if not (got.isascii() and got.isdecimal() and len(got) <= _MOST_DIGITS):
        place.note(msg("Expected a number."))
        return "0"
    return str(int(got))


def item_of(resource: Resource) -> Item:
    """Return a resource as it stands."""
    age = resource.most_mfa_age
    fields: dict[str, Value] = {name: str(getattr(resource, name)) for name in _WORDS}
    fields |= {
        "kind": resource.kind.value,
        "least_trust": resource.least_trust.word,
        "least_strength": resource.least_strength.name.lower(),
        "most_mfa_minutes": str(int(age.total_seconds()) // 60 if age else 0),
        "enabled": str(resource.enabled).lower(),
        "guards_admins": str(resource.guards_admins).lower(),
        "ports": frozenset(map(str, resource.ports)),
        "upstreams": frozenset(map(write_upstream, resource.upstreams)),
    }
    return Item(Kind.RESOURCE, (resource.key,), fields, resource.id, resource.version)


def resource_of(key: str, fields: Mapping[str, Value]) -> Resource:
    """Make a resource of its fields, all of them."""
    said = {name: value for name, value in fields.items() if isinstance(value, str)}
    minutes = int(said["most_mfa_minutes"])
    return Resource(
        id=ResourceID(""),
        key=key,
        kind=ResourceKind(said["kind"]),
        upstreams=tuple(map(read_upstream, plain(fields["upstreams"]))),
        ports=tuple(sorted(map(int, fields["ports"]))),
        least_trust=Trust[said["least_trust"].upper()],
        least_strength=Strength[said["least_strength"].upper()],
        most_mfa_age=timedelta(minutes=minutes) if minutes else None,
        guards_admins=said["guards_admins"] == "true",
        enabled=said["enabled"] == "true",
        public_host=said["public_host"],
        name_ja=said["name_ja"],
        name_en=said["name_en"],
        note=said["note"],
        ca_pem=said["ca_pem"],
        pin=said["pin"],
    )


def write_resource(item: Item) -> dict[str, Any]:
    """Return a resource as its file has it, without what is as in every new one."""
    fields = {n: v for n, v in item.fields.items() if v != REST[n]}
    found: dict[str, Any] = {"key": item.key[0]}
    for name, value in fields.items():
        if name in _SWITCHES:
            found[name] = value == "true"
        elif name == "most_mfa_minutes":
            found[name] = int(str(value))
        elif name == "ports":
            found[name] = sorted(map(int, value))
        else:
            found[name] = plain(value)
    return found
