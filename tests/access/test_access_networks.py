"""Named networks: who uses them, what cannot be taken, and that a change is asked about."""

import pytest

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.engine.forms import write_form
from sekisho.access.policies import Policy, PolicyForm
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.changes import list_changes
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    SekishoError,
)
from sekisho.kernel.principal import SYSTEM, Principal

OFFICE = service.NamedNetwork("本社", ("2001:db8::/32", "203.0.113.0/24"), "JP")


@pytest.fixture
def town(database: Database, clock: FakeClock) -> Town:
    return Town(database, clock)


@pytest.fixture
def boss(town: Town) -> Principal:
    return town.add("boss", Role.ADMIN)


def _put(town: Town, who: Principal, network: service.NamedNetwork, before: str = "") -> bool:
    with town.database.write(who) as tx:
        return service.put_network(tx, network, before=before)


def test_a_network_is_kept_with_its_ranges_and_its_change_is_news(
    town: Town, boss: Principal
) -> None:
    assert _put(town, boss, OFFICE)
    assert _put(town, boss, service.NamedNetwork("VPN", ("198.51.100.7",)))
    assert not _put(town, boss, OFFICE, "本社")
    with town.database.read(boss) as tx:
        found = [each.network for each in service.list_used_networks(tx)]
        assert found == [service.NamedNetwork("VPN", ("198.51.100.7/32",)), OFFICE]
        subjects = {each.subject for each in list_changes(tx, 0)}
    assert {"network:本社", "network:VPN"} <= subjects


@pytest.mark.parametrize(
    "network",
    [
        service.NamedNetwork("", ("10.0.0.0/8",)),
        service.NamedNetwork('a"b', ("10.0.0.0/8",)),
        service.NamedNetwork("a" * 65, ("10.0.0.0/8",)),
        service.NamedNetwork("a", ()),
        service.NamedNetwork("a", ("10.0.0.1/8",)),
        service.NamedNetwork("a", ("10.0.0.0/33",)),
        service.NamedNetwork("a", ("office",)),
        service.NamedNetwork("a", ("10.0.0.0/8",), "JPN"),
        service.NamedNetwork("a", tuple(f"10.0.{n}.0/24" for n in range(201))),
    ],
)
def test_what_cannot_be_read_is_refused(
    town: Town, boss: Principal, network: service.NamedNetwork
) -> None:
    with pytest.raises(InvalidInputError):
        _put(town, boss, network)


def test_a_network_that_a_policy_uses_keeps_its_name(town: Town, boss: Principal) -> None:
    _put(town, boss, OFFICE)
    form = PolicyForm(networks=("本社",))
    town.rule(boss, Policy("office", write_form("office", form), "本社から", "From the office"))
    with town.database.read(boss) as tx:
        (used,) = service.list_used_networks(tx)
    assert [each.id for each in used.policies] == ["office"]
    with pytest.raises(ConflictError), town.database.write(boss) as tx:
        service.remove_network(tx, "本社")
    with pytest.raises(ConflictError):
        _put(town, boss, service.NamedNetwork("支社", OFFICE.ranges), "本社")
    wider = service.NamedNetwork("本社", ("198.51.100.0/24", *OFFICE.ranges), "JP")
    town.clock.advance(hours=3)
    with pytest.raises(SekishoError):  # the sign-in is too old for what opens a policy wider
        _put(town, boss, wider, "本社")
    town.clock.advance(hours=-3)
    assert _put(town, boss, wider, "本社")
    with town.database.read(SYSTEM) as tx:
        (record, _) = evidence.list_records(tx, kind="access.networks_changed")
    assert record.detail is not None
    assert record.detail["ranges"] == list(wider.ranges)


def test_only_who_may_write_changes_networks(town: Town, boss: Principal) -> None:
    hanako = town.add("hanako")
    with pytest.raises(NotPermittedError):
        _put(town, hanako, OFFICE)
    with pytest.raises(NotPermittedError), town.database.write(hanako) as tx:
        service.remove_network(tx, "本社")
    with pytest.raises(NotFoundError), town.database.write(boss) as tx:
        service.remove_network(tx, "本社")
    _put(town, boss, OFFICE)
    with pytest.raises(ConflictError):
        _put(town, boss, OFFICE)
    with town.database.write(boss) as tx:
        service.remove_network(tx, "本社")
        assert service.list_used_networks(tx) == []


@pytest.mark.parametrize(
    ("words", "names"),
    [("", {"VPN", "本社"}), ("vpn", {"VPN"}), ("198.51.100.7", {"VPN"}), ("203.0.113.9", {"本社"}),
     ("jp", {"本社"}), ("192.0.2.1", set())],
)  # fmt: skip
def test_a_network_is_found_by_words_and_by_an_address_within(
    town: Town, boss: Principal, words: str, names: set[str]
) -> None:
    _put(town, boss, OFFICE)
    _put(town, boss, service.NamedNetwork("VPN", ("198.51.100.7",)))
    with town.database.read(boss) as tx:
        found = {each.network.name for each in service.list_used_networks(tx, words)}
    assert found == names
