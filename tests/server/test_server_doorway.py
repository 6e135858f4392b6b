"""The doorway: signing in and out, kept forms; no way in gives more than its weakest check."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, get

from fakes.clock import FakeClock
from sekisho.identity import service
from sekisho.identity.engine.rights import covers
from sekisho.identity.model import Role
from sekisho.identity.roles import AWAY_RIGHTS, SELF_RIGHTS
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotFoundError, SekishoError
from sekisho.kernel.principal import PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.server.auth import FrontDoor, command_principal, csrf_token
from sekisho.server.knock import Credential, Knock, listeners_of, read_credential
from support.door import BASE, SmallHouse
from support.gatehouse import Devices, Gatehouse
from support.identity_town import Town
from support.routes import find_open_ways, list_ways

SAME = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


def test_signing_in_ends_the_former_session(gate: Gatehouse) -> None:
    planted = gate.signed_in
    begun = gate.ask("POST", "/sign-in/passkey/options", headers=SAME).json()
    answer = gate.town.authenticator.get(begun["options"])
    body = {"handle": begun["handle"], "credential": answer, "next": "//evil.example"}

    done = gate.ask("POST", "/sign-in/passkey", headers=gate.cookie | SAME, json=body)

    assert done.json() == {"next": "/"}
    cookie = done.headers["set-cookie"]
    assert planted.secret not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert gate.ask(headers=gate.cookie).status_code == 401


def test_sign_in_from_another_site_is_refused(gate: Gatehouse) -> None:
    form = {"email": "saeki@example.jp", "code": "000000"}
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        said = gate.ask("POST", "/sign-in/code", headers=headers, data=form)
        assert said.status_code == 403


def test_every_page_is_whole_in_both_languages(gate: Gatehouse) -> None:
    with gate.town.database.write(command_principal(gate.town.box)) as tx:
        _, start = service.issue_admin_link(tx, "saeki@example.jp")
    pages = ["/people/sign-in", "/people/blocks", "/people/lost", "/sign-in/lost",
             f"/people/{gate.signed_in.person.id}/sessions",
             "/account", "/account/recovery-codes", "/account/tokens", "/account/new-name",
             "/people", "/sign-in?again=1", start]  # fmt: skip
    for language in ("ja", "en"):
        for path in pages:
            headers = {"Cookie": f"{gate.cookie['Cookie']}; language={language}"}
            said = gate.ask(path=path, headers=headers)
            assert said.status_code == 200, (path, said.text)
            assert "<h1>" in said.text
            assert " style=" not in said.text


def test_a_stale_proof_leads_to_the_sign_in_and_back(gate: Gatehouse) -> None:
    gate.town.clock.advance(minutes=16)
    headers = gate.cookie | SAME | {"X-CSRF-Token": gate.csrf, "Accept": "text/html"}

    page = gate.ask("POST", "/account/totp", headers=headers)
    said = gate.ask("POST", "/account/passkeys/options", headers=headers)

    assert page.status_code == 303
    assert page.headers["location"] == "/sign-in?again=1&next=/account"
    assert said.status_code == 403
    assert said.json()["next"] == "/sign-in?again=1&next=/account"


def _kept_form(gate: Gatehouse, data: dict[str, str]) -> str:
    """Send a form with a stale proof and return where it waits."""
    gate.town.clock.advance(minutes=16)
    headers = gate.cookie | SAME | {"Accept": "text/html"}
    path = "/account/tokens?x=1"
    data = {"csrf": gate.csrf, "ends_at": "2026-12-24", **data}
    page = gate.ask("POST", path, headers=headers, data=data)
    assert page.status_code == 303
    return page.headers["location"].removeprefix("/sign-in?again=1&next=")


def test_a_form_is_not_lost_while_its_sender_proves_themselves(gate: Gatehouse) -> None:
    waits = _kept_form(gate, {"label": "CI <script>", "scope": "devices.read"})
    former = gate.csrf
    gate.signed_in = gate.town.enter_passkey()

    page = gate.ask("GET", waits, headers=gate.cookie).text
    assert 'action="/account/tokens?x=1"' in page
    assert 'name="label" value="CI &lt;script&gt;"' in page
    assert gate.csrf in page
    assert former not in page


def test_a_kept_form_is_its_senders_alone_and_ends(gate: Gatehouse) -> None:
    waits = _kept_form(gate, {"label": "secret"})
    assert gate.ask("GET", waits).status_code == 401
    assert gate.ask("GET", "/account/again/guess", headers=gate.cookie).status_code == 404
    other = gate.town.principal(gate.town.add("other@example.jp", Role.ADMIN))
    with pytest.raises(NotFoundError), gate.town.database.read(other) as tx:
        service.find_form(tx, gate.town.box, waits.rsplit("/", 1)[1])
    gate.town.clock.advance(minutes=11)
    assert gate.ask("GET", waits, headers=gate.cookie).status_code == 404


def test_a_form_too_large_to_keep_leads_back_to_its_page(gate: Gatehouse) -> None:
    assert _kept_form(gate, {"label": "x" * 70_000}) == "/account"


def test_a_whole_first_sign_in_with_codes(gate: Gatehouse) -> None:
    headers = gate.cookie | SAME | {"X-CSRF-Token": gate.csrf}
    page = gate.ask("POST", "/account/recovery-codes", headers=headers).text
    code = page.split("<code>", 1)[1].split("\n", 1)[0].strip()
    form = {"email": "saeki@example.jp", "code": code, "next": "/devices"}

    wrong = gate.ask("POST", "/sign-in/code", headers=SAME, data=form | {"code": "1"})
    right = gate.ask("POST", "/sign-in/code", headers=SAME, data=form)
    again = gate.ask("POST", "/sign-in/code", headers=SAME, data=form)

    assert (wrong.status_code, right.status_code, again.status_code) == (401, 303, 401)
    assert right.headers["location"] == "/account"
    assert "do not fit together" in wrong.text


def test_too_many_tries_get_a_page_that_says_how_long(gate: Gatehouse) -> None:
    form = {"email": "saeki@example.jp", "code": "000000"}
    for _ in range(5):
        gate.ask("POST", "/sign-in/code", headers=SAME, data=form)

    said = gate.ask("POST", "/sign-in/code", headers=SAME, data=form)

    assert said.status_code == 429
    assert said.headers["retry-after"] == "30"
    assert "30 seconds" in said.text


def test_signing_out_ends_the_session(gate: Gatehouse) -> None:
    headers = gate.cookie | SAME | {"X-CSRF-Token": gate.csrf}

    said = gate.ask("POST", "/sign-out", headers=headers)

    assert said.headers["location"] == "/sign-in"
    assert gate.ask(headers=gate.cookie).status_code == 401


def test_a_command_has_the_rights_of_the_machine(box: SecretBox) -> None:
    assert command_principal(box).allows("identity.write")


def test_handlers_may_name_their_listeners() -> None:
    assert listeners_of("/x") == {"admin"}
    assert listeners_of("/x", "intake") == {"intake"}
    assert listeners_of("/api/osquery/log", ["public", "admin"]) == {"public", "admin"}


@given(
    cookies=st.lists(st.sampled_from(["good", "bad", "other=1", ""]), max_size=3),
    authorizations=st.lists(
        st.sampled_from(["Bearer sks_a", "NodeKey k", "Basic x", "Bearer", ""]), max_size=3
    ),
)
def test_at_most_one_credential_is_ever_read(cookies: list[str], authorizations: list[str]) -> None:
    headers = [("cookie", c if "=" in c else f"s={c}") for c in cookies]
    headers += [("authorization", a) for a in authorizations]
    shown = sum(c in {"good", "bad"} for c in cookies) + len(authorizations)
    try:
        found = read_credential(headers, "s")
    except SekishoError:
        assert shown > 1 or authorizations
    else:
        assert shown <= 1
        assert bool(found.kind) == (shown == 1)


_PATHS = st.sampled_from(
    ["/probe", "/my/probe", "/sign-in", "/api/osquery/log", "/api/agent/x", "/static/a.css", "/"]
)


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    path=_PATHS,
    listener=st.sampled_from(["public", "admin", "intake", ""]),
    kind=st.sampled_from(["", "cookie", "bearer", "nodekey"]),
    real=st.booleans(),
    origin=st.sampled_from(["", "null", BASE, "https://evil.example"]),
    site=st.sampled_from(["", "same-origin", "cross-site", "none"]),
    token=st.booleans(),
)
def test_no_way_in_gives_more_than_its_weakest_check(
    standing: "Standing",
    method: str,
    path: str,
    listener: str,
    kind: str,
    *,
    real: bool,
    origin: str,
    site: str,
    token: bool,
) -> None:
    secret = standing.secrets.get(kind, "") if real else "sks_nonsense"
    knock = Knock(
        method, path, path, listener, listeners_of(path), "192.0.2.77", BASE,
        Credential(kind, secret if kind else ""), origin, site, standing.csrf if token else "",
    )  # fmt: skip
    try:
        entry = standing.door.open(knock)
    except SekishoError:
        return
    principal = entry.principal
    assert listener in listeners_of(path)
    held = standing.rights[kind if real else ""]
    assert all(any(covers(mine, right) for mine in held) for right in principal.rights)
    if listener != "admin" and principal.kind is not PrincipalKind.DEVICE:
        away = AWAY_RIGHTS if kind == "cookie" else frozenset()
        assert principal.rights <= SELF_RIGHTS | away
    if principal.kind is PrincipalKind.ANONYMOUS:
        assert path.startswith(("/sign-in", "/api/osquery/", "/api/agent/", "/static/"))
        assert not principal.rights
    if principal.kind is PrincipalKind.PERSON and method != "GET":
        assert "cross-site" != site != "none"
        assert origin in ("", BASE)
        assert origin or site
        assert token or path == "/sign-in"


@dataclass(frozen=True, slots=True)
class Standing:
    """A door that stays open over many examples, and what each credential is worth at most."""

    door: FrontDoor
    secrets: Mapping[str, str]
    csrf: str
    rights: Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def standing(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("standing")
    (folder / "s.db").write_bytes(sqlite_template.read_bytes())
    clock, box = FakeClock(), SecretBox(bytes(32))
    database = Database(f"sqlite:///{folder}/s.db", clock)
    town = Town(database, clock, box)
    signed_in = town.start_admin()
    with database.write(town.as_person(signed_in)) as tx:
        ends_at = tx.now + timedelta(days=1)
        _, token = service.make_token(tx, label="x", scopes=["devices.read"], ends_at=ends_at)
    door = FrontDoor(SmallHouse(database, clock, box, Settings(folder)), Devices())
    yield Standing(
        door,
        {"cookie": signed_in.secret, "bearer": token, "nodekey": "good-key"},
        csrf_token(box, signed_in.secret),
        {
            "": frozenset(),
            "cookie": SELF_RIGHTS | {"*"},
            "bearer": frozenset({"devices.read"}),
            "nodekey": frozenset({"device.self"}),
        },
    )
    database.close()


def test_every_route_demands_somebody_or_is_listed(gate: Gatehouse) -> None:
    assert len(list_ways(gate.app)) > 30
    assert find_open_ways(gate.app) == []


def test_the_walker_finds_a_route_that_steps_past_the_door() -> None:
    @get("/open", sync_to_thread=False)
    def leak() -> str:
        return "everything"

    app = Litestar([leak], openapi_config=None, before_request=None)

    assert find_open_ways(app) == ["GET /open: 200 instead of 401"]
