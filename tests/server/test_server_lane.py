"""The lane for devices answers as the framework does, for less; what is odd goes on to it."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from fakes.clock import FakeClock
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.service.kits import KitOrder, create_kit
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.lane import DeviceLane
from sekisho.server.listeners import tag_listener
from support.laid_out import moved_in

READ, CONFIG = "/api/osquery/distributed/read", "/api/osquery/config"
WRITE, LOG = "/api/osquery/distributed/write", "/api/osquery/log"
ENROLL = "/api/osquery/enroll"


@pytest.fixture
def house(data_folder: Path, clock: FakeClock) -> Iterator[House]:
    with open_house(Settings(data_folder, language="en"), clock) as opened:
        yield opened


@pytest.fixture
def app(house: House) -> Iterator[Litestar]:
    with moved_in(house) as made:
        yield made


@pytest.fixture
def site(app: Litestar) -> Iterator[TestClient[Any]]:
    with TestClient(tag_listener(app, "public"), base_url="https://sekisho.local") as client:
        yield client


@pytest.fixture
def key(house: House, site: TestClient[Any]) -> str:
    """The node key of an enrolled device."""
    with house.database.write(SYSTEM) as tx:
        secret = create_kit(tx, KitOrder(KitKind.DEVICE, Ownership.COMPANY, "lane")).secret
    told = {
        "enroll_secret": secret.reveal(),
        "host_identifier": "4C4C4544-0042",
        "platform_type": "9",
        "host_details": {"os_version": {"platform": "debian"}},
    }
    return str(site.post(ENROLL, json=told).json()["node_key"])


class Framework:
    """What lies behind the lane: it counts what reaches it, and answers as ever."""

    def __init__(self, app: Litestar) -> None:
        lane = app.asgi_handler
        assert isinstance(lane, DeviceLane)
        self.lane, self.behind, self.reached = lane, lane.app, 0
        lane.app = self._count

    async def _count(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached += 1
        await self.behind(scope, receive, send)


@pytest.fixture
def framework(app: Litestar) -> Framework:
    return Framework(app)


def requests(key: str) -> list[tuple[str, bytes, dict[str, str]]]:
    """Requests to which nothing but the request itself decides the answer."""
    me = json.dumps({"node_key": key}).encode()
    packed = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b'{"node_key": "' + b" " * (2 << 20) + b'"}')
    return [
        (CONFIG, me, {}),
        (CONFIG, me, {"Accept-Encoding": "gzip"}),
        (CONFIG, b"{}", {"Authorization": f"NodeKey {key}"}),
        (CONFIG, me, {"Authorization": "NodeKey another"}),
        (READ, b'{"node_key":"nobody"}', {}),
        (READ, b"", {}),
        (READ, b"[1,2", {"Accept-Language": "ja"}),
        (READ, b"\xff\xfe", {}),
        (READ, b'{"node_key":"' + b"x" * (1 << 20) + b'"}', {}),
        (READ, bomb, packed),
        (READ, me, packed),
        (READ, me, {"Content-Encoding": "br"}),
        (LOG, gzip.compress(json.dumps({"node_key": key, "data": [1, "a", {}]}).encode()), packed),
        (LOG, me[:-1], {}),
        (WRITE, json.dumps({"node_key": key, "queries": {"strange": [{}]}}).encode(), {}),
        (WRITE, json.dumps({"node_key": key, "queries": 7}).encode(), {}),
        (ENROLL, b'{"enroll_secret": "guessed", "host_identifier": "x"}', {}),
    ]  # fmt: skip


def answers(site: TestClient[Any], asked: list[tuple[str, bytes, dict[str, str]]]) -> list[Any]:
    found = []
    for path, body, headers in asked:
        got = site.post(path, content=body, headers=headers)
        found.append((path, body[:40], got.status_code, got.content, sorted(got.headers.items())))
    return found


def test_the_lane_answers_as_the_framework_does(
    app: Litestar, site: TestClient[Any], key: str, framework: Framework
) -> None:
    asked = requests(key)
    by_lane = answers(site, asked)
    assert framework.reached == 0, "all of these are for the lane"
    app.asgi_handler = framework.behind
    assert by_lane == answers(site, asked)
    assert {status for _, _, status, *_ in by_lane} == {200, 400, 413}
    assert all(body for *_, body, _ in by_lane), "an empty body is success for osqueryd"


def test_what_is_odd_goes_on_to_the_framework(
    app: Litestar, site: TestClient[Any], key: str, framework: Framework
) -> None:
    me = json.dumps({"node_key": key})
    odd: list[Any] = [
        site.get(READ),
        site.post(READ + "/", content=me),
        site.post("/api/osquery/carve/begin", content=me),
        site.post(READ, content=me, headers={"Authorization": "Bearer sks_x"}),
        site.post(READ, content=me, headers={"Authorization": "Basic eDp5"}),
        site.post(READ, content=me, headers={"Cookie": "__Host-sekisho=stolen"}),
        site.post(
            READ,
            content=me,
            headers={"Authorization": f"NodeKey {key}", "Cookie": "__Host-sekisho=stolen"},
        ),
    ]
    assert framework.reached == len(odd)
    elsewhere = TestClient(tag_listener(app, "intake"), base_url="https://sekisho.local")
    refused = elsewhere.post(READ, content=me)
    assert refused.status_code == 404, "this listener does not serve devices"
    assert framework.reached == len(odd) + 1


def test_the_addresses_that_fleet_had_first_are_the_same_door(
    app: Litestar, site: TestClient[Any], key: str, framework: Framework
) -> None:
    def earlier(path: str) -> str:
        return path.replace("/api/", "/api/v1/")

    asked = requests(key)
    by_lane = answers(site, asked)
    at_first = answers(site, [(earlier(path), body, headers) for path, body, headers in asked])
    assert [said[1:] for said in by_lane] == [said[1:] for said in at_first]
    assert framework.reached == 0
    carve = "/api/osquery/carve/begin"
    carved = [site.post(path, json={"node_key": key}) for path in (carve, earlier(carve))]
    assert carved[0].content == carved[1].content, "the framework serves the old name too"
    elsewhere = TestClient(tag_listener(app, "admin"), base_url="http://sekisho.local")
    assert elsewhere.post(earlier(READ), json={"node_key": key}).status_code == 404


def test_the_lane_counts_and_guards_its_answers(
    app: Litestar, site: TestClient[Any], key: str, framework: Framework
) -> None:
    answer = site.post(READ, json={"node_key": key})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" in answer.headers
    assert framework.reached == 0
    inside = TestClient(tag_listener(app, "admin"), base_url="http://sekisho.local")
    figures = inside.get("/metrics").text
    assert f'sekisho_requests_total{{route="{READ}",status="200"}}' in figures


@pytest.mark.usefixtures("site")
def test_a_client_that_leaves_half_way_has_said_nothing(app: Litestar, key: str) -> None:
    told = json.dumps({"node_key": key}).encode()
    messages = iter(
        [
            {"type": "http.request", "body": told, "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": READ, "headers": [], "client": ("127.0.0.1", 9),
        "scheme": "https", "sekisho.listener": "public",
    }  # fmt: skip
    asyncio.run(app.asgi_handler(scope, receive, send))  # type: ignore[arg-type]  # as a server
    assert sent[0]["status"] == 400
    assert b"ended before" in sent[1]["body"]
