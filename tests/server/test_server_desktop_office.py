"""The gate's side of desktops: whose page it is, who gets a ticket, what is written down."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from access.making import resource
from sekisho.access import service as access
from sekisho.access.engine.resources import list_faults
from sekisho.access.model import Resource, ResourceKind, Trust, Upstream
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from sekisho.server.desktop.grants import Event, Why
from sekisho.server.desktop.office import DesktopOffice
from sekisho.server.gate import process
from sekisho.server.gate.local import Head
from support.gate_house import gate_house

DESK = resource(kind=ResourceKind.RDP, upstreams=(Upstream("127.0.0.1", 1),), pin="a" * 64)
OWN = {
    "x-sekisho-session": "acs_1", "x-sekisho-resource": "res_wiki", "host": "desk.example.jp",
    "origin": "https://desk.example.jp", "accept-language": "ja",
}  # fmt: skip


class Written:
    """Keeps what would go into the record."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bool, dict[str, object]]] = []

    async def __call__(self, session: str, opened: bool, detail: dict[str, object], /) -> None:
        self.rows.append((session, opened, detail))


def _office(written: Written | None = None, desk: Resource = DESK) -> DesktopOffice:
    def find(wanted: str) -> Resource | None:
        return desk if wanted == "res_wiki" else None

    return DesktopOffice(find, written or Written(), lambda _: None)


@pytest.mark.parametrize(
    "changes",
    [{"x-sekisho-session": ""}, {"x-sekisho-resource": "res_other"}, {"x-sekisho-resource": ""}],
)
def test_nothing_is_told_without_a_session_and_a_desktop(changes: dict[str, str]) -> None:
    for method, path in (("GET", "/"), ("POST", "/ticket"), ("GET", "/desktop.css")):
        said = asyncio.run(_office().answer(Head(method, path, OWN | changes)))
        assert said.status == 404
    app = asyncio.run(_office(desk=resource()).answer(Head("GET", "/", OWN)))
    assert app.status == 404


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://desk.example.jp"])
def test_another_page_gets_no_ticket(origin: str) -> None:
    said = asyncio.run(_office().answer(Head("POST", "/ticket", OWN | {"origin": origin})))
    assert said.status == 404
    asked = asyncio.run(_office().answer(Head("GET", "/ticket", OWN)))
    assert asked.status == 404


def test_a_ticket_reaches_the_relay_and_what_it_tells_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = Written()

    async def run() -> None:
        office = _office(written)
        said = await office.answer(Head("POST", "/ticket", OWN))
        assert len(json.loads(said.body)["ticket"]) > 30
        assert (tmp_path / "relay.sock").is_socket()
        for event in (
            Event(kind="ended", session="acs_1", why=Why.MALFORMED),  # nobody had a grant
            Event(kind="opened", session="acs_1", granted=True, shown="a" * 64),
            Event(kind="ended", session="acs_1", granted=True, why=Why.CHANNEL, detail="channel 9"),
        ):
            await office._note(msgspec.json.decode(msgspec.json.encode(event), type=Event))  # noqa: SLF001 - as the relay tells it
        why = json.loads((await office.answer(Head("GET", "/why", OWN))).body)
        assert "通信路が開かれようとした" in why["text"]
        await office.stop()
        await asyncio.sleep(0.05)

    asyncio.run(run())
    assert [(opened, detail.get("why")) for _, opened, detail in written.rows] == [
        (True, None), (False, "channel"),
    ]  # fmt: skip


def test_a_desktop_that_nobody_came_back_to_is_closed_and_its_cookie_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_BACK_SECONDS", 0.0)
    with gate_house(tmp_path) as home:
        town = home.town
        admin, hanako = town.add("admin", Role.ADMIN), town.add("hanako")
        desk = town.publish(admin, kind=ResourceKind.RDP, least_trust=Trust.BROWSER)
        town.rule(admin)
        with home.house.database.write(SYSTEM) as tx:
            gone, held = (
                access.open_session(tx, town.request(hanako, desk, "")).session for _ in range(2)
            )
        assert gone is not None
        assert held is not None

        async def run() -> tuple[set[str], object]:
            gate = process.Gate(home.house)
            gate.holds.hold(held.id, Held())  # came back
            for session in (gone, held):
                await gate.ended(session.id, desk.id)
            await gate._close_left()  # noqa: SLF001 - what each look does
            assert gate.holds.was_cut(gone.id)
            return {each.id for each in await gate.judge.live()}, gate.cutter.denied()

        live, denied = asyncio.run(run())
    assert live == {held.id}
    assert denied == {desk.id: [gone.id]}


class Held:
    """A stream that Envoy holds."""

    def end(self) -> None:
        raise AssertionError("nobody cuts it here")


def test_a_desktop_has_one_address() -> None:
    two = (Upstream("10.0.0.5", 3389), Upstream("10.0.0.6", 3389))
    assert list_faults(resource(kind=ResourceKind.RDP, upstreams=two[:1])) == []
    assert len(list_faults(resource(kind=ResourceKind.RDP, upstreams=two))) == 1
    assert list_faults(resource(upstreams=two)) == []
