"""The front door: every way in passes the same checks; doubt, ambiguity and silence are refused."""

from datetime import timedelta
from typing import Any

import pytest

from sekisho.identity import service
from sekisho.identity.engine.sites import LOCAL_COOKIE, SECURE_COOKIE
from sekisho.identity.model import Role
from sekisho.identity.roles import AWAY_RIGHTS, SELF_RIGHTS
from sekisho.server.auth import csrf_token
from support.door import BASE
from support.gatehouse import Gatehouse

SAME = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


def test_nobody_is_refused(gate: Gatehouse) -> None:
    assert gate.ask().status_code == 401
    assert gate.ask("POST", "/probe", headers=SAME).status_code == 401


def test_a_session_comes_in(gate: Gatehouse) -> None:
    said = gate.ask(headers=gate.cookie).json()

    assert said["kind"] == "person"
    assert said["id"] == gate.signed_in.person.id
    assert said["rights"] == sorted({"*", *SELF_RIGHTS})
    assert said["address"]


def test_an_unlisted_address_is_for_the_admin_listener(gate: Gatehouse) -> None:
    for listener in ("public", "intake", ""):
        assert gate.ask(headers=gate.cookie, listener=listener).status_code == 404
    assert gate.ask("POST", "/api/osquery/probe", listener="admin").status_code == 404
    assert gate.ask("GET", "/sign-in", listener="public").status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"X-CSRF-Token": ""}, 403),
        ({"X-CSRF-Token": "0" * 64}, 403),
        ({"X-CSRF-Token": "é"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "", "Sec-Fetch-Site": ""}, 403),
        ({"Origin": ""}, 200),
        ({"Sec-Fetch-Site": ""}, 200),
    ],
    ids=str,
)
def test_changes_need_our_own_page(gate: Gatehouse, change: dict[str, str], status: int) -> None:
    headers = gate.cookie | SAME | {"X-CSRF-Token": gate.csrf} | change
    sent = {name: value.encode() for name, value in headers.items() if value}

    assert gate.ask("POST", headers=sent).status_code == status


def test_away_from_the_admin_listener_there_are_only_ones_own_things(gate: Gatehouse) -> None:
    said = gate.ask("GET", "/my/probe", listener="public", headers=gate.cookie)

    assert said.json()["rights"] == sorted(SELF_RIGHTS | AWAY_RIGHTS)


def test_the_token_may_stand_in_a_form(gate: Gatehouse) -> None:
    headers = gate.cookie | SAME

    assert gate.ask("POST", headers=headers, data={"csrf": gate.csrf}).status_code == 200
    assert gate.ask("POST", headers=headers, data={"csrf": "x"}).status_code == 403
    assert gate.ask("POST", headers=headers, json={"csrf": gate.csrf}).status_code == 403


def test_the_token_of_another_session_does_not_fit(gate: Gatehouse) -> None:
    other = csrf_token(gate.town.box, gate.town.enter_passkey().secret)

    headers = gate.cookie | SAME | {"X-CSRF-Token": other}
    assert gate.ask("POST", headers=headers).status_code == 403


def test_sessions_end_by_time_and_by_idleness(gate: Gatehouse) -> None:
    for _ in range(11):
        gate.town.clock.advance(minutes=59)
        assert gate.ask(headers=gate.cookie).status_code == 200
    gate.town.clock.advance(minutes=61)
    assert gate.ask(headers=gate.cookie).status_code == 401
    gate.signed_in = gate.town.enter_passkey()
    for _ in range(12):
        gate.town.clock.advance(minutes=59)
        gate.ask(headers=gate.cookie)
    gate.town.clock.advance(minutes=13)
    assert gate.ask(headers=gate.cookie).status_code == 401


def test_a_made_up_session_lets_nobody_in(gate: Gatehouse) -> None:
    for value in (gate.signed_in.session_id, "x" * 43, "%00", "é", '""'):
        headers = {"Cookie": f"{LOCAL_COOKIE}={value}".encode()}
        assert gate.ask(headers=headers).status_code == 401


def test_a_tokens_way_is_the_same(gate: Gatehouse) -> None:
    token = gate.make_token(["devices.read"])
    headers = {"Authorization": f"Bearer {token}"}

    said = gate.ask(headers=headers).json()

    assert said["kind"] == "token"
    assert said["rights"] == ["devices.read"]
    assert gate.ask("POST", headers=headers).status_code == 200  # not ambient: no CSRF
    gate.town.clock.advance(days=1)
    assert gate.ask(headers=headers).status_code == 401


def test_a_token_ends_with_its_person(gate: Gatehouse) -> None:
    person = gate.town.add("b@example.jp", Role.ADMIN)
    principal = gate.town.principal(person)
    with gate.town.database.write(principal) as tx:
        ends_at = tx.now + timedelta(days=1)
        _, token = service.make_token(tx, label="x", scopes=["devices.read"], ends_at=ends_at)
    headers = {"Authorization": f"Bearer {token}"}
    assert gate.ask(headers=headers).status_code == 200
    admin = gate.town.as_person(gate.signed_in)
    with gate.town.database.write(admin) as tx:
        service.change_roles(tx, person.id, ["teleworker"])
    assert gate.ask(headers=headers).json()["rights"] == []
    with gate.town.database.write(admin) as tx:
        service.disable_person(tx, person.id)
    assert gate.ask(headers=headers).status_code == 401
    with gate.town.database.write(admin) as tx:
        service.enable_person(tx, person.id)
    assert gate.ask(headers=headers).status_code == 401


def test_two_credentials_are_one_too_many(gate: Gatehouse) -> None:
    token = gate.make_token(["devices.read"])
    both = gate.cookie | {"Authorization": f"Bearer {token}"}
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer sks_x")]
    cookies = {"Cookie": f"{LOCAL_COOKIE}={gate.signed_in.secret}; {LOCAL_COOKIE}=x"}

    assert gate.ask(headers=both).status_code == 400
    assert gate.ask(headers=cookies).status_code == 400
    assert gate.ask(headers=twice).status_code == 400


def test_a_blocked_address_shuts_out_no_session_and_no_passkey(gate: Gatehouse) -> None:
    for _ in range(20):
        gate.ask(headers={"Authorization": "Bearer sks_wrong"})
    gate.town.clock.advance(seconds=1)

    assert gate.ask(headers=gate.cookie).status_code == 200
    assert gate.ask("GET", "/sign-in").status_code == 200
    assert gate.ask("POST", "/sign-in/passkey/options", headers=SAME).status_code == 200
    assert gate.ask().status_code == 429


def test_dead_links_are_counted_on_every_address(gate: Gatehouse) -> None:
    ways: list[tuple[str, str, Any]] = [
            ("POST", "/start/guess/passkey/options", {"json": {}}),
            ("POST", "/start/guess/totp", {"data": {"name": "x"}}),
            ("GET", "/start/guess", {})]  # fmt: skip
    for number in range(20):
        method, path, more = ways[number % len(ways)]
        said = gate.ask(method, path, headers=SAME, client=("198.51.100.4", 1), **more)
        assert said.status_code == 404, path
    gate.town.clock.advance(seconds=1)
    for method, path, more in ways:
        said = gate.ask(method, path, headers=SAME, client=("198.51.100.4", 1), **more)
        assert said.status_code == 429, path


def test_a_shut_out_address_gets_nothing(gate: Gatehouse) -> None:
    principal = gate.town.as_person(gate.signed_in)
    with gate.town.database.write(principal) as tx:
        service.shut_out(tx, "203.0.113.9", "guessing for days", 7)
    for headers in (gate.cookie, {}, {"Authorization": "Bearer sks_x"}):
        for path in ("/probe", "/sign-in", "/sign-in/oidc/callback"):
            said = gate.ask(path=path, headers=headers, client=("203.0.113.9", 1))
            assert said.status_code == 403, (path, headers)
    assert gate.ask(headers=gate.cookie).status_code == 200


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "sks_x", "Bearer sks_x"])
def test_other_authorizations_are_refused(gate: Gatehouse, value: str) -> None:
    assert gate.ask(headers={"Authorization": value}).status_code == 401


def test_wrong_tokens_block_their_address_on_every_way(gate: Gatehouse) -> None:
    good = {"Authorization": f"Bearer {gate.make_token(['devices.read'])}"}
    for _ in range(20):
        assert gate.ask(headers={"Authorization": "Bearer sks_wrong"}).status_code == 401
    gate.town.clock.advance(seconds=1)  # the door reads the list once a second

    assert gate.ask(headers=good).status_code == 429
    assert gate.ask("POST", "/sign-in/code", headers=SAME).status_code == 429
    assert gate.ask("GET", "/sign-in/lost").status_code == 429
    node = {"Authorization": "NodeKey good-key"}
    assert (
        gate.ask("POST", "/api/osquery/probe", listener="public", headers=node).status_code == 429
    )
    gate.town.clock.advance(seconds=30)
    assert gate.ask(headers=good).status_code == 200


def test_devices_stay_on_their_side(gate: Gatehouse) -> None:
    node = {"Authorization": "NodeKey good-key"}
    path = "/api/osquery/probe"

    assert gate.ask("POST", path, listener="public", headers=node).json()["id"] == "dev_1"
    unknown = {"Authorization": "NodeKey other"}
    said = gate.ask("POST", path, listener="public", headers=unknown).json()
    assert said["kind"] == "anonymous"  # the room answers node_invalid
    assert gate.ask("POST", "/my/probe", listener="public", headers=node).status_code == 403
    token = {"Authorization": f"Bearer {gate.make_token(['devices.read'])}"}
    assert gate.ask("POST", path, listener="public", headers=token).status_code == 403


def test_the_secure_cookie_belongs_to_tls(gate: Gatehouse) -> None:
    base = "https://sekisho.example.jp"
    local = {"Cookie": f"{LOCAL_COOKIE}={gate.signed_in.secret}"}
    secure = {"Cookie": f"{SECURE_COOKIE}={gate.signed_in.secret}"}

    assert gate.ask(headers=local, base=base).status_code == 401
    assert gate.ask(headers=secure, base=base).status_code == 200
    assert gate.ask(headers=secure).status_code == 401
