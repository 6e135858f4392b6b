"""Forward authentication through real nginx and Caddy: let in, led to sign in, refused, closed."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Trust
from sekisho.access.policies import Effect, Policy, PolicyForm
from sekisho.access.service import posture
from sekisho.identity import service as identity
from sekisho.identity.engine.sites import LOCAL_COOKIE
from sekisho.identity.model import Method, Role, Strength, Visit
from sekisho.identity.service.sessions import Proof, open_session
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.listeners import tag_listener
from support.laid_out import moved_in

HOST = "wiki.example.jp"
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location = /.sekisho/check {{
      internal;
      proxy_pass http://127.0.0.1:{sekisho}/forward-auth/check;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Authorization "";
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Uri $request_uri;
    }}
    location = /.sekisho/callback {{
      proxy_pass http://127.0.0.1:{sekisho}/forward-auth/callback$is_args$args;
      proxy_set_header Authorization "";
      proxy_set_header X-Forwarded-Host $host;
    }}
    location @sekisho {{ return 303 $sekisho_start; }}
    location / {{
      auth_request /.sekisho/check;
      auth_request_set $sekisho_start $upstream_http_location;
      auth_request_set $sekisho_user $upstream_http_x_sekisho_user;
      error_page 401 403 = @sekisho;
      proxy_set_header X-Sekisho-User $sekisho_user;
      proxy_set_header X-Sekisho-Name "";
      proxy_pass http://127.0.0.1:{app};
    }}
  }}
}}
"""
CADDY = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  handle /.sekisho/callback {{
    rewrite * /forward-auth/callback?{{query}}
    reverse_proxy 127.0.0.1:{sekisho} {{
      header_up X-Forwarded-Host {{host}}
      header_up -Authorization
    }}
  }}
  route {{
    request_header -X-Sekisho-*
    request_header -*_*
    forward_auth 127.0.0.1:{sekisho} {{
      uri /forward-auth/check?answer=redirect
      header_up -Authorization
      copy_headers X-Sekisho-User
    }}
    reverse_proxy 127.0.0.1:{app}
  }}
}}
"""


class _App(BaseHTTPRequestHandler):
    """The app behind: says who it was told is there."""

    def do_GET(self) -> None:
        told = {n.lower().replace("_", "-"): v for n, v in self.headers.items()}  # as CGI does
        said = f"{told.get('x-sekisho-user')}|{told.get('x-sekisho-name')}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(300):
        with closing(socket.socket()) as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nothing listens on {port}")


@contextmanager
def _serving(house: House, port: int) -> Iterator[None]:
    with moved_in(house) as app:
        config = uvicorn.Config(
            tag_listener(app, "public"), port=port, log_level="error", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        _wait(port)
        yield
        server.should_exit = True
        thread.join(20)


def _nginx(folder: Path, ports: Mapping[str, int]) -> Sequence[str | Path]:
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, **ports))
    path = shutil.which("nginx") or "/usr/sbin/nginx"
    return path, "-p", folder, "-c", config, "-e", folder / "early.log"


def _caddy(folder: Path, ports: Mapping[str, int]) -> Sequence[str | Path]:
    config = folder / "Caddyfile"
    config.write_text(CADDY.format(**ports))
    return "caddy", "run", "--config", config, "--adapter", "caddyfile"


@contextmanager
def _proxy(command: Sequence[str | Path], folder: Path, ports: Mapping[str, int]) -> Iterator[None]:
    own = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "proxy.log").open("wb") as log, subprocess.Popen(
        command, env={**os.environ, **own}, stderr=log
    ) as run:  # fmt: skip
        try:
            _wait(ports["port"])
            yield
        finally:
            run.terminate()


@pytest.fixture
def house(data_folder: Path, clock: FakeClock) -> Iterator[House]:
    with open_house(Settings(data=data_folder, public_name="sekisho.example.jp"), clock) as o:
        yield o


@pytest.fixture
def town(house: House, clock: FakeClock) -> Town:
    found = Town(house.database, clock)
    boss = found.add("boss", Role.ADMIN)
    found.publish(boss, least_trust=Trust.BROWSER, most_mfa_age=timedelta(hours=1))
    found.rule(boss)
    return found


def _browser(town: Town, who: Principal) -> str:
    with town.database.write(SYSTEM) as tx:
        person = identity.get_person(tx, who.id)
        proof = Proof(Strength.RESISTANT, tx.now)
        signed = open_session(tx, person, Method.PASSKEY, Visit("127.0.0.1"), proof=proof)
    return f"{LOCAL_COOKIE}={signed.secret}"


@dataclass(frozen=True, slots=True)
class Way:
    """A browser at the app behind a proxy, and where Sekisho listens."""

    wiki: httpx.Client
    sekisho: int
    cookie: str

    def hand_over(self) -> str:
        """Go the way of a browser without a cookie; return the address of the callback."""
        led = self.wiki.get("/page?a=1")
        assert led.status_code == 303
        origin = "https://sekisho.example.jp:8443"
        assert led.headers["location"].startswith(f"{origin}/forward-auth/start?host=wiki.")
        start = led.headers["location"].replace(origin, f"http://127.0.0.1:{self.sekisho}")
        handed = httpx.get(start, headers={"Cookie": self.cookie})
        assert handed.status_code == 303, handed.text
        return str(handed.headers["location"].removeprefix(f"https://{HOST}"))

    def status(self, cookie: str, **headers: str) -> int:
        """Return what the app's page answers."""
        return self.wiki.get("/page", headers={"Cookie": cookie, **headers}).status_code


@pytest.mark.parametrize(("proxy", "closed"), [(_nginx, 500), (_caddy, 502)])
def test_the_whole_way_through_a_proxy(
    town: Town, house: House, tmp_path: Path,
    proxy: Callable[[Path, Mapping[str, int]], Sequence[str | Path]], closed: int,
) -> None:  # fmt: skip
    hanako = town.add("hanako")
    ports = {"sekisho": _free_port(), "port": _free_port(), "app": _free_port()}
    app = ThreadingHTTPServer(("127.0.0.1", ports["app"]), _App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{ports['port']}"
    running = _proxy(proxy(tmp_path, ports), tmp_path, ports)
    with running, httpx.Client(base_url=base, headers={"Host": HOST}) as wiki:
        assert wiki.get("/page").status_code == closed  # Sekisho does not answer
        way = Way(wiki, ports["sekisho"], _browser(town, hanako))
        with _serving(house, ports["sekisho"]):
            cookie = _redeem(way)
            spoofed = {"Cookie": cookie, "X-Sekisho-User": "per_boss", "X-Sekisho-Name": "boss"}
            assert wiki.get("/page", headers=spoofed).text == f"{hanako.id}|None"
            for odd in ("X_Sekisho_User", "x-sekisho_user", "X_SEKISHO-USER"):
                sent = {"Cookie": cookie, odd: "per_boss"}
                assert wiki.get("/page", headers=sent).text == f"{hanako.id}|None"
            assert way.status(cookie, Host="other.example.jp") == 303
            assert way.status(f"{cookie}0") == 303
            with house.database.write(SYSTEM) as tx:
                identity.sign_person_out(tx, hanako.id)
            assert way.status(cookie) == 303
    app.shutdown()
    app.server_close()


def _redeem(way: Way) -> str:
    back = way.hand_over()
    redeemed = way.wiki.get(back)
    assert (redeemed.status_code, redeemed.headers["location"]) == (303, "/page?a=1")
    sent = str(redeemed.headers["set-cookie"])
    assert sent.startswith("__Host-sekisho-app=acs_")
    assert all(word in sent for word in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"))
    assert "Domain" not in sent
    assert way.wiki.get(back).status_code == 403  # a ticket is good once
    return sent.partition(";")[0]


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil", "x", "/a\nb"])
def test_nobody_is_led_elsewhere(town: Town, house: House, to: str) -> None:
    from litestar.testing import TestClient  # noqa: PLC0415 - one use

    hanako = town.add("hanako")
    with moved_in(house) as app, TestClient(tag_listener(app, "public")) as client:
        headers = {"Cookie": _browser(town, hanako)}
        query = {"host": HOST, "to": to}
        led = client.get(
            "/forward-auth/start", params=query, headers=headers, follow_redirects=False
        )
        assert led.headers["location"].endswith("&to=%2F")
        unknown = client.get(
            "/forward-auth/start", params={"host": "evil.example"}, headers=headers
        )
        assert unknown.status_code == 404


def test_a_ticket_ends_after_a_minute_and_is_for_one_host(
    town: Town, house: House, clock: FakeClock
) -> None:
    hanako = town.add("hanako")
    with house.database.write(hanako) as tx:
        _, ticket = posture.begin_forward(tx, house.box, HOST)
        assert posture.redeem(tx, house.box, ticket, "other.example.jp") == ""
        assert posture.redeem(tx, house.box, ticket.replace("acs_", "acs_0"), HOST) == ""
    clock.advance(seconds=61)
    with house.database.write(SYSTEM) as tx:
        assert posture.redeem(tx, house.box, ticket, HOST) == ""


def test_a_policy_that_forbids_refuses_the_next_request(town: Town, house: House) -> None:
    hanako, second = town.add("hanako"), town.add("second", Role.SECURITY)
    with house.database.write(hanako) as tx:
        _, ticket = posture.begin_forward(tx, house.box, HOST)
        cookie = posture.redeem(tx, house.box, ticket, HOST)
        assert posture.check_forward(tx, house.box, cookie, HOST).session is not None
        assert posture.peek_forward(tx, house.box, cookie, HOST) is not None
    staff = Policy("staff", write_form("staff", PolicyForm()))
    no = Policy("no", write_form("no", PolicyForm(effect=Effect.FORBID, roles=("teleworker",))))
    with house.database.write(second) as tx:
        version = service.propose_policies(tx, [staff, no], note="", based_on=1)
    with house.database.write(town.add("boss2", Role.ADMIN)) as tx:
        service.approve_version(tx, version.number)
        assert posture.peek_forward(tx, house.box, cookie, HOST) is None
        assert posture.check_forward(tx, house.box, cookie, HOST).session is None


def test_the_posture_interface_believes_only_what_is_proven(town: Town, house: House) -> None:
    hanako = town.add("hanako")
    fresh = timedelta(minutes=1)
    with house.database.write(SYSTEM) as tx:
        good = posture.Asked(hanako.id, "wiki", "192.0.2.7", "", "", 3, fresh)
        assert posture.answer(tx, good).allow
        for bad in (
            posture.Asked(hanako.id, "wiki", "192.0.2.7", "", "", 0, fresh),
            posture.Asked(hanako.id, "wiki", "192.0.2.7", "", "", 3, None),
            posture.Asked(hanako.id, "wiki", "192.0.2.7", "", "", 9, fresh),
            posture.Asked(hanako.id, "wiki", "192.0.2.7", "dev_x", "c-1", 3, fresh),
            posture.Asked("nobody", "wiki", "192.0.2.7", "", "", 3, fresh),
            posture.Asked("", "none", "", "", "", 3, fresh),
            posture.Asked(hanako.id, "wiki", "192.0.2.7", "", "", 3, timedelta(hours=2)),
        ):
            assert not posture.answer(tx, bad).allow
