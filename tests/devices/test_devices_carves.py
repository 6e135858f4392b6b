"""Files of a company device: two persons, one session, blocks in order, and a way to say stop."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from fakes.osqueryd import FailedError, Osqueryd
from sekisho.devices.desk import Desk
from sekisho.devices.model import CarveState
from sekisho.devices.service import carves, inventory
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotPermittedError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

Client = TestClient[Litestar]
SECOND = Principal(PrincipalKind.PERSON, "per_second", "二人目", frozenset({"*"}))
CONTENT = bytes(range(256)) * 5


@pytest.fixture
def host(make_osqueryd: Any) -> Osqueryd:
    found: Osqueryd = make_osqueryd()
    found.enroll()
    found.read()
    found.write()
    return found


@pytest.fixture
def order(host: Osqueryd, client: Client, database: Database) -> dict[str, Any]:
    assert host.node_key
    with database.read(SYSTEM) as tx:
        (device,) = inventory.list_devices(tx).devices
    body = {"path": "/var/log/it's.log", "reason": "案件12の調査", "max_bytes": 2000}
    reply = client.post(f"/api/devices/{device.id}/carves", json=body)
    assert reply.status_code == 201
    found: dict[str, Any] = reply.json()
    return found


def approve(client: Client, order: dict[str, Any]) -> int:
    now = datetime(2026, 11, 24, tzinfo=UTC)  # when the clock of a test begins
    client.app.state["principal"] = replace(SECOND, authenticated_at=now)
    return int(client.post(f"/api/devices/carves/{order['id']}/approve").status_code)


@pytest.mark.usefixtures("host")
def test_a_token_is_no_second_person(database: Database) -> None:
    """Whoever orders signed in cannot approve with a token of theirs, nor the other way round."""
    with database.read(SYSTEM) as tx:
        (device,) = inventory.list_devices(tx).devices
    signed_in = replace(SECOND, authenticated_at=datetime(2026, 11, 24, tzinfo=UTC))
    token = Principal(
        PrincipalKind.TOKEN, "tok_1", "二人目 (script)", frozenset({"*"}), owner_id=SECOND.id
    )
    for asks, approves in ((signed_in, token), (token, signed_in), (token, token)):
        with database.write(asks) as tx:
            made = carves.request_carve(tx, device.id, "/var/log/x", "案件12")
        with pytest.raises(NotPermittedError), database.write(approves) as tx:
            carves.approve_carve(tx, made.id)
        with database.write(approves) as tx:
            assert carves.end_carve(tx, made.id).note == "It was taken back."


def the_carve(database: Database, order: dict[str, Any]) -> Any:
    with database.read(SYSTEM) as tx:
        return carves.get_carve(tx, order["id"])


def test_an_approved_order_brings_the_file_in_as_evidence(
    host: Osqueryd, order: dict[str, Any], client: Client, database: Database, tmp_path: Path
) -> None:
    assert approve(client, order) == 200
    queries = host.read()["queries"]
    name = f"sekisho_carve_{order['id']}"
    assert queries[name] == "SELECT * FROM carves WHERE path LIKE '/var/log/it''s.log' AND carve=1"
    host.pending["queries"][name] = [{"carve_guid": "g-1", "status": "STARTING"}]
    host.write()
    host.carve("g-1", CONTENT, 500)
    carve = the_carve(database, order)
    assert carve.state is CarveState.DONE
    shelved = [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]
    assert any(path.read_bytes() == CONTENT for path in shelved)
    assert not (tmp_path / "carves" / order["id"]).exists()


def test_an_order_that_another_process_approved_is_asked_once(
    host: Osqueryd, order: dict[str, Any], database: Database, client: Client
) -> None:
    desk: Desk = client.app.state["desk"]
    name = f"sekisho_carve_{order['id']}"
    with database.write(SYSTEM) as tx:
        second = replace(SECOND, authenticated_at=tx.now)
        carves.approve_carve(replace(tx, principal=second), order["id"])
    assert name not in host.read().get("queries", {})

    desk.look_for_changes()

    assert name in host.read()["queries"]
    host.pending = {}
    desk.look_for_changes()
    assert name not in host.read().get("queries", {})


def test_nobody_approves_their_own_order(order: dict[str, Any], client: Client) -> None:
    assert client.post(f"/api/devices/carves/{order['id']}/approve").status_code == 403


@pytest.mark.usefixtures("order")
def test_files_nobody_asked_for_are_refused(
    host: Osqueryd,
) -> None:
    with pytest.raises(FailedError, match="No files were asked"):
        host.carve("g-1", CONTENT, 500)


def test_more_than_was_approved_ends_the_order(
    host: Osqueryd, order: dict[str, Any], client: Client, database: Database
) -> None:
    approve(client, order)
    with pytest.raises(FailedError, match="2001 bytes"):
        host.carve("g-1", b"x" * 2001, 500)
    assert the_carve(database, order).state is CarveState.REFUSED
    with pytest.raises(FailedError, match="No files were asked"):
        host.carve("g-1", b"x", 500)


@pytest.mark.parametrize(
    "sizes",
    [
        {"block_count": 2, "block_size": 500, "carve_size": 1500},
        {"block_count": 0, "block_size": 500, "carve_size": 0},
        {"block_count": 1, "block_size": 1 << 40, "carve_size": 10},
        {"block_count": "many", "block_size": None, "carve_size": -1},
        {},
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(
    host: Osqueryd, order: dict[str, Any], client: Client, sizes: dict[str, object]
) -> None:
    approve(client, order)
    with pytest.raises(FailedError, match="do not fit"):
        host.exchange("carve/begin", {"node_key": host.node_key, "carve_id": "g-1"} | sizes)


def begin(host: Osqueryd, client: Client, order: dict[str, Any]) -> str:
    approve(client, order)
    reply = host.exchange(
        "carve/begin",
        {"node_key": host.node_key, "carve_id": "g-1", "block_count": 3, "block_size": 500,
         "carve_size": 1280},
    )  # fmt: skip
    return str(reply["session_id"])


def test_blocks_come_in_order_and_may_come_again(
    host: Osqueryd, order: dict[str, Any], client: Client, database: Database
) -> None:
    session = begin(host, client, order)
    with pytest.raises(FailedError, match=r"stopped: .*Block 0 is expected"):
        host.block(session, 1, CONTENT[500:1000])
    host.block(session, 0, CONTENT[:500])
    host.block(session, 0, CONTENT[:500])
    with pytest.raises(FailedError, match=r"stopped: .*499 bytes"):
        host.block(session, 1, CONTENT[:499])
    with pytest.raises(FailedError, match="stopped"):
        host.block(session, 3, b"x")
    host.block(session, 1, CONTENT[500:1000])
    host.block(session, 2, CONTENT[1000:])
    assert the_carve(database, order).state is CarveState.DONE


def test_a_session_is_one_devices_ends_and_cannot_be_guessed(
    host: Osqueryd, order: dict[str, Any], client: Client, make_osqueryd: Any, clock: Any
) -> None:
    session = begin(host, client, order)
    assert len(session) >= 43
    client.app.state["principal"] = SYSTEM
    other = make_osqueryd(host_identifier="other", serial="S-2")
    other.enroll()
    with pytest.raises(FailedError, match=r"stopped: .*not open"):
        other.block(session, 0, CONTENT[:500])
    with pytest.raises(FailedError, match=r"stopped: .*not open"):
        host.block("", 0, CONTENT[:500])
    host.authorization = False
    host.block(session, 0, CONTENT[:500])
    clock.advance(hours=1)
    with pytest.raises(FailedError, match=r"stopped: .*not open"):
        host.block(session, 1, CONTENT[500:1000])


@pytest.mark.usefixtures("host")
def test_orders_that_nobody_takes_up_end(
    order: dict[str, Any],
    client: Client,
    database: Database,
    clock: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    approve(client, order)
    clock.advance(days=2)
    with database.write(SYSTEM) as tx:
        assert carves.end_old_carves(tx, tmp_path / "carves") == 1
    assert the_carve(database, order).state is CarveState.REFUSED


@pytest.mark.parametrize(
    "body",
    [
        {"path": "relative", "reason": "r"},
        {"path": "/x\0", "reason": "r"},
        {"path": "/x\n", "reason": "r"},
        {"path": "/x", "reason": " "},
        {"path": "/x", "reason": "r", "max_bytes": 1 << 60},
    ],
)
@pytest.mark.usefixtures("host")
def test_orders_that_make_no_sense_are_refused(
    client: Client, database: Database, body: dict[str, object]
) -> None:
    with database.read(SYSTEM) as tx:
        (device,) = inventory.list_devices(tx).devices
    assert client.post(f"/api/devices/{device.id}/carves", json=body).status_code == 400
