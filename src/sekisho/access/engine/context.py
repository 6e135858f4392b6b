"""Signals as the request that Cedar sees. What is unknown or too old is left out."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sekisho.access.model import DeviceFacts, Resource, Signals, Trust

_MINUTES = 60


def make_context(signals: Signals) -> dict[str, Any]:
    """Return the attributes that are known; see ``schema.SCHEMA`` for what each holds."""
    found: dict[str, Any] = {
        "active": signals.person.active,
        "mfa": _strength(signals),
        "mfa_age": _age(signals.person.proved_at, signals.at),
        "trust": int(signals.trust),
        "door": signals.door.value,
        "certified": signals.device is not None and signals.device.certified,
        "findings": signals.findings,
        "address": _address(signals.address),
        "networks": None if signals.networks is None else sorted(signals.networks),
        "country": signals.country,
        "now": int(signals.at.timestamp()),
        "granted": signals.granted_until is not None and signals.granted_until > signals.at,
        **_clock(signals),
    }
    if signals.trust > Trust.BROWSER and signals.device is not None:
        found |= _device(signals.device, signals)
    return {name: value for name, value in found.items() if value is not None}


def _strength(signals: Signals) -> int | None:
    ends = signals.person.sign_in_ends
    if ends is None or ends <= signals.at:
        return 0  # a sign-in that has ended proves nothing
    return None if signals.person.strength is None else int(signals.person.strength)


def _age(moment: datetime | None, now: datetime) -> int | None:
    """Return whole seconds; a time ahead of ours is no proof of freshness: unknown."""
    if moment is None or moment > now:
        return None
    return int((now - moment).total_seconds())


@lru_cache(maxsize=4_096)
def _address(text: str) -> dict[str, Any] | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return {"__extn": {"fn": "ip", "arg": str(address)}}


def _clock(signals: Signals) -> Mapping[str, int | None]:
    try:
        zone = ZoneInfo(signals.person.time_zone) if signals.person.time_zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return {"weekday": None, "minute": None}
    local = signals.at.astimezone(zone)
    return {"weekday": local.isoweekday(), "minute": local.hour * _MINUTES + local.minute}


def _device(device: DeviceFacts, signals: Signals) -> dict[str, Any]:
    fresh = device.valid_until is not None and device.valid_until > signals.at
    known = device.posture if fresh else None
    state = "withdrawn" if device.consent_withdrawn else "paused" if device.paused else device.state
    found: dict[str, Any] = {
        "device_state": state or None,
        "device_own": device.owner_id in {None, signals.person.person_id},
        "posture": known,
        "posture_age": _age(device.answered_at, signals.at),
    }
    if known is not None:
        found |= {
            "passing": sorted(device.passing),
            "failing": sorted(device.failing),
            "unproven": sorted(device.unproven),
            "exempt": sorted(device.exempt),
        }
    return found


def make_memberships(signals: Signals) -> frozenset[tuple[str, str]]:
    """Return what the person is in, as Cedar's entities."""
    person = signals.person
    return frozenset(
        [("Person", person.person_id)]
        + [("Unit", name) for name in person.units]
        + [("Group", name) for name in person.groups]
        + [("Role", name) for name in person.roles]
    )


def make_places(resource: Resource) -> frozenset[tuple[str, str]]:
    """Return the resource and what it is in."""
    return frozenset({("Resource", resource.id), ("Kind", resource.kind.value)})


def make_entities(
    signals: Signals, resource: Resource, who: frozenset[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return the person and the resource as Cedar reads them."""
    age = resource.most_mfa_age
    parents = [{"type": kind, "id": name} for kind, name in sorted(who) if kind != "Person"]
    return [
        {"uid": _uid("Person", signals.person.person_id), "attrs": {}, "parents": parents},
        {
            "uid": _uid("Resource", resource.id),
            "attrs": {
                "least_trust": int(resource.least_trust),
                "least_mfa": int(resource.least_strength),
                "most_mfa_age": 0 if age is None else max(1, int(age.total_seconds())),
            },
            "parents": [_uid("Kind", resource.kind.value)],
        },
    ]


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}
