"""One application serves one house after another, and nothing of one is seen in the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from fakes.clock import FakeClock
from sekisho.identity.engine.sites import LOCAL_COOKIE
from sekisho.identity.model import Method, PersonState, Role, Visit
from sekisho.identity.service.people import add_person
from sekisho.identity.service.sessions import open_session
from sekisho.kernel.pages import PageRenderer
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.app import lay_out, move_in
from sekisho.server.application import Application
from sekisho.server.bootstrap import House, open_house
from sekisho.server.lease import Lease
from sekisho.server.listeners import tag_listener

PAGE = {"Accept": "text/html"}


@contextmanager
def _living(app: Application, house: House) -> Iterator[TestClient[Any]]:
    move_in(app, house)
    with TestClient(tag_listener(app, "admin"), base_url="http://127.0.0.1") as client:
        yield client


@contextmanager
def _house(folder: Path, template: Path, name: str) -> Iterator[House]:
    folder.mkdir(mode=0o700)
    (folder / "sekisho.db").write_bytes(template.read_bytes())
    with open_house(Settings(folder, organisation=name, language="en"), FakeClock()) as house:
        yield house


def _sign_in(house: House) -> dict[str, str]:
    with house.database.write(SYSTEM) as tx:
        person = add_person(
            tx, name=f"佐伯 {house.settings.organisation}", email="saeki@example.jp",
            language="en", roles=[Role.ADMIN], state=PersonState.ACTIVE,
        )  # fmt: skip
        signed = open_session(tx, person, Method.PASSKEY, Visit("127.0.0.1", "test"))
    return {"Cookie": f"{LOCAL_COOKIE}={signed.secret}", **PAGE}


def test_the_next_house_knows_nothing_of_the_one_before(
    tmp_path: Path, sqlite_template: Path
) -> None:
    app = lay_out()
    with _house(tmp_path / "a", sqlite_template, "みなと") as first:
        headers = _sign_in(first)
        with _living(app, first) as client:
            before = client.get("/people", headers=headers)
            stranger = client.get("/people", headers=PAGE, follow_redirects=False)
        desk, held = app.state["desk"], app.lease.held
    with _house(tmp_path / "b", sqlite_template, "やまて") as second:
        own = _sign_in(second)
        with _living(app, second) as client:
            refused = client.get("/people", headers=headers, follow_redirects=False)
            after = client.get("/people", headers=own)
            missing = client.get("/nothing", headers=own)
        now = app.lease.held

    assert before.status_code == after.status_code == 200
    assert "佐伯 みなと" in before.text
    assert stranger.headers["location"].startswith("/sign-in")
    assert refused.headers["location"].startswith("/sign-in")
    assert missing.status_code == 404
    assert "みなと" not in after.text + missing.text
    assert "やまて" in after.text
    assert app.state["desk"] is not desk
    assert all(getattr(now, one.name) is not getattr(held, one.name) for one in fields(held))


def test_an_application_without_a_house_answers_nobody() -> None:
    with pytest.raises(RuntimeError, match="no house"):
        _ = Lease(PageRenderer()).held
