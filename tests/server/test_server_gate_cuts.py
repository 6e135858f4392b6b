"""A cut comes before its record, the record follows for certain, and a restart opens nothing."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from sekisho.access import service as access
from sekisho.evidence import service as evidence
from sekisho.kernel.principal import SYSTEM
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.figures import Figures, read_figures
from support.gate_desktop import come_in, open_screen, serving_desktop
from support.gate_house import wait_for
from support.gate_scene import Scene, Stream, gate_scene

_TUNNELS = 12


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with gate_scene(tmp_path_factory.mktemp("gate")) as made:
        yield made


@pytest.fixture(autouse=True)
def _hang_up(scene: Scene) -> Iterator[None]:
    yield
    scene.hang_up()
    scene.home.mend("dev_1")


def _figures(scene: Scene) -> Figures:
    found = read_figures(gate_folder(scene.home.settings.data))
    assert found is not None
    return found


def _is_open(scene: Scene, cookie: str) -> bool:
    return scene.home.visit(scene.app, "/", headers={"Cookie": cookie}).status == 200


def _live(scene: Scene) -> list[str]:
    with scene.home.house.database.read(SYSTEM) as tx:
        return [each.id for each in access.list_live(tx)]


def _open_tunnels(scene: Scene, count: int) -> list[Stream]:
    opened = [scene.connect() for _ in range(count)]
    assert all(head.startswith(b"HTTP/1.1 200") for _, head in opened)
    return [Stream(sock, head).watch(echo=True) for sock, head in opened]


@contextlib.contextmanager
def _frozen_gate(scene: Scene) -> Iterator[None]:
    process = scene.home.processes["gate"]
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _kill_gate(scene: Scene) -> None:
    process = scene.home.processes.pop("gate")
    process.kill()
    process.wait()


def test_a_good_cookie_costs_no_call_of_ours(scene: Scene) -> None:
    cookie = scene.home.enter(scene.hanako, scene.app)
    assert _is_open(scene, cookie)
    before = _figures(scene)
    for _ in range(20):
        assert _is_open(scene, cookie)
    after = _figures(scene)
    assert after.requests - before.requests == 20
    assert after.asked == before.asked
    assert not _is_open(scene, "")
    assert _figures(scene).asked == before.asked + 1


def test_a_desktop_in_the_browser_stops_at_once_and_opens_no_more(scene: Scene) -> None:
    """The benchmark's figure (`--only desktops`) is p99 within 100 ms; this machine is shared."""

    async def run() -> None:
        home, device = scene.home, "dev_1"
        async with asyncio.timeout(60), serving_desktop(home, scene.admin) as desk:
            shown = await asyncio.to_thread(come_in, home, scene.hanako, desk, device)
            took = []
            for _ in range(3):
                screen = await open_screen(home, desk, device, shown)
                watching = asyncio.create_task(screen.watch())
                await screen.wait_for_pictures()
                assert not screen.ended
                committed = await asyncio.to_thread(home.fail, device)
                await watching
                took.append(screen.ended - committed)
                with pytest.raises(EOFError):  # the same cookie, good for a minute by itself
                    await open_screen(home, desk, device, shown)
                home.mend(device)
                shown = await asyncio.to_thread(come_in, home, scene.hanako, desk, device)
            assert min(took) < 0.5, took
            assert max(took) < 2, took

    asyncio.run(run())


def test_tunnels_stop_while_nothing_can_be_written_and_a_crash_loses_no_record(
    scene: Scene,
) -> None:
    streams = _open_tunnels(scene, _TUNNELS)
    live = set(_live(scene))
    assert len(live) >= _TUNNELS
    with contextlib.ExitStack() as held:
        with _frozen_gate(scene):
            began = scene.home.fail("dev_1")
            held.enter_context(scene.home.house.database.write(SYSTEM))  # nobody else can write
        assert max(each.cut_after(began) for each in streams) < 5
        assert set(_live(scene)) == live
        _kill_gate(scene)
    scene.home.start("gate")
    wait_for(lambda: not _live(scene), scene.home.log)
    with scene.home.house.database.read(SYSTEM) as tx:
        cut = {each.subject for each in evidence.list_records(tx, kind="access.cut", limit=500)}
    assert {f"session:{each}" for each in live} <= cut
    assert scene.connect()[1].startswith(b"HTTP/1.1 403")


def test_a_cookie_that_was_cut_stays_so_over_a_restart(scene: Scene) -> None:
    cookie = scene.home.enter(scene.hanako, scene.app)
    assert _is_open(scene, cookie)
    scene.home.fail("dev_1")
    wait_for(lambda: not _is_open(scene, cookie), scene.home.log, 10)
    scene.home.mend("dev_1")  # all is well again, but this session has ended
    wait_for(lambda: not _live(scene), scene.home.log, 10)
    _kill_gate(scene)
    asked = _figures(scene).asked
    scene.home.start("gate")
    wait_for(lambda: _figures(scene).asked > asked, scene.home.log)  # Envoy is configured anew
    wait_for(lambda: scene.connect()[1].startswith(b"HTTP/1.1 200"), scene.home.log)
    assert not _is_open(scene, cookie)


def test_what_turns_bad_while_the_gate_restarts_is_cut_when_it_is_back(scene: Scene) -> None:
    cookie = scene.home.enter(scene.hanako, scene.app)
    (stream,) = _open_tunnels(scene, 1)
    _kill_gate(scene)
    began = scene.home.fail("dev_1")
    assert stream.cut_after(began) < 5
    assert _is_open(scene, cookie)  # for as long as a cookie lives, which nobody can call back now
    scene.home.start("gate")
    wait_for(lambda: not _is_open(scene, cookie), scene.home.log)
    wait_for(lambda: not _live(scene), scene.home.log)
