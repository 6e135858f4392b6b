"""The JSON faces of evidence, through real HTTP requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.testing import TestClient

from sekisho.evidence import service
from sekisho.evidence.api import HANDLERS
from sekisho.evidence.engine.checkpoints import read_line
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings


def _refuse(_: Request[Any, Any, Any], error: SekishoError) -> Response[dict[str, str]]:
    return Response({"error": str(error.message)}, status_code=error.status)


@pytest.fixture
def client(
    database: Database, box: SecretBox, tmp_path: Path
) -> Iterator[TestClient[Litestar]]:  # fmt: skip
    """A client whose rights are named in the header X-Rights."""

    async def principal(request: Request[Any, Any, Any]) -> Principal:
        rights = frozenset(request.headers.get("x-rights", "").split())
        return Principal(
            PrincipalKind.PERSON, "per_1", "読", rights, authenticated_at=database.clock.now()
        )

    async def give_database() -> Database:
        return database

    async def give_settings() -> Settings:
        return Settings(data=tmp_path)

    async def give_box() -> SecretBox:
        return box

    app = Litestar(
        HANDLERS,
        dependencies={
            "principal": Provide(principal), "database": Provide(give_database),
            "settings": Provide(give_settings), "box": Provide(give_box),
        },
        exception_handlers={SekishoError: _refuse},
    )  # fmt: skip
    with TestClient(app) as opened:
        yield opened


READ = {"x-rights": "evidence.read"}


def fill(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        for step in range(5):
            service.record(tx, kind="x.acted", subject=f"x:{step}", detail={"n": step},
                           person="per_9")  # fmt: skip
        service.seal_records(tx)


def test_records_are_paged(client: TestClient[Litestar], database: Database) -> None:
    fill(database)

    first = client.get("/api/evidence/records?limit=3", headers=READ).json()
    second = client.get(
        f"/api/evidence/records?limit=3&before={first['next']}", headers=READ
    ).json()

    assert [r["seq"] for r in first["records"]] == [5, 4, 3]
    assert [r["seq"] for r in second["records"]] == [2, 1]
    assert (first["next"], second["next"]) == (3, None)
    one = client.get("/api/evidence/records/2", headers=READ).json()
    assert one["detail"] == {"n": 1}
    assert client.get(f"/api/evidence/records/{one['id']}", headers=READ).json() == one


def test_records_are_filtered_by_time(client: TestClient[Litestar], database: Database) -> None:
    fill(database)
    path = "/api/evidence/records?since=2026-11-24T00:00:00Z&until="

    assert len(client.get(path + "2026-11-25T00:00:00Z", headers=READ).json()["records"]) == 5
    assert client.get(path + "2026-11-24T00:00:00Z", headers=READ).json()["records"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "before=0", f"before={2**64}", "since=x", "limit=x"]
)  # fmt: skip
def test_bad_queries_are_refused(client: TestClient[Litestar], query: str) -> None:
    assert client.get(f"/api/evidence/records?{query}", headers=READ).status_code == 400


def test_a_place_beyond_all_numbers_is_not_found(client: TestClient[Litestar]) -> None:
    assert client.get(f"/api/evidence/records/{2**70}", headers=READ).status_code == 404


def test_checkpoints_are_written_and_exported(client: TestClient[Litestar]) -> None:
    made = client.post("/api/evidence/checkpoints", headers=READ)
    lines = client.get("/api/evidence/checkpoints", headers=READ)
    keys = client.get("/api/evidence/keys", headers=READ).json()
    state = client.get("/api/evidence/state", headers=READ).json()

    assert made.status_code == 201
    assert read_line(lines.content.strip()).id == made.json()["id"]
    assert keys[0]["public_key"] == made.json()["public_key"]
    assert state["last_checkpoint"]["id"] == made.json()["id"]
    assert [d["waiting"] for d in state["destinations"]] == [1]


def test_erasing_needs_its_own_right(client: TestClient[Litestar], database: Database) -> None:
    fill(database)
    body = {"person": "per_9", "reason": "asked for"}

    assert client.post("/api/evidence/erasures", json=body, headers=READ).status_code == 403
    done = client.post("/api/evidence/erasures", json=body, headers={"x-rights": "evidence.erase"})
    assert len(done.json()["erasures"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "records"), ("GET", "records/1"), ("GET", "state"), ("GET", "keys"),
     ("GET", "checkpoints"), ("POST", "checkpoints")],
)  # fmt: skip
def test_nothing_is_open_without_the_right(
    client: TestClient[Litestar], method: str, path: str
) -> None:
    assert client.request(method, f"/api/evidence/{path}").status_code == 403
