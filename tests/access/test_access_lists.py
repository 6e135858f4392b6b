"""Live connections as a list: sorted by the names that the reader sees."""

import pytest

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.model import Resource
from sekisho.identity.model import Role
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM


@pytest.fixture
def town(database: Database, clock: FakeClock) -> Town:
    return Town(database, clock)


@pytest.fixture
def shown(town: Town) -> tuple[dict[str, str], dict[str, Resource]]:
    """Zen, Mia and Aoi connected in this order; return their names and the resources by id."""
    boss = town.add("boss", Role.ADMIN)
    wiki = town.publish(boss, key="wiki", name_ja="経費", name_en="alpha")
    mail = town.publish(
        boss, key="mail", name_ja="あいさつ", name_en="Beta", public_host="m.example.jp"
    )
    town.rule(boss)
    names: dict[str, str] = {}
    for number, (name, where) in enumerate((("Zen", wiki), ("Mia", mail), ("Aoi", wiki))):
        who = town.add(name)
        names[who.id] = name
        device = town.give(who, f"dev_{number}")
        town.clock.advance(seconds=60)
        with town.database.write(SYSTEM) as tx:
            opened = service.open_session(tx, town.request(who, where, device))
        assert opened.session is not None, opened.decision
    return names, {wiki.id: wiki, mail.id: mail}


def _people(town: Town, names: dict[str, str], sort: str, language: str = "en") -> list[str]:
    found: list[str] = []
    with town.database.read(SYSTEM) as tx:
        for page in (1, 2):
            listed = service.list_sessions(
                tx, service.SessionFilter(), sort=sort, language=language, page=page, page_size=2
            )
            found += [names[session.person_id] for session in listed.sessions]
    return found


def test_connections_are_sorted_by_the_names_of_people_and_resources(
    town: Town, shown: tuple[dict[str, str], dict[str, Resource]]
) -> None:
    names, _ = shown
    assert _people(town, names, "person") == ["Aoi", "Mia", "Zen"]
    assert _people(town, names, "-person") == ["Zen", "Mia", "Aoi"]
    assert _people(town, names, "resource") == ["Aoi", "Zen", "Mia"]  # alpha, alpha, Beta
    assert _people(town, names, "resource", "ja") == ["Mia", "Aoi", "Zen"]  # あいさつ, 経費, 経費
    assert _people(town, names, "-resource", "ja") == ["Aoi", "Zen", "Mia"]
    assert _people(town, names, "since") == ["Zen", "Mia", "Aoi"]
