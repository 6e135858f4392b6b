"""A desktop host's certificate: fetched, shown with what it is worth, pinned as it was compared."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from access.making import resource
from pages.conftest import Town
from sekisho.access import service as access
from sekisho.access.model import Resource, ResourceID, ResourceKind, Upstream
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from support.desktop_line import Host


@contextmanager
def _host(folder: Path) -> Iterator[tuple[Host, int]]:
    """Run a made-up RDP host on a loop of its own."""
    host, loop = Host(folder), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(host.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield host, server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    server.close()
    loop.close()


def _publish(town: Town, port: int, **changes: Any) -> Resource:
    made = resource(
        id=ResourceID(""),
        kind=ResourceKind.RDP,
        upstreams=(Upstream("127.0.0.1", port),),
        **changes,
    )
    with town.house.database.write(SYSTEM) as tx:
        return access.add_resource(tx, made)


def _change(town: Town, desk: Resource, **changes: Any) -> None:
    with town.house.database.write(SYSTEM) as tx:
        found = access.get_resource(tx, desk.id)
        access.change_resource(tx, replace(found, **changes), found.version)


@pytest.fixture
def headers(town: Town) -> dict[str, str]:
    return town.sign_in(town.add_person("管理", Role.ADMIN))


def test_it_is_fetched_compared_pinned_and_a_change_is_seen(
    town: Town, headers: dict[str, str], tmp_path: Path
) -> None:
    with _host(tmp_path) as (host, port):
        desk = _publish(town, port)
        address = f"/access/resources/{desk.id}/host-certificate"
        client = town.client()
        assert (
            "ホストの証明書を取得"
            in client.get(f"/access/resources/{desk.id}", headers=headers).text
        )
        page = client.post(address, headers=headers, data={}).text
        assert host.pin in page
        assert "まだ検証できない" in page
        sent = {"digest": host.pin, "version": str(desk.version)}
        done = client.post(f"{address}/pin", headers=headers, data=sent, follow_redirects=False)
        assert done.status_code == 303
        again = client.post(f"{address}/pin", headers=headers, data=sent, follow_redirects=False)
        assert again.status_code == 409  # somebody has changed it meanwhile
        assert "固定した証明書を示しています" in client.post(address, headers=headers, data={}).text
        with town.house.database.read(SYSTEM) as tx:
            assert access.get_resource(tx, desk.id).pin == host.pin
            assert evidence.list_records(tx, kind="access.resource_changed")
        _change(town, desk, pin="0" * 64)
        assert "異なる証明書" in client.post(address, headers=headers, data={}).text


def test_where_an_authority_vouches_nothing_has_to_be_pinned(
    town: Town, headers: dict[str, str], tmp_path: Path
) -> None:
    with _host(tmp_path) as (_, port):
        pem = next(tmp_path.glob("*.pem")).read_text()
        desk = _publish(town, port, ca_pem=pem[: pem.index("-----END CERTIFICATE-----") + 26])
        page = town.client().post(
            f"/access/resources/{desk.id}/host-certificate", headers=headers, data={}
        )
    assert "固定は不要です" in page.text


def test_what_cannot_be_fetched_says_why(town: Town, headers: dict[str, str]) -> None:
    desk = _publish(town, 9)
    address = f"/access/resources/{desk.id}/host-certificate"
    page = town.client().post(address, headers=headers, data={})
    assert page.status_code == 200
    assert "この証明書を固定" not in page.text
    app = {"kind": ResourceKind.HTTP}
    _change(town, desk, **app)
    assert town.client().post(address, headers=headers, data={}).status_code == 400
    for wrong in ({}, {"digest": "x" * 64, "version": "1"}, {"digest": "a" * 64, "version": "x"}):
        sent = town.client().post(f"{address}/pin", headers=headers, data=wrong)
        assert sent.status_code == 400, wrong
