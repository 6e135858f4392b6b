"""The catalogue and the lint over HTTP, behind their rights."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.testing import TestClient

from fakes.answering_device import Replies
from sekisho.controls import service
from sekisho.controls.api import HANDLERS
from sekisho.controls.model import Catalogue, Subject
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

READER = Principal(PrincipalKind.PERSON, "per_1", "佐伯", frozenset({"controls.read"}))
NOBODY = Principal(PrincipalKind.PERSON, "per_2", "田中", frozenset({"self.read"}))


@pytest.fixture
def who() -> list[Principal]:
    return [READER]


@pytest.fixture
def client(
    database: Database, catalogue: Catalogue, who: list[Principal]
) -> Iterator[TestClient[Litestar]]:
    app = Litestar(
        HANDLERS,
        dependencies={
            "database": Provide(lambda: database, sync_to_thread=False),
            "catalogue": Provide(lambda: catalogue, sync_to_thread=False),
            "principal": Provide(lambda: who[0], sync_to_thread=False),
        },
        exception_handlers={SekishoError: _answer},
    )
    with TestClient(app) as opened:
        yield opened


def _answer(_request: Request[Any, Any, Any], error: SekishoError) -> Response[dict[str, str]]:
    return Response({"error": str(error.message)}, status_code=error.status)


def test_the_worst_control_is_listed_first(
    client: TestClient[Litestar], database: Database, laptop: Subject, replies: Replies
) -> None:
    with database.write(SYSTEM) as tx:
        answers = replies.about("rdp-nla", laptop.platform, passed=False)
        service.judge_answers(tx, laptop, answers, tx.now)

    listed = client.get("/api/controls").json()

    assert len(listed) == 37
    assert (listed[0]["id"], listed[0]["counts"]["fail"]) == ("rdp-nla", 1)
    assert set(listed[0]["title"]) == {"ja", "en"}


def test_one_control_tells_what_it_reads(client: TestClient[Litestar]) -> None:
    shown = client.get("/api/controls/rdp-nla").json()

    assert shown["checks"][0]["reads"] == [
        ["registry", "data"], ["registry", "key"], ["registry", "name"],
    ]  # fmt: skip
    assert shown["fix"]["windows"]["ja"]
    assert client.get("/api/controls/no-such").status_code == 404


def test_the_lint_tells_line_and_both_languages(client: TestClient[Litestar]) -> None:
    found = client.post("/api/controls/lint", json={"yaml": "id: x\nid: y\n"}).json()["faults"]

    assert found[0]["line"] == 1
    assert any("二度" in fault["message"]["ja"] for fault in found)
    too_long = client.post("/api/controls/lint", json={"yaml": "x" * 200_001})
    assert too_long.status_code == 413


def test_nobody_without_the_right(client: TestClient[Litestar], who: list[Principal]) -> None:
    who[0] = NOBODY

    assert client.get("/api/controls").status_code == 403
    assert client.get("/api/controls/rdp-nla").status_code == 403
    assert client.post("/api/controls/lint", json={"yaml": "x"}).status_code == 403
