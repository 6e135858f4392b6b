"""Schedules of self-checks as a list: searched, narrowed, sorted by what the reader sees, paged."""

from collections.abc import Iterator

import pytest

from fakes.clock import FakeClock
from sekisho.controls.laid_content import laid_content, lay_content
from sekisho.controls.selfchecks import Audience
from sekisho.controls.service import selfcheck_lists as lists
from sekisho.controls.service import selfchecks as service
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotPermittedError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

OWN = """id: aaa
version: 1
title: {ja: おでかけ前の確認, en: Zero-hour check}
intro: {ja: 一問です。, en: One question.}
max_age: 90d
questions:
  - id: door
    ask: {ja: 鍵をかけましたか。, en: Is the door locked?}
    why: {ja: 留守のあいだに見られます。, en: Others could look.}
"""
DAY = 86400


@pytest.fixture(autouse=True)
def _own_questionnaire() -> Iterator[None]:
    before = laid_content()
    lay_content({"selfchecks/aaa.yaml": OWN})
    yield
    lay_content(before)


@pytest.fixture
def made(database: Database, clock: FakeClock) -> dict[str, str]:
    """Five schedules, made one a day; return id → a word for each."""
    with database.write(SYSTEM) as tx:
        west = identity.create_unit(tx, identity.UnitDraft("West 100%"))
        home = identity.create_group(tx, "Home")
    wanted = {
        "all": service.NewSchedule("telework", every_days=90),
        "west": service.NewSchedule("aaa", Audience.UNIT, west.id, every_days=30),
        "home": service.NewSchedule("telework", Audience.GROUP, home.id, every_days=180),
        "once": service.NewSchedule("aaa", every_days=0),
        "stopped": service.NewSchedule("aaa", Audience.GROUP, home.id, every_days=60),
    }
    found: dict[str, str] = {}
    for word, schedule in wanted.items():
        with database.write(SYSTEM) as tx:
            found[service.make_schedule(tx, schedule).id] = word
        clock.advance(seconds=DAY)
    with database.write(SYSTEM) as tx:
        service.stop_schedule(tx, next(i for i, word in found.items() if word == "stopped"))
    return found


def _listed(database: Database, made: dict[str, str], **wish: str | bool | None) -> list[str]:
    """Return the words of what is listed, asked for two at a time."""
    words: list[str] = []
    with database.read(SYSTEM) as tx:
        for offset in range(0, 8, 2):
            wanted = lists.ScheduleWish(**wish)  # type: ignore[arg-type] # by name, of each kind
            page, total = lists.page_schedules(tx, wanted, offset=offset, limit=2)
            words += [made[each.id] for each in page]
    assert len(words) == total
    return words


def test_schedules_are_sorted_by_what_the_reader_sees(
    database: Database, made: dict[str, str]
) -> None:
    assert _listed(database, made, sort="who") == ["once", "all", "stopped", "home", "west"]
    assert _listed(database, made, sort="-who") == ["west", "stopped", "home", "once", "all"]
    assert _listed(database, made, sort="every") == ["once", "west", "stopped", "all", "home"]
    assert _listed(database, made, sort="-made")[0] == "stopped"
    english = _listed(database, made, sort="check")
    assert english == ["home", "all", "stopped", "once", "west"]
    assert _listed(database, made, sort="check", language="ja") == [*english[2:], *english[:2]]
    assert _listed(database, made, sort="next") == ["all", "west", "home", "once", "stopped"]
    assert _listed(database, made, sort="-next") == ["once", "home", "west", "all", "stopped"]
    assert _listed(database, made, sort="'; --") == _listed(database, made, sort="next")


def test_schedules_are_found_by_questionnaire_and_by_who_is_asked(
    database: Database, made: dict[str, str]
) -> None:
    assert _listed(database, made, search=" home ") == ["home", "stopped"]
    assert _listed(database, made, search="おでかけ") == ["west", "once", "stopped"]
    assert _listed(database, made, search="全員") == ["all", "once"]
    assert _listed(database, made, search="100%") == ["west"]
    assert _listed(database, made, search="%") == ["west"]
    assert _listed(database, made, search="nobody") == []


def test_schedules_that_ask_again_are_told_from_those_that_do_not(
    database: Database, made: dict[str, str]
) -> None:
    with database.write(SYSTEM) as tx:
        service.turn_selfchecks(tx)  # asks once and no more, though there is nobody to ask
    assert _listed(database, made, runs=False) == ["stopped", "once"]
    assert _listed(database, made, runs=True, sort="who") == ["all", "home", "west"]
    assert _listed(database, made, runs=True, search="telework") == ["all", "home"]


def test_only_who_has_people_asked_sees_the_schedules(
    database: Database, made: dict[str, str]
) -> None:
    reader = Principal(PrincipalKind.PERSON, "per_r", "r", frozenset({"selfchecks.read"}))
    with database.read(reader) as tx, pytest.raises(NotPermittedError):
        lists.page_schedules(tx, lists.ScheduleWish())
    assert len(made) == 5


def test_rounds_are_sorted_by_the_title_in_the_reader_s_language(
    database: Database, made: dict[str, str]
) -> None:
    assert len(made) == 5
    with database.write(SYSTEM) as tx:
        identity.add_person(
            tx, name="Ren", email="ren@example.jp", language="ja", roles=[Role.TELEWORKER],
            state=PersonState.ACTIVE,
        )  # fmt: skip
        service.turn_selfchecks(tx)
    for sort, language, first in (
        ("check", "en", "telework"), ("-check", "en", "aaa"), ("check", "ja", "aaa"),
    ):  # fmt: skip
        with database.read(SYSTEM) as tx:
            wanted = lists.RoundWish(sort=sort, language=language)
            page, total = lists.page_rounds(tx, wanted, limit=1)
        assert (page[0].check_id, total) == (first, 2)
