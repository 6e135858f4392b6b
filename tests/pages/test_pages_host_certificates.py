"""A desktop host's certificate: fetched, shown with what it is worth, pinned as it was compared."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
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
from sekisho.server.desktop.dial import RefusedError, dial_rdp, inspect
from sekisho.server.desktop.grants import Grant
from sekisho.server.desktop.x224 import NLA, make_request
from support.desktop_line import Host


@contextmanager
def _host(folder: Path) -> Iterator[tuple[Host, int]]:
    """Run a made-up RDP host on a loop of its own."""
    host, there = Host(folder), Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
        port, end = server.sockets[0].getsockname()[1], asyncio.Event()
        there.set_result((port, asyncio.get_running_loop(), end))
        await end.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, loop, end = there.result(20)
    try:
        yield host, port
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(20)


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


@contextmanager
def _no_socket_left_open() -> Iterator[None]:
    gc.collect()  # what others left is not told here
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(one.message) for one in told if one.category is ResourceWarning] == []


def _grant(port: int, **changes: Any) -> Grant:
    return Grant(
        ticket="t", session="s", kind="rdp", host="127.0.0.1", port=port, ends=0.0, **changes
    )


def test_looking_at_a_host_leaves_no_socket_open(tmp_path: Path) -> None:
    with _host(tmp_path) as (host, port), _no_socket_left_open():
        seen = asyncio.run(inspect(_grant(port)))
        assert seen.digest == host.pin
        assert seen.doubt
        vouched = ssl.DER_cert_to_PEM_cert(seen.certificate)
        for _ in range(5):  # it was left to chance
            assert asyncio.run(inspect(_grant(port, ca_pem=vouched))).doubt == ""
            with pytest.raises(RefusedError):
                asyncio.run(dial_rdp(_grant(port, pin="0" * 64), make_request(NLA)))


def test_giving_up_on_a_host_that_says_nothing_hangs_up_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dialled = dial_rdp(_grant(silent.getsockname()[1]), make_request(NLA))
        with pytest.raises(TimeoutError) as kept:  # and with it what the dialling held
            asyncio.run(asyncio.wait_for(dialled, 0.2))
        accepted, _ = silent.accept()
        with accepted:
            accepted.settimeout(5)
            while accepted.recv(1000):
                pass
    assert kept.type is TimeoutError
