"""Each theft and forgery in every form of a request: HTTP/1.1, HTTP/2, a WebSocket of both."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sekisho.access.model import Resource
from sekisho.devices.service import certificates
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.cookies import CookieKey
from sekisho.server.gate.plan import CLAIMED_HEADERS
from support.gate_house import wait_for
from support.gate_scene import Scene, Stream, gate_scene
from support.h2 import H2, RESET
from support.upstream import read_head

_WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_IN = {200, 101}
Ask = Callable[[Scene, Resource, str, Mapping[str, str]], int]


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


def _old(
    scene: Scene, app: Resource, device: str, headers: Mapping[str, str], more: str = ""
) -> int:
    with scene.dial(device, app.public_host, door=scene.home.door(app)) as sock:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"GET /ws HTTP/1.1\r\nHost: {app.public_host}\r\n{lines}{more}\r\n"
        sock.sendall(head.encode())
        return int(read_head(sock).split()[1])


def _old_socket(scene: Scene, app: Resource, device: str, headers: Mapping[str, str]) -> int:
    return _old(scene, app, device, headers, _WEBSOCKET)


def _new(
    scene: Scene, app: Resource, device: str, headers: Mapping[str, str], protocol: str = ""
) -> int:
    line = H2(scene.dial(device, app.public_host, "h2", scene.home.door(app)))
    first = [(":method", "CONNECT" if protocol else "GET"), (":scheme", "https"),
             (":authority", app.public_host), (":path", "/ws")]  # fmt: skip
    extended = [(":protocol", protocol), ("sec-websocket-version", "13")] if protocol else []
    sent = [*first, *extended, *((name.lower(), value) for name, value in headers.items())]
    return line.head(line.ask(sent, stays=bool(protocol)))


def _new_socket(scene: Scene, app: Resource, device: str, headers: Mapping[str, str]) -> int:
    return _new(scene, app, device, headers, "websocket")


FORMS = pytest.mark.parametrize("ask", [_old, _old_socket, _new, _new_socket])


def _signed(scene: Scene, cookie: str, **changes: object) -> str:
    key = CookieKey.load_or_create(gate_folder(scene.home.settings.data), scene.home.house.box)
    name, _, token = cookie.partition("=")
    claims = key.read(token)
    assert claims is not None
    return f"{name}={key.sign({**claims, **changes})}"


@FORMS
def test_only_its_own_device_app_and_door_are_let_in(scene: Scene, cookie: str, ask: Ask) -> None:
    browser = scene.home.enter(scene.hanako, scene.open_app, "")
    token, other = cookie.partition("=")[2], browser.partition("=")[2]
    old = {"iat": int(time.time()) - 90, "exp": int(time.time()) - 30}
    spoofed = {"X-Sekisho-User": scene.admin.id, "X-Sekisho-Session": "acs_1",
               "X-Sekisho-Audience": f"{scene.app.id}@device"}  # fmt: skip
    assert ask(scene, scene.app, "dev_1", {"Cookie": cookie}) in _IN
    assert ask(scene, scene.app, "dev_1", {"Cookie": _signed(scene, cookie, **old)}) in _IN
    assert ask(scene, scene.open_app, "", {"Cookie": browser}) in _IN
    for device, app, headers in (
        ("dev_2", scene.app, {"Cookie": cookie}),  # stolen, on another device
        ("", scene.app, {"Cookie": cookie}),  # stolen, on no device
        ("dev_2", scene.app, {"Cookie": _signed(scene, cookie, **old)}),
        ("", scene.open_app, {"Cookie": f"__Host-sekisho-browser={token}"}),
        ("dev_1", scene.app, {"Cookie": f"__Host-sekisho={other}"}),
        ("dev_1", scene.app, {"Cookie": browser}),
        ("dev_1", scene.app, {"Cookie": cookie[:-4] + "AAAA"}),
        ("dev_1", scene.app, {"Authorization": f"Bearer {token}"}),
        ("dev_1", scene.app, spoofed),
        ("dev_1", scene.app, {"Cookie": "__Host-sekisho=", **spoofed}),
        ("", scene.open_app, spoofed | {"X-Sekisho-Audience": f"{scene.open_app.id}@browser"}),
    ):
        assert ask(scene, app, device, headers) in {RESET, 401, 403}, (device, headers)


@FORMS
def test_a_path_that_names_the_parameter_of_a_token_is_no_cookie(
    scene: Scene, cookie: str, ask: Ask
) -> None:
    """jwt_authn by itself also looks at Authorization and ?access_token; ours looks at cookies."""
    token = cookie.partition("=")[2]
    with_query = {"X-Original-Url": f"/?access_token={token}", "Referer": f"/?jwt={token}"}
    assert ask(scene, scene.app, "dev_1", with_query) in {RESET, 401, 403}


def test_a_certificate_that_is_revoked_ends_all_that_it_holds_open(scene: Scene) -> None:
    """A connection that stays open was shaken hands on before; its next request is refused."""
    home, host = scene.home, scene.app.public_host
    cookie = home.enter(scene.hanako, scene.app, "dev_2")
    sent = f"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode()
    kept = scene.dial("dev_2", host)
    kept.sendall(sent)
    assert read_head(kept).startswith(b"HTTP/1.1 200")
    upgraded = scene.dial("dev_2", host)
    upgraded.sendall(sent.replace(b"GET / ", b"GET /ws ")[:-2] + f"{_WEBSOCKET}\r\n".encode())
    streams = [
        Stream(upgraded, read_head(upgraded)).watch(echo=True),
        Stream(*scene.connect("dev_2", credential=home.credential(scene.hanako, "dev_2")))
        .watch(echo=True),
    ]  # fmt: skip
    assert [each.head.split()[1] for each in streams] == [b"101", b"200"]
    with home.house.database.write(SYSTEM) as tx:
        certificates.revoke_certificates(tx, DeviceID("dev_2"), "lost")
    began = time.monotonic()
    assert max(each.cut_after(began) for each in streams) < 2
    wait_for(lambda: not _still_in(scene, cookie), home.log, 5)
    kept.sendall(sent)
    rest = b""
    while b"HTTP/1.1 403" not in rest:  # behind the first answer's body
        rest += (piece := kept.recv(65536))
        assert piece, rest


def _still_in(scene: Scene, cookie: str) -> bool:
    return scene.home.visit(scene.app, "/", "dev_2", headers={"Cookie": cookie}).status == 200


def test_nothing_that_proxies_tell_is_believed_of_a_client(scene: Scene, cookie: str) -> None:
    made_up = "203.0.113.9"
    sent = dict.fromkeys(CLAIMED_HEADERS, made_up) | {
        "Cookie": cookie, "Connection": "x-sekisho-user",
        "X-Forwarded-Client-Cert": "By=x;URI=sekisho:device:dev_9",
        "X-Envoy-Original-Path": made_up, "X-Envoy-External-Address": made_up,
        "X-Envoy-Upstream-Rq-Timeout-Ms": "1", "X-Envoy-Retry-On": "5xx",
        "X-Envoy-Internal": made_up, "X-Envoy-Decorator-Operation": made_up,
    }  # fmt: skip
    told: Any = scene.home.visit(scene.app, "/", headers=sent).json()["headers"]
    found = dict(told)
    assert made_up not in str(told)
    assert found["x-sekisho-user"] == scene.hanako.id
    assert found["x-forwarded-proto"] == "https"
    assert "," not in found["x-forwarded-for"]
    assert not {"x-forwarded-client-cert", "x-envoy-upstream-rq-timeout-ms", "x-envoy-retry-on",
                "proxy"} & set(found)  # fmt: skip


def test_who_has_the_cookie_taken_off_on_the_way_is_not_let_in(scene: Scene, cookie: str) -> None:
    """Headers named in Connection end at the next hop (RFC 9110 section 7.6.1), which we are."""
    sent = {"Cookie": cookie, "Connection": "cookie"}
    assert scene.home.visit(scene.app, "/", headers=sent).status == 401


def test_trailers_tell_an_app_nothing(scene: Scene, cookie: str) -> None:
    head = (
        f"POST / HTTP/1.1\r\nHost: {scene.app.public_host}\r\nCookie: {cookie}\r\n"
        "Transfer-Encoding: chunked\r\nTrailer: X-Sekisho-User\r\n\r\n"
        "5\r\nhello\r\n0\r\nX-Sekisho-User: evil\r\n\r\n"
    )
    with scene.dial("dev_1", scene.app.public_host) as sock:
        sock.sendall(head.encode())
        sock.settimeout(5)
        assert b"evil" not in sock.recv(65536)
