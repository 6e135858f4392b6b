"""The gate as it runs: a real Envoy, the decision process, a real database, raw connections."""

import time
from collections.abc import Callable, Iterator

import pytest

from sekisho.access import service as access
from sekisho.access.engine import builtin
from sekisho.kernel.i18n import translate
from sekisho.kernel.installation import get_fact
from sekisho.kernel.principal import SYSTEM
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.cookies import CookieKey
from support.gate_house import SECRET, wait_for
from support.gate_scene import Scene, Stream, gate_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with gate_scene(tmp_path_factory.mktemp("gate")) as made:
        yield made


@pytest.fixture(autouse=True)
def _hang_up(scene: Scene) -> Iterator[None]:
    yield
    scene.hang_up()


@pytest.fixture
def cookie(scene: Scene) -> str:
    return scene.home.enter(scene.hanako, scene.app)


@pytest.fixture
def broken(scene: Scene) -> Iterator[Callable[[], float]]:
    """Break a rule on the device by a committed verdict; all is well again after the test."""
    yield lambda: scene.home.fail("dev_1")
    scene.home.mend("dev_1")


def test_an_app_is_told_who_asks_and_nothing_that_a_browser_claims(
    scene: Scene, cookie: str
) -> None:
    visited = scene.home.visit(
        scene.app, "/a/b?c=1",
        headers={"Cookie": f"a=1; {cookie}; b=2", "X-Sekisho-User": "evil",
                 "X-SEKISHO-Role": "admin"},
    )  # fmt: skip
    told = visited.json()
    headers = dict(told["headers"])  # type: ignore[call-overload]
    assert visited.status == 200
    assert headers["cookie"] == "a=1; b=2"
    assert headers["x-sekisho-user"] == scene.hanako.id
    assert headers["x-sekisho-email"].endswith("@example.jp")
    assert headers["x-sekisho-device"] == "dev_1"
    assert "x-sekisho-role" not in headers
    assert told["path"] == "/a/b?c=1"


def test_a_stranger_is_led_to_the_portal_and_a_program_is_told(scene: Scene) -> None:
    page = scene.home.visit(scene.app, "/x", headers={"Accept": "text/html"})
    assert page.status == 303
    assert page.header("location").startswith(scene.home.settings.admin_url + "/gate/enter?")
    assert page.cookie("__Host-sekisho-state")
    assert scene.home.visit(scene.app, "/x").status == 401
    assert scene.home.visit(scene.app, "/x", method="POST", body=b"x").status == 401


def test_without_a_certificate_a_page_says_what_is_missing(scene: Scene, cookie: str) -> None:
    page = scene.home.visit(
        scene.app, "/", "", headers={"Accept": "text/html", "Accept-Language": "ja"}
    )
    assert page.status == 403
    assert "登録された端末の証明書" in page.body.decode()
    assert scene.home.visit(scene.app, "/", "", headers={"Cookie": cookie}).status == 403


def test_a_stolen_cookie_opens_nothing_on_another_device(scene: Scene, cookie: str) -> None:
    assert scene.home.visit(scene.app, "/", "dev_1", headers={"Cookie": cookie}).status == 200
    assert scene.home.visit(scene.app, "/", "dev_2", headers={"Cookie": cookie}).status == 401


def test_a_ticket_is_taken_once_and_with_its_state_alone(scene: Scene) -> None:
    ticket = scene.home.ticket(scene.hanako, scene.app)
    path = f"/.sekisho/enter?ticket={ticket}&to=//evil.example"
    assert not scene.home.visit(scene.app, path).cookie("__Host-sekisho")
    state = {"Cookie": f"__Host-sekisho-state={SECRET}"}
    first = scene.home.visit(scene.app, path, headers=state)
    assert first.cookie("__Host-sekisho")
    assert first.header("location") == "/"
    assert not scene.home.visit(scene.app, path, headers=state).cookie("__Host-sekisho")


def test_the_browser_door_has_a_cookie_of_its_own(scene: Scene, cookie: str) -> None:
    opened = scene.home.enter(scene.hanako, scene.open_app, "")
    assert opened.startswith("__Host-sekisho-browser=")
    told = scene.home.visit(scene.open_app, "/", headers={"Cookie": opened})
    assert told.status == 200
    value = opened.partition("=")[2]
    for stolen in (cookie, f"__Host-sekisho={value}"):
        assert scene.home.visit(scene.app, "/", headers={"Cookie": stolen}).status in {200, 401}
    assert (
        scene.home.visit(scene.app, "/", headers={"Cookie": f"__Host-sekisho={value}"}).status
        == 401
    )
    device = cookie.partition("=")[2]
    wrong = {"Cookie": f"__Host-sekisho-browser={device}"}
    assert scene.home.visit(scene.open_app, "/", headers=wrong).status == 401


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nHost: open.localhost\r\n{cookie}\r\n",  # another host than the handshake
        "GET / HTTP/1.1\r\nHost: unknown.example\r\n{cookie}\r\n",
        "GET https://open.localhost/ HTTP/1.1\r\nHost: wiki.localhost\r\n{cookie}\r\n",
    ],
)
def test_a_host_that_does_not_fit_is_misdirected(scene: Scene, cookie: str, head: str) -> None:
    answer = scene.raw(head.format(cookie=f"Cookie: {cookie}\r\n"))
    assert answer.startswith(b"HTTP/1.1 421")
    assert b"421 Misdirected Request\n" in answer  # a program gets the line, a person a page
    person = "Accept: text/html\r\nAccept-Language: ja,en;q=0.5\r\n"
    page = scene.raw(head.format(cookie=f"Cookie: {cookie}\r\n{person}"))
    assert page.startswith(b"HTTP/1.1 421")
    assert "このアドレスにアプリはありません".encode() in page
    assert b"Misdirected" not in page.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n{cookie}\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nx_sekisho_user: evil\r\n{cookie}\r\n",
        "GET /a%2f..%2fb HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n",
        (
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
            "Transfer-Encoding: chunked\r\n{cookie}\r\n0\r\n\r\n"
        ),
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n{cookie}\r\n",
        "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n{cookie}\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nA: b\x00c\r\n{cookie}\r\n",
        "GET / HTTP/1.1\r\nHost : {host}\r\n{cookie}\r\n",
        "GET / HTTP/1.0\r\nHost: {host}\r\n{cookie}\r\n",
        "GET / HTTP/1.1\r\n{cookie}\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nB: {long}\r\n{cookie}\r\n",
    ],
)
def test_what_two_could_read_differently_is_refused(scene: Scene, cookie: str, head: str) -> None:
    text = head.format(
        host=scene.app.public_host, cookie=f"Cookie: {cookie}\r\n", long="x" * 100_000
    )
    assert not scene.raw(text).startswith(b"HTTP/1.1 200")


def test_paths_are_made_one_before_they_are_looked_at(scene: Scene, cookie: str) -> None:
    told = scene.home.visit(scene.app, "/a//b/../c", headers={"Cookie": cookie}).json()
    assert told["path"] == "/a/c"
    own = scene.home.visit(scene.app, "/x/../.sekisho/none", headers={"Cookie": cookie})
    assert own.status == 404


def test_an_old_cookie_is_refreshed_and_the_body_arrives(scene: Scene, cookie: str) -> None:
    data, box = scene.home.settings.data, scene.home.house.box
    key = CookieKey.load_or_create(gate_folder(data), box)
    claims = key.read(cookie.partition("=")[2])
    assert claims is not None
    old = key.sign({**claims, "exp": int(time.time()) - 5})
    visited = scene.home.visit(
        scene.app, "/save", method="POST", body=b"z" * 50_000,
        headers={"Cookie": f"__Host-sekisho={old}", "X-Sekisho-User": "evil"},
    )  # fmt: skip
    told = visited.json()
    assert (told["method"], told["body"]) == ("POST", 50_000)
    assert dict(told["headers"])["x-sekisho-user"] == scene.hanako.id  # type: ignore[call-overload]
    fresh = visited.cookie("__Host-sekisho")
    assert fresh
    assert fresh != cookie


def test_a_tunnel_opens_for_its_device_and_person_alone(scene: Scene) -> None:
    sock, head = scene.connect()
    assert head.startswith(b"HTTP/1.1 200")
    assert b"sekisho-session: acs_" in head
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"
    sock.close()
    assert scene.connect("dev_2")[1].startswith(b"HTTP/1.1 401")
    assert scene.connect(credential="")[1].startswith(b"HTTP/1.1 401")
    assert scene.connect(credential="a.b.c")[1].startswith(b"HTTP/1.1 401")


def test_no_tunnel_leads_elsewhere(scene: Scene) -> None:
    gate = scene.home.settings.gate.port
    port = scene.shell.upstreams[0].port
    for wrong in (
        "ssh.localhost:1", f"localhost:{gate}", f"127.0.0.1:{port}", f"ssh.localhost:{gate}",
        f"wiki.localhost:{gate}", "169.254.169.254:80", f"ssh.localhost.:{port}0",
    ):  # fmt: skip
        assert not scene.connect(authority=wrong)[1].startswith(b"HTTP/1.1 200"), wrong


def test_everything_that_is_open_is_cut_when_the_evidence_turns_bad(
    scene: Scene, cookie: str, broken: Callable[[], float]
) -> None:
    host, sent = scene.app.public_host, f"Cookie: {cookie}\r\n"
    sock, head = scene.connect()
    streams = {
        "tunnel": Stream(sock, head).watch(echo=True),
        "events": scene.stream(f"GET /events HTTP/1.1\r\nHost: {host}\r\n{sent}\r\n").watch(),
        "download": scene.stream(f"GET /download HTTP/1.1\r\nHost: {host}\r\n{sent}\r\n").watch(),
        "socket": scene.stream(
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\n{sent}Upgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).watch(echo=True),
    }
    assert streams["socket"].head.startswith(b"HTTP/1.1 101")
    began = broken()
    took = {name: stream.cut_after(began) for name, stream in streams.items()}
    assert max(took.values()) < 2, took  # the figure is the benchmark's; this machine is shared
    refused = scene.home.visit(scene.app, "/", headers={"Cookie": cookie, "Accept-Language": "ja"})
    assert refused.status in {401, 403}
    _, again = scene.connect()
    assert again.startswith(b"HTTP/1.1 403")


def test_after_it_is_mended_all_opens_again(scene: Scene, broken: Callable[[], float]) -> None:
    broken()
    wait_for(lambda: scene.connect()[1].startswith(b"HTTP/1.1 403"), scene.home.log, 10)
    scene.home.mend("dev_1")
    assert scene.connect()[1].startswith(b"HTTP/1.1 200")
    cookie = scene.home.enter(scene.hanako, scene.app)
    assert scene.home.visit(scene.app, "/", headers={"Cookie": cookie}).status == 200


def test_a_cut_tunnel_is_told_why_and_nobody_else(
    scene: Scene, broken: Callable[[], float]
) -> None:
    sock, head = scene.connect()
    session = head.split(b"sekisho-session: ")[1].split(b"\r\n")[0].decode()
    stream = Stream(sock, head).watch(echo=True)
    stream.cut_after(broken())

    def why(device: str) -> bytes:
        with scene.dial(device) as asking:
            asking.sendall(
                f"GET /.sekisho/why?session={session} HTTP/1.1\r\nHost: localhost\r\n"
                "Accept-Language: ja\r\nConnection: close\r\n\r\n".encode()
            )
            found = b""
            while piece := asking.recv(65536):
                found += piece
            return found

    told = why("dev_1")
    assert b'"cut": true' in told
    assert translate(builtin.built_in_reason("sekisho.failing").text, "ja").encode() in told
    assert b'"cut": false' in why("dev_2")


def test_who_was_turned_away_without_a_sign_in_stands_in_the_log(scene: Scene, cookie: str) -> None:
    """Each of these was only refused; nobody had proven who they are."""
    assert scene.home.visit(scene.app, "/", "", headers={"Cookie": cookie}).status == 403
    assert scene.home.visit(scene.app, "/", "dev_2", headers={"Cookie": cookie}).status == 401
    made_up = {"Cookie": "__Host-sekisho=a.b.c"}
    assert scene.home.visit(scene.app, "/", "dev_2", headers=made_up).status == 401
    assert not scene.connect("dev_2")[1].startswith(b"HTTP/1.1 200")
    assert not scene.connect(authority="payroll.example:22")[1].startswith(b"HTTP/1.1 200")

    def found() -> set[tuple[str, str, str | None]]:
        with scene.home.house.database.read(scene.admin) as tx:
            lines = access.list_decisions(tx, access.EntryFilter(outcome="deny"), page_size=200)
        return {(each.reasons[0].id, each.person_id, each.device_id) for each in lines.entries}

    wanted = {
        ("sekisho.no-certificate", "", None), ("sekisho.not-ours", "", "dev_2"),
        ("sekisho.other-device", scene.hanako.id, "dev_2"), ("sekisho.no-target", "", "dev_1"),
    }  # fmt: skip
    wait_for(lambda: wanted <= found(), lambda: str(found()), 20)


def test_a_decision_process_that_died_lets_nothing_in_and_cuts_tunnels(
    scene: Scene, cookie: str
) -> None:
    sock, head = scene.connect()
    stream = Stream(sock, head).watch(echo=True)
    scene.home.processes["gate"].kill()
    began = time.monotonic()
    assert stream.cut_after(began) < 5
    assert not scene.connect()[1].startswith(b"HTTP/1.1 200")
    assert scene.home.visit(scene.app, "/", headers={"Cookie": cookie}).status == 200
    asked = {"Accept": "text/html", "Accept-Language": "en"}
    page = scene.home.visit(scene.app, "/", headers=asked)
    assert page.status == 503
    assert "nothing opens" in page.body.decode()
    assert page.header("cache-control") == "no-store"
    scene.home.processes.pop("gate").wait()
    scene.home.start("gate")
    wait_for(lambda: scene.connect()[1].startswith(b"HTTP/1.1 200"), scene.home.log, 60)


def test_nothing_was_refused_by_envoy(scene: Scene) -> None:
    with scene.home.house.database.read(SYSTEM) as tx:
        assert not get_fact(tx, "gate.refused")
