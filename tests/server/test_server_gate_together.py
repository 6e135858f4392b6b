"""What is asked at the same time is done at once; a stream that is cut hears it, whenever it is."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as wire

from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
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


class Line:
    """Envoy's end of one stream: sends the head of a request, and takes each answer slowly."""

    def __init__(self, session: str) -> None:
        head = wire.ProcessingRequest()
        head.request_headers.SetInParent()
        told = head.metadata_context.filter_metadata["envoy.filters.http.ext_authz"]
        told.update({"session": session, "tunnel": "yes"})
        self._sent = [head]
        self._over = asyncio.Event()
        self._busy = False
        self.taking = asyncio.Event()
        self.go_on = asyncio.Event()
        self.heard: list[str] = []
        self.deaf = False

    async def read(self) -> object:
        if self._sent:
            return self._sent.pop()
        await self._over.wait()
        from grpc.aio import EOF  # noqa: PLC0415 - what it gives at the end

        return EOF

    async def write(self, answer: bytes) -> None:
        assert not self._busy  # gRPC takes one at a time
        if self.deaf:
            raise RuntimeError("gone")
        self._busy = True
        self.taking.set()
        await self.go_on.wait()
        self._busy = False
        kind = wire.ProcessingResponse.FromString(answer).WhichOneof("response")
        self.heard.append(str(kind))
        if kind == "immediate_response":
            self._over.set()


@pytest.mark.parametrize("when", ["before", "while it is answered", "while it is held"])
def test_a_cut_is_heard_once_whenever_it_comes(when: str) -> None:
    async def run() -> tuple[list[str], list[str], int]:
        holds, ended = Holds(), []

        async def end(session: str, desktop: str) -> None:
            ended.append(session + desktop)

        line = Line("acs_1")
        if when == "before":
            holds.cut("acs_1")
        serving = asyncio.create_task(Holder(holds, end).process(None, line))
        await line.taking.wait()
        if when == "while it is answered":
            assert holds.cut("acs_1") == 1
        line.go_on.set()
        await asyncio.sleep(0.01)
        if when == "while it is held":
            assert holds.cut("acs_1") == 1
        await asyncio.wait_for(serving, 5)
        await asyncio.sleep(0)
        return line.heard, ended, len(holds)

    heard, ended, held = asyncio.run(run())
    assert heard[-1] == "immediate_response"
    assert heard.count("immediate_response") == 1
    assert ended == []  # a cut leaves its own record
    assert held == 0


def test_a_stream_that_takes_no_word_is_broken_off() -> None:
    async def run() -> None:
        line, holds = Line("acs_1"), Holds()
        line.go_on.set()

        async def end(session: str, desktop: str) -> None:
            raise AssertionError(session, desktop)

        serving = asyncio.create_task(Holder(holds, end).process(None, line))
        await line.taking.wait()
        await asyncio.sleep(0)
        line.deaf = True
        holds.cut("acs_1")
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(serving, 5)
        assert len(holds) == 0

    asyncio.run(run())


def test_an_allowed_tunnel_that_never_came_is_found_once() -> None:
    async def run() -> None:
        holds = Holds()
        for name in ("acs_1", "acs_2"):
            holds.expect(name)
        holds.hold("acs_1")
        assert holds.take_overdue(now=0.0) == []
        assert holds.take_overdue(now=1e12) == ["acs_2"]
        assert holds.take_overdue(now=1e12) == []

    asyncio.run(run())


def test_where_no_gate_runs_there_are_no_figures(tmp_path: Path) -> None:
    assert read_figures(tmp_path) is None
    assert read_figures(tmp_path / "none") is None


def test_of_thousands_all_are_told_though_none_of_them_ends() -> None:
    async def run() -> int:
        holds = Holds()
        streams = [holds.hold(f"acs_{n}") for n in range(1_000)]
        for n in range(1_000):
            assert holds.cut(f"acs_{n}") == 1
        assert holds.was_cut("acs_999")
        assert not streams[999].done()  # questions are answered in between
        assert holds.hold("acs_999").done()  # yet nothing of it opens any more
        await asyncio.wait_for(asyncio.gather(*streams), 5)
        return sum(each.done() for each in streams)

    assert asyncio.run(run()) == 1_000
