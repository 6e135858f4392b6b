"""What is asked at the same time is done at once; a stream that is cut hears it, whenever it is."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as wire

from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.server.gate.calls import serve_calls
from sekisho.server.gate.figures import read_figures
from sekisho.server.gate.holds import Holder, Holds
from sekisho.server.gate.together import Together


def test_what_comes_meanwhile_is_done_at_once() -> None:
    lots: list[list[int]] = []

    async def work(items: Sequence[int]) -> Sequence[int]:
        lots.append(list(items))
        await asyncio.sleep(0)
        return [each * 2 for each in items]

    async def run() -> list[int]:
        together = Together(work, 3)
        return list(await asyncio.gather(*(together.do(n) for n in range(8))))

    assert asyncio.run(run()) == [n * 2 for n in range(8)]
    assert max(map(len, lots)) == 3
    assert sum(map(len, lots)) == 8


def test_one_that_fails_fails_alone_and_a_closed_database_is_asked_once() -> None:
    calls = 0

    async def work(items: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if 9 in items:
            raise UnavailableError(msg("busy"))
        if 2 in items:
            raise ValueError("two")
        return items

    async def run(items: Sequence[int]) -> list[object]:
        together = Together(work, 10)
        asked = (together.do(n) for n in items)
        return list(await asyncio.gather(*asked, return_exceptions=True))

    first, second, third = asyncio.run(run([1, 2, 3]))
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)
    calls = 0
    assert all(isinstance(each, UnavailableError) for each in asyncio.run(run([8, 9])))
    assert calls == 1


def _head(session: str) -> bytes:
    """Return what Envoy says first on a held stream."""
    head = wire.ProcessingRequest()
    head.request_headers.SetInParent()
    told = head.metadata_context.filter_metadata["envoy.filters.http.ext_authz"]
    told.update({"session": session, "tunnel": "yes"})
    return bytes(head.SerializeToString())


@pytest.mark.parametrize("when", ["before", "while it is held", "not at all"])
def test_a_cut_is_heard_once_whenever_it_comes(tmp_path: Path, when: str) -> None:
    heard: list[str] = []
    ended: list[str] = []
    holds = Holds()

    async def end(session: str, desktop: str) -> None:
        ended.append(session + desktop)

    async def run() -> None:
        path = tmp_path / "s"
        async with (
            serve_calls(path, {"/t/Process": Holder(holds, end)}),
            grpc.aio.insecure_channel(f"unix:{path}") as channel,
        ):
            if when == "before":
                assert holds.cut("acs_1") == 0
            stream = channel.stream_stream("/t/Process")()
            await stream.write(_head("acs_1"))
            heard.append(_kind(await stream.read()))
            assert len(holds) == 1
            if when == "while it is held":
                assert [holds.cut("acs_1"), holds.cut("acs_1")] == [1, 0]
                heard.append(_kind(await stream.read()))
            await stream.done_writing()
            assert await stream.read() is grpc.aio.EOF
            await asyncio.sleep(0)

    asyncio.run(run())
    assert heard[:-1] == (["request_headers"] if when == "while it is held" else [])
    assert heard[-1] == ("request_headers" if when == "not at all" else "immediate_response")
    assert ended == (["acs_1"] if when == "not at all" else [])  # a cut leaves its own record
    assert len(holds) == 0


def _kind(answer: bytes) -> str:
    return str(wire.ProcessingResponse.FromString(answer).WhichOneof("response"))


class Told:
    """A held stream that was told its end or not, and never ends."""

    def __init__(self) -> None:
        self.times = 0

    def end(self) -> None:
        self.times += 1


def test_an_allowed_tunnel_that_never_came_is_found_once() -> None:
    async def run() -> None:
        holds = Holds()
        for name in ("acs_1", "acs_2"):
            holds.expect(name)
        holds.hold("acs_1", Told())
        assert holds.take_overdue(now=0.0) == []
        assert holds.take_overdue(now=1e12) == ["acs_2"]
        assert holds.take_overdue(now=1e12) == []

    asyncio.run(run())


def test_where_no_gate_runs_there_are_no_figures(tmp_path: Path) -> None:
    assert read_figures(tmp_path) is None
    assert read_figures(tmp_path / "none") is None


def test_of_thousands_all_are_told_though_none_of_them_ends() -> None:
    async def run() -> list[int]:
        holds, streams = Holds(), [Told() for _ in range(1_000)]
        for n, stream in enumerate(streams):
            holds.hold(f"acs_{n}", stream)
        assert [holds.cut(f"acs_{n}") for n in range(1_000)] == [1] * 1_000
        assert holds.was_cut("acs_999")
        assert holds.is_telling
        assert streams[999].times == 0  # questions are answered in between
        late = Told()
        holds.hold("acs_999", late)
        assert late.times == 1  # yet nothing of it opens any more
        await asyncio.sleep(0.4)  # 256 at a time, 50 ms each
        return [each.times for each in streams]

    assert asyncio.run(asyncio.wait_for(run(), 5)) == [1] * 1_000
