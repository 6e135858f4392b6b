"""RDCleanPath, X.224 and WebSocket as hostile browsers and hosts would write them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.server.desktop import cleanpath, der, x224
from sekisho.server.desktop import websocket as ws
from sekisho.server.desktop.cleanpath import Request

X224 = x224.make_request(x224.NLA | x224.Protocols.TLS)
ASKED = cleanpath.write_request(Request("ticket", X224), "elsewhere.example:3389")


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=300),
    st.binary(max_size=300),
)
def test_a_request_is_read_as_it_was_written(ticket: str, message: bytes) -> None:
    request = Request(ticket, message)
    assert cleanpath.read_request(cleanpath.write_request(request, "a:1")) == request


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(message: bytes) -> None:
    with pytest.raises(der.NotDerError):
        cleanpath.read_request(message)


@given(st.integers(0, len(ASKED) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_a_request_or_a_refusal_and_nothing_else(
    place: int, value: int
) -> None:
    changed = bytearray(ASKED)
    changed[place] = value
    try:
        found = cleanpath.read_request(bytes(changed))
    except der.NotDerError:
        return
    assert len(found.x224) == len(X224)


@pytest.mark.parametrize(
    "message",
    [
        ASKED[:-1],
        ASKED + b"\0",
        ASKED[:1] + b"\x80" + ASKED[2:],  # a length without end
        ASKED[:1] + b"\x84\x00\x00\x00" + ASKED[1:],  # a length in a longer form
        ASKED[:1] + b"\xff" * 20,
        cleanpath.write_answer(X224, [b"x"], "a"),
        cleanpath.write_refusal(403),
        b"\x30" * 17_000,
        der.write(der.SEQUENCE, der.write(der.context(0), der.write_unsigned(3389))),
        der.write(der.SEQUENCE, der.write(der.context(0), der.write_unsigned(3390)) * 2),
    ],
)
def test_what_is_no_orderly_request_is_refused(message: bytes) -> None:
    with pytest.raises(der.NotDerError):
        cleanpath.read_request(message)


@given(st.integers(0, 0xFFFFFFFF))
def test_numbers_are_written_in_the_shortest_form(number: int) -> None:
    written = der.write_unsigned(number)
    assert der.read_unsigned(der.read_only(written, der.INTEGER)) == number


def test_a_cookie_of_the_browsers_is_read_and_a_routing_token_is_not() -> None:
    def request(extra: bytes) -> bytes:
        body = bytes((len(X224) - 5 + len(extra),)) + X224[5:11] + extra + X224[11:]
        return b"\x03\x00" + (len(body) + 4).to_bytes(2) + body

    wanted = x224.NLA | x224.Protocols.TLS
    assert x224.read_request(X224) == wanted
    assert x224.read_request(request(b"Cookie: mstshash=hanako\r\n")) == wanted
    for extra in (b"Cookie: x", b"tsv://x\r\n", b"\0"):
        with pytest.raises(x224.NotX224Error):
            x224.read_request(request(extra))


@given(st.binary(max_size=40))
def test_any_bytes_are_an_answer_of_x224_or_refused(message: bytes) -> None:
    for whole in (message, b"\x03\x00" + (len(message) + 4).to_bytes(2) + message):
        try:
            found = x224.read_confirm(whole)
        except x224.NotX224Error:
            continue
        assert isinstance(found.chosen, x224.Protocols)


def test_a_host_that_refuses_or_takes_no_nla_is_told_apart() -> None:
    def confirm(kind: int, value: int) -> bytes:
        told = bytes((kind, 0, 8, 0)) + value.to_bytes(4, "little")
        return b"\x03\x00\x00\x13\x0e\xd0" + bytes(5) + told

    assert x224.read_confirm(confirm(2, 8)).chosen == x224.Protocols.HYBRID_EX
    assert x224.read_confirm(confirm(2, 1)).chosen == x224.Protocols.TLS
    assert x224.read_confirm(confirm(3, 5)).failure == 5
    assert x224.read_confirm(b"\x03\x00\x00\x0b\x06\xd0" + bytes(5)).chosen == x224.Protocols(0)
    with pytest.raises(x224.NotX224Error):
        x224.read_confirm(confirm(2, 3))


def _frame(payload: bytes, first: int = 0x82, mask: bytes = b"abcd") -> bytes:
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else bytes((first, 0xFE)) + size.to_bytes(2)
    return head + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(payload))


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 40))
def test_bytes_come_out_as_they_were_sent_however_they_arrive(sent: list[bytes], step: int) -> None:
    stream, frames = b"".join(map(_frame, sent)), ws.Frames()
    got = [f for n in range(0, len(stream), step) for f in frames.take(stream[n : n + step])]
    assert [frame.payload for frame in got] == sent


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x82\x01x",  # without a mask
        _frame(b"x", 0x81),  # text
        _frame(b"x", 0xC2),  # compressed
        _frame(b"x", 0x80),  # goes on with nothing
        _frame(b"x", 0x02) + _frame(b"y", 0x82),  # begins anew within a message
        _frame(b"x", 0x09),  # a ping in pieces
        _frame(b"x" * 126, 0x89),  # a ping that is too long
        _frame(b"x", 0x8B),
        b"\x82\xff" + (1 << 40).to_bytes(8),
        b"\x82\xff" + (ws.LONGEST_FRAME + 1).to_bytes(8),
    ],
)
def test_what_is_no_binary_websocket_is_refused(hostile: bytes) -> None:
    with pytest.raises(ws.NotWebSocketError):
        list(ws.Frames().take(hostile))


def test_a_message_in_pieces_is_one_stream() -> None:
    stream = _frame(b"ab", 0x02) + _frame(b"", 0x89) + _frame(b"cd", 0x00) + _frame(b"e", 0x80)
    got = [f.payload for f in ws.Frames().take(stream) if f.code == ws.BINARY]
    assert b"".join(got) == b"abcde"


def test_the_handshake_is_that_of_the_standard() -> None:
    assert ws.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    for wrong in ("", "x", base64.b64encode(b"short").decode()):
        with pytest.raises(ws.NotWebSocketError):
            ws.accept_key(wrong)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_heads_of_frames_say_their_size(size: int) -> None:
    head = ws.write_head(size)
    said = head[1] if head[1] < 126 else int.from_bytes(head[2:])
    assert (said, head[0]) == (size, 0x82)
