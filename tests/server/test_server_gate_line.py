"""Our gRPC server against gRPC's own client, and against peers that keep to no protocol."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.server.gate.calls import Questions, serve_calls
from sekisho.server.gate.frames import (
    LONGEST,
    PREFACE,
    BrokenLineError,
    Flag,
    Frame,
    Kind,
    Reader,
    write_frame,
    write_message,
)
from sekisho.server.gate.line import Answerer, Call, Line, Service


class Echo:
    """A held call: says everything again, until the peer has said all."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.ended = 0

    def take(self, message: bytes) -> None:
        if message == b"fail":
            raise ValueError("told to")
        self.call.send(message)

    def over(self) -> None:
        self.ended += 1
        self.call.finish()


async def _turn(message: bytes) -> bytes:
    if message == b"fail":
        raise ValueError("told to")
    await asyncio.sleep(0)
    return message[::-1]


def _talk(folder: Path, talk: Callable[[Any], Awaitable[None]]) -> list[Echo]:
    """Run ``talk`` with a channel to our server; return the held calls that there were."""
    held: list[Echo] = []

    def hold(call: Call) -> Answerer:
        held.append(Echo(call))
        return held[-1]

    async def run() -> None:
        services: dict[str, Service] = {"/t.Test/Turn": Questions(_turn), "/t.Test/Hold": hold}
        path = folder / "s"
        async with serve_calls(path, services):
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                await talk(channel)
            await asyncio.sleep(0)

    asyncio.run(run())
    return held


def test_questions_are_answered_small_and_large_and_at_the_same_time(tmp_path: Path) -> None:
    async def talk(channel: Any) -> None:
        turn = channel.unary_unary("/t.Test/Turn")
        sizes = [0, 1, LONGEST - 5, LONGEST, 3 << 20, *range(100)]
        asked = [bytes(range(256)) * (size // 256) + bytes(size % 256) for size in sizes]
        assert await asyncio.gather(*(turn(each) for each in asked)) == [m[::-1] for m in asked]

    _talk(tmp_path, talk)


def test_one_that_fails_fails_alone(tmp_path: Path) -> None:
    async def talk(channel: Any) -> None:
        turn = channel.unary_unary("/t.Test/Turn")
        for name, what in (("Turn", b"fail"), ("None", b"x")):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await channel.unary_unary(f"/t.Test/{name}")(what)
            expected = {"Turn": grpc.StatusCode.INTERNAL, "None": grpc.StatusCode.UNIMPLEMENTED}
            assert failed.value.code() == expected[name]
        assert await turn(b"ab") == b"ba"

    _talk(tmp_path, talk)


def test_held_calls_say_much_and_end_on_either_side(tmp_path: Path) -> None:
    async def talk(channel: Any) -> None:
        hold = channel.stream_stream("/t.Test/Hold")
        kept, dropped, failing = hold(), hold(), hold()
        for _ in range(40):  # ten times the window of a stream at first
            await kept.write(bytes(1 << 18))
            assert len(await kept.read()) == 1 << 18
        await kept.done_writing()
        assert await kept.read() is grpc.aio.EOF
        assert await kept.code() == grpc.StatusCode.OK
        await dropped.write(b"1")
        assert await dropped.read() == b"1"
        dropped.cancel()
        await failing.write(b"fail")
        assert await failing.code() == grpc.StatusCode.INTERNAL

    held = _talk(tmp_path, talk)
    assert [each.ended for each in held] == [1, 1, 1]


class Wire(asyncio.Transport):
    """What a line writes, kept."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.closed = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        assert not self.closed
        self.said += bytes(data)

    def close(self) -> None:
        self.closed = True


class Answers(Reader):
    """Reads what a server says, which has no preface."""

    def feed_all(self, data: bytes) -> list[Frame]:
        return list(self.feed(PREFACE + data))


_HEADS = Encoder().encode([(":method", "POST"), (":path", "/t.Test/Hold")])
_FRAMES = st.builds(
    write_frame,
    st.sampled_from(Kind), st.integers(0, 255), st.sampled_from([0, 1, 1, 1, 2, 3, 5]),
    st.one_of(
        st.binary(max_size=20), st.just(_HEADS), st.just(write_message(b"x")),
        st.integers(0, 2**32 - 1).map(lambda n: n.to_bytes(4, "big")),
    ),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(_FRAMES, max_size=12), st.binary(max_size=30))
def test_whoever_breaks_the_protocol_ends_its_own_line_alone(said: list[bytes], end: bytes) -> None:
    async def run() -> None:
        held: list[Echo] = []

        def hold(call: Call) -> Answerer:
            held.append(Echo(call))
            return held[-1]

        lines: set[Line] = set()
        line, wire = Line({"/t.Test/Hold": hold}, lines), Wire()
        line.connection_made(wire)
        for each in (PREFACE, *said, end):
            if not wire.closed:
                line.data_received(each)
        await asyncio.sleep(0)
        line.connection_lost(None)
        assert all(each.ended == 1 for each in held)
        assert lines == set()
        Answers().feed_all(wire.said)

    asyncio.run(run())


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(1, 50), max_size=40))
def test_frames_are_the_same_however_they_come(bodies: list[bytes], cuts: list[int]) -> None:
    whole = PREFACE + b"".join(write_frame(Kind.DATA, 0, n, b) for n, b in enumerate(bodies))
    reader, found = Reader(), []
    for size in cuts:
        found += list(reader.feed(whole[:size]))
        whole = whole[size:]
    found += list(reader.feed(whole))
    assert [each.body for each in found] == bodies


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", PREFACE + b"\xff" * 9])
def test_what_is_no_frame_is_refused(said: bytes) -> None:
    with pytest.raises(BrokenLineError):
        list(Reader().feed(said))


def test_headers_without_end_are_refused() -> None:
    async def run() -> Wire:
        line, wire = Line({}, set()), Wire()
        line.connection_made(wire)
        line.data_received(PREFACE + write_frame(Kind.HEADERS, 0, 1, b"\0" * LONGEST))
        for _ in range(40):
            if not wire.closed:
                line.data_received(write_frame(Kind.CONTINUATION, 0, 1, b"\0" * LONGEST))
        return wire

    wire = asyncio.run(run())
    assert wire.closed
    assert [f.kind for f in Answers().feed_all(wire.said)][-1] == Kind.GOAWAY


def test_padding_and_ranks_are_passed_over() -> None:
    async def run() -> list[Frame]:
        held: list[Echo] = []

        def hold(call: Call) -> Answerer:
            held.append(Echo(call))
            return held[-1]

        line, wire = Line({"/t.Test/Hold": hold}, set()), Wire()
        line.connection_made(wire)
        flags = Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY
        head = b"\x02" + b"\0" * 5 + _HEADS + b"\0\0"
        line.data_received(PREFACE + write_frame(Kind.HEADERS, flags, 1, head))
        body = b"\x03" + write_message(b"hello") + b"\0\0\0"
        line.data_received(write_frame(Kind.DATA, Flag.PADDED | Flag.END_STREAM, 1, body))
        await asyncio.sleep(0)
        line.connection_lost(None)
        return Answers().feed_all(wire.said)

    said = asyncio.run(run())
    assert write_message(b"hello") in [each.body for each in said]
    assert said[-1].flags & Flag.END_STREAM
