"""A server with the devices room alone, on real databases, and clients that speak to it."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.testing import TestClient

from fakes.clock import FakeClock
from fakes.osqueryd import Osqueryd
from sekisho.controls import service as controls
from sekisho.controls.model import (
    Catalogue,
    Check,
    Control,
    Platform,
    Probe,
    Proof,
    Severity,
    Verdict,
)
from sekisho.devices.api import HANDLERS, desk_lifespan
from sekisho.devices.desk import Desk, Files
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.service.kits import KitOrder, NewKit, create_kit
from sekisho.devices.store import devices as store
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.ids import ControlID
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

KitMaker = Callable[..., NewKit]
OsquerydMaker = Callable[..., Osqueryd]


def make_control(name: str, *, detail: str = "", version: int = 1) -> Control:
    probe = Probe(
        sql=f"SELECT 1 FROM os_version WHERE name != '{name}'",  # noqa: S608 - a test's own name
        precondition="SELECT 1 FROM os_version",
        detail=detail,
    )
    checks = {
        platform: Check(platform, probe, interval=timedelta(hours=1)) for platform in Platform
    }
    text = {"ja": name, "en": name}
    return Control(
        id=ControlID(name), version=version, title=text, statement=text, why=text, guideline=text,
        theme="device", ownership=frozenset(Ownership), severity=Severity.HIGH,
        grace=timedelta(days=7), max_age=timedelta(days=1), proof=Proof.MACHINE, checks=checks,
        fix={},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def catalogue() -> Catalogue:
    detail = "SELECT name, version FROM os_version"
    chosen = [make_control("rdp-off", detail=detail), make_control("firewall")]
    by_name = {control.policy_name: control for control in chosen}
    by_name |= {control.detail_name: control for control in chosen}
    made = Catalogue({c.id: c for c in chosen}, "digest-1", None, by_name)
    controls.put_in_force(made)
    return made


@pytest.fixture
def files(tmp_path: Path, box: SecretBox, clock: FakeClock) -> Files:
    authority = CertificateAuthority.load_or_create(tmp_path / "ca", box, "試験", clock.now())
    return Files(authority, box, "試験商事", tmp_path / "carves", tmp_path / "shelf")


@pytest.fixture
def app(
    database: Database,
    clock: FakeClock,
    files: Files,
    tmp_path: Path,
    admin: Principal,
) -> Litestar:
    """The room's handlers; who asks the API for people is ``app.state["principal"]``."""
    made = _lay_out()
    made.state.clear()
    made.state.update(
        principal=admin,
        database=database,
        settings=Settings(data=tmp_path, organisation="試験商事"),
        opens=desk_lifespan(database, clock, controls.catalogue_in_force, files),
    )
    return made


@functools.cache
def _lay_out() -> Litestar:
    """Make the application once a process; what a test brings stands in its state."""

    async def principal(state: State) -> Principal:
        found: Principal = state["principal"]
        return found

    async def give_database(state: State) -> Database:
        found: Database = state["database"]
        return found

    async def settings(state: State) -> Settings:
        found: Settings = state["settings"]
        return found

    @asynccontextmanager
    async def opened(app: Litestar) -> AsyncIterator[None]:
        async with app.state["opens"](app):
            yield

    return Litestar(
        route_handlers=HANDLERS,
        lifespan=[opened],
        dependencies={
            "principal": Provide(principal),
            "database": Provide(give_database),
            "settings": Provide(settings),
        },
        exception_handlers={SekishoError: _explain},
        openapi_config=None,
        request_max_body_size=20_000_000,
    )


def _explain(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    assert isinstance(error, SekishoError)
    body = {"error": str(error.message), "hint": str(error.hint)}
    return Response(body, status_code=error.status)


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Litestar]]:
    with TestClient(app) as opened:
        yield opened


@pytest.fixture
def desk(client: TestClient[Litestar]) -> Desk:
    found: Desk = client.app.state["desk"]
    return found


@pytest.fixture
def make_kit(database: Database, admin: Principal) -> KitMaker:
    def make(kind: KitKind = KitKind.DEVICE, ownership: Ownership = Ownership.COMPANY,
             **changes: object) -> NewKit:  # fmt: skip
        order = replace(KitOrder(kind, ownership), **changes)  # type: ignore[arg-type]  # test data
        with database.write(admin) as tx:
            return create_kit(tx, order)

    return make


@pytest.fixture
def make_osqueryd(client: TestClient[Litestar], make_kit: KitMaker) -> OsquerydMaker:
    def send(path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        response = client.post(path, content=body, headers=dict(headers))
        return response.status_code, response.content

    def make(secret: str = "", **changes: object) -> Osqueryd:
        found = Osqueryd(send, secret or make_kit().secret.reveal())
        return replace(found, **changes)  # type: ignore[arg-type]  # test data

    return make


@pytest.fixture
def judged(database: Database) -> Callable[[], dict[str, Verdict]]:
    """Give the verdicts that came from answers, by control (of all devices together)."""

    def read() -> dict[str, Verdict]:
        with database.read(SYSTEM) as tx:
            found = [
                verdict
                for entry in store.list_roster(tx)
                for verdict in controls.list_verdicts(tx, entry.id)
            ]
        return {str(v.control_id): v for v in found if v.received_at is not None}

    return read
