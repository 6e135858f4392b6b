"""Decided from anywhere: by whom it concerns, with two factors and a fresh proof, nobody else."""

from datetime import timedelta

import pytest

from pages.conftest import Town
from sekisho.controls import service as controls
from sekisho.controls.exceptions import ExceptionState
from sekisho.identity import service as identity
from sekisho.identity.engine.sites import LOCAL_COOKIE
from sekisho.identity.model import Assignment, Method, Role, Visit
from sekisho.identity.service.sessions import open_session
from sekisho.kernel.ids import PersonID, UnitID
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service as notices
from sekisho.server.auth import csrf_token

LOW = {"low"}


def _unit(town: Town, name: str) -> str:
    with town.house.database.write(SYSTEM) as tx:
        return identity.create_unit(tx, identity.UnitDraft(name)).id


def _manager(town: Town, name: str, unit: str) -> PersonID:
    person = town.add_person(name, Role.TELEWORKER)
    with town.house.database.write(SYSTEM) as tx:
        held = identity.get_person(tx, person).assignments
        identity.set_roles(tx, person, held | {Assignment(Role.MANAGER, UnitID(unit))})
    return person


@pytest.fixture
def asked(town: Town) -> tuple[str, str]:
    """A teleworker of a unit asks for an exception from a rule that a manager may decide."""
    unit = _unit(town, "東日本")
    owner = town.add_person("森下 彩", Role.TELEWORKER)
    with town.house.database.write(SYSTEM) as tx:
        identity.place_person(tx, owner, unit)
    device = town.enrol("mnt-l-0231", owner=owner)
    town.answer(device, failing=99)
    rule = next(c.id for c in town.catalogue.controls.values()
                if c.severity in LOW and c.find_check("linux"))  # fmt: skip
    sent = town.client("public").post("/my/exceptions", headers=town.sign_in(owner), data={
        "rule": rule, "scope": f"device:{device.id}", "reason": "古い業務ソフトのため",
        "measure": "社内網に接続しない", "renews": "",
        "until": (town.clock.now() + timedelta(days=5)).date().isoformat(),
    }, follow_redirects=False)  # fmt: skip
    assert sent.status_code == 303, sent.text
    return unit, sent.headers["location"].rpartition("/")[2]


def _state(town: Town, exception_id: str) -> ExceptionState:
    with town.house.database.read(SYSTEM) as tx:
        return controls.get_exception(tx, exception_id)[0].state


def test_a_manager_at_home_decides_for_their_unit(town: Town, asked: tuple[str, str]) -> None:
    unit, exception = asked
    own = town.sign_in(_manager(town, "近藤 光", unit))
    public = town.client("public")

    assert "自分の判断待ち" in public.get("/my", headers=own).text
    assert f"/my/decisions/{exception}" in public.get("/my/decisions", headers=own).text
    page = public.get(f"/my/decisions/{exception}", headers=own).text
    assert "古い業務ソフトのため" in page
    assert 'href="/devices/' not in page
    done = public.post(
        f"/my/decisions/{exception}/approve", data={"words": ""}, headers=own,
        follow_redirects=False,
    )  # fmt: skip
    assert done.status_code == 303
    assert _state(town, exception) is ExceptionState.APPROVED
    assert "判断待ちの申請はありません" in public.get("/my/decisions", headers=own).text


def test_the_manager_of_another_unit_sees_and_decides_nothing(
    town: Town, asked: tuple[str, str]
) -> None:
    _, exception = asked
    other = town.sign_in(_manager(town, "大西 健太", _unit(town, "西日本")))
    public = town.client("public")

    assert exception not in public.get("/my/decisions", headers=other).text
    assert public.get(f"/my/decisions/{exception}", headers=other).status_code == 404
    sent = public.post(f"/my/decisions/{exception}/approve", data={}, headers=other)
    assert sent.status_code in {403, 404}
    assert _state(town, exception) is ExceptionState.REQUESTED


def test_nobody_decides_on_their_own_request(town: Town) -> None:
    chief = town.add_person("佐伯 航", Role.SECURITY)
    device, own = town.enrol("mnt-l-0099", owner=chief), town.sign_in(chief)
    town.answer(device, failing=99)
    rule = next(c.id for c in town.catalogue.controls.values() if c.find_check("linux"))
    public = town.client("public")
    sent = public.post("/my/exceptions", headers=own, data={
        "rule": rule, "scope": f"device:{device.id}", "reason": "古い業務ソフトのため",
        "measure": "社内網に接続しない", "renews": "",
        "until": (town.clock.now() + timedelta(days=2)).date().isoformat(),
    }, follow_redirects=False)  # fmt: skip
    exception = sent.headers["location"].rpartition("/")[2]

    assert exception not in public.get("/my/decisions", headers=own).text
    page = public.get(f"/my/decisions/{exception}", headers=own).text
    assert f"/my/decisions/{exception}/approve" not in page
    refused = public.post(f"/my/decisions/{exception}/approve", data={}, headers=own)
    assert refused.status_code == 403
    assert _state(town, exception) is ExceptionState.REQUESTED


def test_a_sign_in_by_one_factor_or_long_ago_decides_nothing(
    town: Town, asked: tuple[str, str]
) -> None:
    unit, exception = asked
    manager = _manager(town, "近藤 光", unit)
    public = town.client("public")
    weak, strong = _by_code(town, manager), town.sign_in(manager)

    assert public.get("/my/decisions", headers=weak).status_code == 403
    refused = public.post(f"/my/decisions/{exception}/approve", data={}, headers=weak)
    assert refused.status_code == 403
    town.clock.advance(minutes=16)
    form = {"csrf": strong.pop("X-CSRF-Token"), "words": ""}
    again = public.post(
        f"/my/decisions/{exception}/approve", data=form, headers=strong, follow_redirects=False
    )
    assert again.headers["location"].startswith("/sign-in?again=1&next=/account/again/")
    assert _state(town, exception) is ExceptionState.REQUESTED


def _by_code(town: Town, person_id: PersonID) -> dict[str, str]:
    with town.house.database.write(SYSTEM) as tx:
        person = identity.get_person(tx, person_id)
        secret = open_session(tx, person, Method.TOTP, Visit("127.0.0.1", "test")).secret
    return {
        "Cookie": f"{LOCAL_COOKIE}={secret}", "X-CSRF-Token": csrf_token(town.house.box, secret),
        "Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin", "Accept": "text/html",
    }  # fmt: skip


def test_those_are_told_who_may_decide_and_nobody_else(town: Town, asked: tuple[str, str]) -> None:
    unit, _ = asked
    here = _manager(town, "近藤 光", unit)
    there = _manager(town, "大西 健太", _unit(town, "西日本"))
    auditor = town.add_person("阿部 慧", Role.AUDITOR)
    notices.hand_out(town.house.database, town.clock.now().tzinfo)  # type: ignore[arg-type]
    told = {person: town.client("public").get("/my/notices", headers=town.sign_in(person)).text
            for person in (here, there, auditor)}  # fmt: skip

    assert "さんから例外の申請" in told[here]
    assert "例外の申請" not in told[there]
    assert "例外の申請" not in told[auditor]


def test_nothing_but_a_decision_is_done_here(town: Town, asked: tuple[str, str]) -> None:
    unit, exception = asked
    own = town.sign_in(_manager(town, "近藤 光", unit))
    sent = town.client("public").post(f"/my/decisions/{exception}/withdraw", data={}, headers=own)
    assert sent.status_code == 404
