"""The assembled application: who may ask what, how errors are said, what leaves with an answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.kernel.settings import Settings
from sekisho.server.app import list_routes
from sekisho.server.bootstrap import House, open_house
from sekisho.server.listeners import tag_listener
from support.laid_out import moved_in


@pytest.fixture
def house(data_folder: Path, clock: FakeClock) -> Iterator[House]:
    with open_house(Settings(data_folder, language="en"), clock) as opened:
        controls.put_in_force(load_catalogue())
        yield opened


@pytest.fixture
def app(house: House) -> Iterator[Litestar]:
    with moved_in(house) as made:
        yield made


@pytest.fixture
def admin_site(app: Litestar) -> Iterator[TestClient[Any]]:
    """A client of the admin listener, with nothing to show."""
    with TestClient(tag_listener(app, "admin"), base_url="http://sekisho.local") as inside:
        yield inside


PAGE = {"Accept": "text/html"}


def test_health_is_degraded_until_the_worker_turns(admin_site: TestClient[Any]) -> None:
    answer = admin_site.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() | {"version": ""} == {
        "status": "degraded",
        "version": "",
        "database": "ok",
        "worker": "late",
    }


def test_metrics_count_requests(admin_site: TestClient[Any]) -> None:
    admin_site.get("/healthz")

    text = admin_site.get("/metrics").text

    assert 'sekisho_requests_total{route="/healthz",status="200"}' in text
    assert "sekisho_evidence_sealed" in text


def test_a_stranger_is_led_to_the_sign_in(admin_site: TestClient[Any]) -> None:
    answer = admin_site.get("/devices?q=a", headers=PAGE, follow_redirects=False)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fdevices%3Fq%3Da"


def test_a_program_is_told_to_sign_in(admin_site: TestClient[Any]) -> None:
    answer = admin_site.get("/api/devices")

    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "hint"}


@pytest.mark.parametrize(
    ("language", "said"), [("en", "nothing at this address"), ("ja", "このアドレスには")]
)
def test_a_wrong_address_is_said_in_the_readers_language(
    admin_site: TestClient[Any], language: str, said: str
) -> None:
    answer = admin_site.get("/nowhere", headers=PAGE | {"Accept-Language": language})

    assert answer.status_code == 404
    assert said in answer.text


def test_every_answer_carries_the_security_headers(admin_site: TestClient[Any]) -> None:
    for path in ("/healthz", "/nowhere", "/sign-in"):
        headers = admin_site.get(path, headers=PAGE).headers

        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_api_is_described(app: Litestar) -> None:
    described = json.loads(json.dumps(app.openapi_schema.to_schema()))

    assert described["openapi"].startswith("3.")
    assert {"/api/devices", "/api/findings", "/api/evidence/state", "/api/controls"} <= set(
        described["paths"]
    )


def test_no_route_is_without_a_listener(app: Litestar) -> None:
    assert len(list_routes(app)) > 60
