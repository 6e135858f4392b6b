"""People, devices and resources where everything is well, so that a test changes one thing."""

from datetime import UTC, datetime, timedelta

from sekisho.access.engine.book import Book
from sekisho.access.engine.forms import write_form
from sekisho.access.model import (
    DeviceFacts,
    Door,
    PrincipalFacts,
    Resource,
    ResourceID,
    ResourceKind,
    Signals,
    Trust,
    Upstream,
)
from sekisho.access.policies import Policy, PolicyForm
from sekisho.identity.model import Strength
from sekisho.kernel.ids import DeviceID, PersonID

NOW = datetime(2026, 11, 27, 1, 30, tzinfo=UTC)  # Friday 10:30 in Tokyo
HANAKO = PersonID("per_hanako")


def person(**changes: object) -> PrincipalFacts:
    facts: dict[str, object] = {
        "person_id": HANAKO,
        "name": "山田花子",
        "active": True,
        "roles": frozenset({"teleworker"}),
        "groups": frozenset({"grp_sales"}),
        "units": frozenset({"unt_tokyo"}),
        "strength": Strength.RESISTANT,
        "proved_at": NOW - timedelta(minutes=10),
        "sign_in_ends": NOW + timedelta(hours=8),
        "time_zone": "Asia/Tokyo",
    }
    return PrincipalFacts(**(facts | changes))  # type: ignore[arg-type]


def device(**changes: object) -> DeviceFacts:
    facts: dict[str, object] = {
        "device_id": DeviceID("dev_1"),
        "title": "PC-1",
        "state": "active",
        "managed": True,
        "owner_id": HANAKO,
        "certified": True,
        "is_agent": True,
        "posture": "fine",
        "passing": frozenset({"disk-encryption", "antivirus"}),
        "answered_at": NOW - timedelta(minutes=1),
        "valid_until": NOW + timedelta(minutes=30),
    }
    return DeviceFacts(**(facts | changes))  # type: ignore[arg-type]


def signals(**changes: object) -> Signals:
    facts: dict[str, object] = {
        "at": NOW,
        "person": person(),
        "door": Door.DEVICE,
        "address": "192.0.2.7",
        "device": device(),
        "networks": frozenset({"office"}),
        "country": "JP",
        "findings": 0,
    }
    return Signals(**(facts | changes))  # type: ignore[arg-type]


def resource(**changes: object) -> Resource:
    facts: dict[str, object] = {
        "id": ResourceID("res_wiki"),
        "key": "wiki",
        "name_ja": "社内Wiki",
        "name_en": "Wiki",
        "kind": ResourceKind.HTTP,
        "public_host": "wiki.example.jp",
        "upstreams": (Upstream("10.0.0.5", 8080),),
        "least_trust": Trust.MANAGED,
    }
    return Resource(**(facts | changes))  # type: ignore[arg-type]


def policy(name: str = "staff", text: str = "", **form: object) -> Policy:
    return Policy(
        name,
        text or write_form(name, PolicyForm(**form)),  # type: ignore[arg-type]
        f"{name}の規則",
        f"{name} rule",
    )


def book(*policies: Policy) -> Book:
    return Book(1, policies or [policy()])
