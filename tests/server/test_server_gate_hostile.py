"""Hostile and odd requests to a real gate, in HTTP/1.1 and HTTP/2; on PostgreSQL, tunnels kept.

The other tests of the gate run on SQLite and cut tunnels with the decision process.
"""

import datetime as dt
import json
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sekisho.devices.store import privacy
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.installation import get_fact
from sekisho.kernel.principal import SYSTEM
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.cookies import CookieKey
from support.gate_house import Visited, wait_for
from support.gate_scene import Scene, Stream, gate_scene
from support.h2 import H2, RESET, Headers
from support.postgres import run_sql

pytestmark = pytest.mark.postgres
_WEBSOCKET = [
    ("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
]  # fmt: skip


@pytest.fixture(scope="module")
def scene(postgres_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    run_sql(postgres_template, "CREATE DATABASE gate TEMPLATE migrated")
    chosen = {"database_url": f"{postgres_template}/gate", "gate_tunnels": "keep"}
    with gate_scene(tmp_path_factory.mktemp("gate"), **chosen) as made:
        yield made
    run_sql(postgres_template, "DROP DATABASE gate WITH (FORCE)")


@pytest.fixture(autouse=True)
def _hang_up(scene: Scene) -> Iterator[None]:
    yield
    scene.hang_up()


@pytest.fixture
def cookie(scene: Scene) -> str:
    return scene.home.enter(scene.hanako, scene.app)


def _aged(scene: Scene, cookie: str, seconds: float, **changes: object) -> str:
    """Return a cookie as our key would have made it ``seconds`` later."""
    folder, box = gate_folder(scene.home.settings.data), scene.home.house.box
    key = CookieKey.load_or_create(folder, box)
    claims = key.read(cookie.partition("=")[2])
    assert claims is not None
    moved = {**claims, "iat": int(time.time() + seconds), "exp": int(time.time() + seconds + 60)}
    return f"__Host-sekisho={key.sign({**moved, **changes})}"


def _fields(host: str, *more: tuple[str, str], path: str = "/", method: str = "GET") -> Headers:
    first = [(":method", method), (":scheme", "https"), (":authority", host)]
    return [*first, *([(":path", path)] if path else []), *more]


# ── who says who asks ────────────────────────────────────────────────────────────────────────────


def test_over_http_2_too_only_the_gate_says_who_asks(scene: Scene, cookie: str) -> None:
    claimed = [("x-sekisho-user", "evil"), ("x-sekisho-user", "evil2"), ("x-sekisho-role", "admin")]
    host = scene.app.public_host
    sent = _fields(host, *claimed, ("cookie", "a=1"), ("cookie", cookie), ("cookie", "b=2"))
    answer = scene.h2(host).get(sent)
    told = json.loads(answer.body)["headers"]
    assert answer.status == 200
    assert [v for n, v in told if n == "x-sekisho-user"] == [scene.hanako.id]
    assert [v for n, v in told if n == "cookie"] == ["a=1; b=2"]
    assert "evil" not in answer.body.decode()
    assert "x-sekisho-role" not in answer.body.decode()


@pytest.mark.parametrize("name", ["X-Sekisho-User", "x_sekisho_user", "x-sekisho_user", ":user"])
def test_odd_names_of_headers_end_a_request_of_http_2(scene: Scene, cookie: str, name: str) -> None:
    host = scene.app.public_host
    answer = scene.h2(host).get(_fields(host, ("cookie", cookie), (name, "evil")))
    assert answer.status in {RESET, 400}


def _told(visited: Visited) -> dict[str, list[str]]:
    """Return the headers that the app was sent."""
    found: dict[str, list[str]] = {}
    sent: Any = visited.json()["headers"]
    for name, value in sent:
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("{ours}", None),
        ("{ours};", None),
        (" ;; {ours} ; ", None),
        ("a=1;{ours};b=2 ;c", "a=1; b=2; c"),
        (
            "{ours}; a=__Host-sekisho=x; __Host-sekisho-state=s; __Host-sekisho",
            "a=__Host-sekisho=x",
        ),
        ("{ours}; __Host-sekisho-browser=x;\t__Host-sekisho =y; __Host-sekishoz=z", None),
        ('{ours}; a="b c" ;d==e=; =f', 'a="b c"; d==e=; =f'),
    ],
)
def test_no_cookie_of_ours_and_no_inner_header_reaches_an_app(
    scene: Scene, cookie: str, written: str, left: str | None
) -> None:
    """Both with a good cookie, which only Envoy looks at, and with an old one that is refreshed."""
    for ours in (cookie, _aged(scene, cookie, -90)):
        sent = {"Cookie": written.format(ours=ours), "X-Sekisho-Audience": "x"}
        told = _told(scene.home.visit(scene.app, "/", headers=sent))
        assert told.get("cookie", [None]) == [left]
        own = {name: value for name, value in told.items() if name.startswith("x-sekisho-")}
        assert set(own) == {f"x-sekisho-{n}" for n in ("user", "email", "session", "device")}
        assert own["x-sekisho-user"] == [scene.hanako.id]


@pytest.mark.parametrize(
    "changes",
    [{"aud": "res_other@device"}, {"aud": "{app}"}, {"aud": "{app}@browser"}, {"aud": None},
     {"dev": "dev_2"}, {"dev": None}, {"sid": ""}, {"sid": None}, {"sid": "resource"}],
)  # fmt: skip
def test_a_cookie_of_ours_for_anything_else_is_no_cookie_here(
    scene: Scene, cookie: str, changes: dict[str, str | None]
) -> None:
    made = {n: v and v.format(app=scene.app.id) for n, v in changes.items()}
    sent = {"Cookie": _aged(scene, cookie, 0, **made)}
    assert scene.home.visit(scene.app, "/", headers=sent).status in {401, 403}


def test_another_certificates_cookie_is_decided_anew(scene: Scene, cookie: str) -> None:
    visited = scene.home.visit(scene.app, "/", headers={"Cookie": _aged(scene, cookie, 0, crt="1")})
    assert visited.cookie("__Host-sekisho")
    assert set(_told(visited)) & {"x-sekisho-audience", "x-sekisho-certificate"} == set()


# ── which host ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("authority", ["open.localhost", "unknown.example", "wiki.localhost.evil"])
def test_another_authority_than_the_handshakes_is_misdirected(
    scene: Scene, cookie: str, authority: str
) -> None:
    asked = _fields(authority, ("cookie", cookie))
    assert scene.h2(scene.app.public_host).get(asked).status == 421


def test_a_host_header_beside_the_authority_changes_nothing(scene: Scene, cookie: str) -> None:
    host = scene.app.public_host
    asked = _fields(host, ("cookie", cookie), ("host", "open.localhost"))
    answer = scene.h2(host).get(asked)
    assert answer.status in {RESET, 200, 400}
    if answer.status == 200:
        told = dict(json.loads(answer.body)["headers"])
        assert told["host"] == host


@pytest.mark.parametrize(
    "more",
    [
        [("transfer-encoding", "chunked")],
        [("connection", "keep-alive")],
        [("content-length", "5"), ("content-length", "6")],
        [("content-length", "3")],  # and five are sent
        [("a", "b\r\nx-sekisho-user: evil")],
        [(":path", "/other")],
        [(":scheme", "https")],
    ],
)
def test_smuggling_by_http_2_ends_the_request(scene: Scene, cookie: str, more: Headers) -> None:
    host = scene.app.public_host
    asked = _fields(host, ("cookie", cookie), *more, method="POST")
    answer = scene.h2(host).get(asked, b"hello")
    assert answer.status in {RESET, 400}


@pytest.mark.parametrize(
    "body",
    [
        "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
    ],
)
def test_smuggling_by_http_1_ends_the_request(scene: Scene, cookie: str, body: str) -> None:
    host = scene.app.public_host
    answer = scene.raw(f"POST / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{body}")
    assert not answer.startswith(b"HTTP/1.1 200")


def test_a_folded_line_is_no_line_of_its_own(scene: Scene, cookie: str) -> None:
    host = scene.app.public_host
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nA: b\r\n"
    answer = scene.raw(f"{head} Content-Length: 5\r\n\r\nhello")
    assert b'"body": 5' not in answer


def test_what_follows_a_body_is_a_request_of_its_own(scene: Scene, cookie: str) -> None:
    """A request hidden behind a body is asked about like any other, for it bears no cookie."""
    host = scene.app.public_host
    with scene.dial("dev_1", host) as sock:
        sock.sendall(
            f"POST / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Length: 2\r\n\r\nhi"
            f"GET /hidden HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        found = b""
        while piece := sock.recv(65536):
            found += piece
    assert found.count(b"HTTP/1.1 200") == 1
    assert b"HTTP/1.1 401" in found


# ── certificates ─────────────────────────────────────────────────────────────────────────────────


def test_an_expired_certificate_ends_the_handshake(scene: Scene, cookie: str) -> None:
    scene.home.certify("dev_1", "expired", dt.timedelta(days=60))
    with pytest.raises((ssl.SSLError, OSError)):
        scene.home.visit(scene.app, "/", "expired", headers={"Cookie": cookie})


def test_a_revoked_certificate_opens_nothing_even_with_a_good_cookie(scene: Scene) -> None:
    """Its device has a new certificate, whose fresh cookie was stolen: Envoy sees that."""
    scene.home.certify("dev_2", "former")
    with scene.home.house.database.write(SYSTEM) as tx:
        privacy.revoke_certificates(tx, "dev_2")
    scene.home.certify("dev_2")
    cookie = scene.home.enter(scene.hanako, scene.app, "dev_2")
    assert scene.home.visit(scene.app, "/", "dev_2", headers={"Cookie": cookie}).status == 200
    assert scene.home.visit(scene.app, "/", "former", headers={"Cookie": cookie}).status == 403
    with scene.dial("former"):
        credential = scene.home.credential(scene.hanako, "dev_2")
        assert scene.connect("former", credential=credential)[1].startswith(b"HTTP/1.1 403")


def test_a_renewed_certificate_goes_on_with_the_former_ones_cookie(
    scene: Scene, cookie: str
) -> None:
    scene.home.certify("dev_1", "renewed")
    visited = scene.home.visit(
        scene.app, "/", "renewed", method="POST", body=b"hi", headers={"Cookie": cookie}
    )
    fresh = visited.cookie("__Host-sekisho")
    assert (visited.status, visited.json()["body"]) == (200, 2)
    assert _told(visited)["x-sekisho-user"] == [scene.hanako.id]
    assert "x-sekisho-certificate" not in _told(visited)
    again = scene.home.visit(scene.app, "/", "renewed", headers={"Cookie": fresh})
    assert again.status == 200
    assert not again.cookie("__Host-sekisho")


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", [-3600, -90, 90, 3600, 10 * 365 * 86400])
def test_a_cookie_of_another_time_is_decided_anew_and_its_body_arrives(
    scene: Scene, cookie: str, seconds: float
) -> None:
    visited = scene.home.visit(
        scene.app, "/save", method="POST", body=b"z" * 3_000_000,
        headers={"Cookie": _aged(scene, cookie, seconds)},
    )  # fmt: skip
    assert (visited.status, visited.json()["body"]) == (200, 3_000_000)
    assert visited.cookie("__Host-sekisho")


@pytest.mark.parametrize("exp", [None, "tomorrow", -1, 1e300])
def test_a_cookie_without_a_sensible_end_is_good_for_nothing_by_itself(
    scene: Scene, cookie: str, exp: object
) -> None:
    made = _aged(scene, cookie, 0, exp=exp, sid="acs_none")
    assert scene.home.visit(scene.app, "/", headers={"Cookie": made}).status == 403


# ── WebSockets and tunnels over HTTP/2 ───────────────────────────────────────────────────────────


def test_a_websocket_and_a_tunnel_over_http_2_are_cut(scene: Scene, cookie: str) -> None:
    host = scene.app.public_host
    browser, command = scene.h2(host), scene.h2("localhost")
    extended = _fields(host, (":protocol", "websocket"), ("cookie", cookie),
                       ("sec-websocket-version", "13"), path="/ws", method="CONNECT")  # fmt: skip
    socket = browser.ask(extended, stays=True)
    shown = scene.home.credential(scene.hanako, "dev_1")
    authority = f"{scene.shell.public_host}:{scene.shell.upstreams[0].port}"
    tunnel = command.ask(
        [(":method", "CONNECT"), (":authority", authority),
         ("proxy-authorization", f"Bearer {shown}")], stays=True,
    )  # fmt: skip
    assert (browser.head(socket), command.head(tunnel)) == (200, 200), scene.home.log()
    for line, stream in ((browser, socket), (command, tunnel)):
        line.send(stream, b"hello")
        while not line.answers[stream].body:
            line.read()
        assert line.answers[stream].body == b"hello"
    began = scene.home.fail("dev_1")
    try:
        for line, stream in ((browser, socket), (command, tunnel)):
            while not line.answers[stream].ended:
                line.read()
        assert time.monotonic() - began < 2
        again = _fields(host, ("cookie", cookie))
        wait_for(lambda: browser.get(again).status == 403, scene.home.log, 2)
    finally:
        scene.home.mend("dev_1")


def test_no_websocket_without_a_cookie(scene: Scene, cookie: str) -> None:
    host = scene.app.public_host
    for protocol, shown in (("websocket", "a=b"), ("connect-udp", cookie), ("tcp", cookie)):
        more = ((":protocol", protocol), ("cookie", shown))
        asked = _fields(host, *more, path="/ws", method="CONNECT")
        line = scene.h2(host)
        assert line.head(line.ask(asked, stays=True)) in {RESET, 401, 403, 404}, protocol
    text = "".join(f"{name}: {value}\r\n" for name, value in _WEBSOCKET)
    answer = scene.raw(f"GET /ws HTTP/1.1\r\nHost: {host}\r\n{text}\r\n")
    assert answer.startswith(b"HTTP/1.1 401")


def test_no_tunnel_over_http_2_leads_elsewhere(scene: Scene, cookie: str) -> None:
    gate, port = scene.home.settings.gate.port, scene.shell.upstreams[0].port
    shown = scene.home.credential(scene.hanako, "dev_1")
    bearer = ("proxy-authorization", f"Bearer {shown}")
    right = f"ssh.localhost:{port}"
    for name, authority, more in (
        ("localhost", f"localhost:{gate}", [bearer]),
        ("localhost", f"127.0.0.1:{gate}", [bearer]),
        ("localhost", "169.254.169.254:80", [bearer]),
        ("localhost", f"ssh.localhost@evil:{port}", [bearer]),
        ("localhost", right, []),
        ("localhost", right, [("proxy-authorization", "Basic eDp5")]),
        ("wiki.localhost", f"wiki.localhost:{gate}", [("cookie", cookie), bearer]),
        ("wiki.localhost", "wiki.localhost", [("cookie", cookie), (":protocol", "bytestream"),
                                              (":scheme", "https"), (":path", "/")]),
    ):  # fmt: skip
        line = scene.h2(name)
        stream = line.ask([(":method", "CONNECT"), (":authority", authority), *more], stays=True)
        assert line.head(stream) in {RESET, 400, 401, 403, 404, 421}, authority


def test_the_browsers_door_opens_no_tunnel(scene: Scene) -> None:
    right = f"ssh.localhost:{scene.shell.upstreams[0].port}"
    shown = scene.home.credential(scene.hanako, "dev_1")
    bearer = ("proxy-authorization", f"Bearer {shown}")
    old = scene.dial("", door=scene.home.settings.gate_browser)
    old.sendall(
        f"CONNECT {right} HTTP/1.1\r\nHost: {right}\r\n{bearer[0]}: {bearer[1]}\r\n\r\n".encode()
    )
    assert not old.recv(65536).startswith(b"HTTP/1.1 2")
    new = H2(scene.dial("", "localhost", "h2", scene.home.settings.gate_browser))
    asked = [(":method", "CONNECT"), (":authority", right), bearer]
    assert new.head(new.ask(asked, stays=True)) in {RESET, 403, 404, 421}


# ── the database's own notices, and tunnels that outlive the process ─────────────────────────────


def test_a_change_from_another_machine_is_heard_by_notify(scene: Scene) -> None:
    """It writes to the same PostgreSQL and knows nothing of the gate's socket."""
    (scene.home.settings.data / "gate.sock").rename(scene.home.folder / "deaf.sock")
    took = []
    for _ in range(3):
        sock, head = scene.connect()
        stream = Stream(sock, head).watch(echo=True)
        took.append(stream.cut_after(scene.home.fail("dev_1")))
        scene.home.mend("dev_1")
    assert min(took) < 0.5, took  # without notices the gate looks once a second


def test_kept_tunnels_outlive_the_process_and_end_when_another_takes_over(scene: Scene) -> None:
    sock, head = scene.connect()
    stream = Stream(sock, head).watch(echo=True)
    gate = scene.home.processes.pop("gate")
    gate.kill()
    gate.wait()
    before = stream.pieces
    wait_for(lambda: stream.pieces > before + 100 or bool(stream.ended), scene.home.log, 20)
    assert not stream.ended
    assert not scene.connect()[1].startswith(b"HTTP/1.1 2")
    scene.home.start("gate")
    wait_for(lambda: bool(stream.ended), scene.home.log, 60)
    wait_for(lambda: scene.connect()[1].startswith(b"HTTP/1.1 200"), scene.home.log, 60)


def test_envoy_took_every_configuration(scene: Scene) -> None:
    database = Database(scene.home.settings.database, SystemClock())
    with database.read(SYSTEM) as tx:
        assert not get_fact(tx, "gate.refused")
    database.close()
