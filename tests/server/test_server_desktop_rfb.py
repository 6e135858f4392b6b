"""What passes between a browser's VNC client and its host: pictures and input, no clipboard."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.server.desktop import rfb
from sekisho.server.desktop.filters import ViolationError
from sekisho.server.desktop.grants import Why

FORMAT = bytes((32, 24, 0, 1)) + struct.pack(">HHH", 255, 255, 255) + bytes((16, 8, 0, 0, 0, 0))
START = struct.pack(">HH", 800, 600) + FORMAT + struct.pack(">I", 4) + b"desk"
SECRET = b"secret of the clipboard"


def _connected() -> rfb.RfbFilter:
    made = rfb.RfbFilter()
    assert made.from_host(b"RFB 003.008\n") == (b"", rfb.VERSION)
    assert made.from_browser(rfb.VERSION) == (rfb.VERSION, b"")
    assert made.from_host(bytes((2, 1, 16))) == (b"", bytes((1, 1)))  # tight is taken out
    assert made.from_browser(b"\x01\x01") == (b"\x01\x01", b"")
    assert made.from_host(bytes(4) + START)[1] == bytes(4) + START
    assert made.begun
    return made


def _encodings(*wanted: int) -> bytes:
    return struct.pack(f">BBH{len(wanted)}i", 2, 0, len(wanted), *wanted)


def _text(kind: int, content: bytes, size: int | None = None) -> bytes:
    return struct.pack(">B3xi", kind, len(content) if size is None else size) + content


def _picture(encoding: int, content: bytes, width: int = 2, height: int = 2) -> bytes:
    return struct.pack(">BxHHHHHi", 0, 1, 0, 0, width, height, encoding) + content


PICTURES = [
    _picture(rfb.RAW, bytes(16)),
    _picture(rfb.COPY, bytes(4)),
    _picture(rfb.ZRLE, struct.pack(">I", 5) + b"12345"),
    _picture(rfb.ZLIB, struct.pack(">I", 0)),
    _picture(rfb.CURSOR, bytes(2 * (2 * 4 + 1))),
    _picture(rfb.NAME, struct.pack(">I", 2) + b"ab"),
    _picture(rfb.SCREENS, b"\x01\0\0\0" + bytes(16)),
    _picture(rfb.RESIZED, b""),
    struct.pack(">BxHHHHHi", 0, 0xFFFF, 0, 0, 0, 0, rfb.LAST),
    b"\x02",
    struct.pack(">BxHH", 1, 0, 2) + bytes(12),
]
INPUTS = [
    struct.pack(">BBHHHH", 3, 1, 0, 0, 8, 8),
    struct.pack(">BBxxI", 4, 1, 65),
    struct.pack(">BBHH", 5, 1, 3, 4),
    struct.pack(">BBHII", 255, 0, 1, 65, 30),
    struct.pack(">BxHHBx", 251, 8, 8, 1) + bytes(16),
]


HOSTS_TEXTS = [_text(3, SECRET), _text(3, SECRET, -len(SECRET))]
BROWSERS_TEXTS = [_text(6, SECRET), _text(6, SECRET, -len(SECRET))]


@given(st.lists(st.sampled_from(PICTURES + HOSTS_TEXTS), max_size=8), st.integers(1, 50))
def test_pictures_pass_and_the_hosts_clipboard_does_not(sent: list[bytes], step: int) -> None:
    made, stream = _connected(), b"".join(sent)
    out = b"".join(made.from_host(stream[n : n + step])[1] for n in range(0, len(stream), step))
    assert out == b"".join(each for each in sent if each in PICTURES)
    assert SECRET not in out


@given(st.lists(st.sampled_from(INPUTS + BROWSERS_TEXTS), max_size=8), st.integers(1, 50))
def test_input_passes_and_the_browsers_clipboard_does_not(sent: list[bytes], step: int) -> None:
    made, stream = _connected(), b"".join(sent)
    out = b"".join(made.from_browser(stream[n : n + step])[0] for n in range(0, len(stream), step))
    assert out == b"".join(each for each in sent if each in INPUTS)
    assert made.dropped == len([each for each in sent if SECRET in each])


def test_only_encodings_whose_length_is_plain_are_asked_for() -> None:
    extended_clipboard, tight, h264, fence = -1063131698, 7, 50, -312
    wanted = (tight, rfb.ZRLE, h264, extended_clipboard, fence, -26, rfb.RAW, rfb.CURSOR)
    passed, _ = _connected().from_browser(_encodings(*wanted))
    assert passed == _encodings(rfb.ZRLE, -26, rfb.RAW, rfb.CURSOR)


def test_a_password_is_between_browser_and_host() -> None:
    made = rfb.RfbFilter()
    made.from_host(b"RFB 003.889\n" + bytes((3, 2, 30, 1)))
    assert made.from_browser(rfb.VERSION + b"\x02") == (rfb.VERSION + b"\x02", b"")
    challenge = bytes(range(16))
    assert made.from_host(challenge)[1] == challenge
    assert made.from_browser(challenge + b"\x01")[0] == challenge + b"\x01"
    assert not made.begun
    refused = struct.pack(">II", 1, 3)
    with pytest.raises(ViolationError) as caught:
        made.from_host(refused + b"no!")
    assert caught.value.why is Why.NOT_SIGNED_IN


@pytest.mark.parametrize(
    "message",
    [
        b"\x96" + bytes(9),  # continuous updates
        b"\xf8" + bytes(8),
        b"\xff\x01" + bytes(10),  # sound
        b"\x63",
        _text(6, b"", (1 << 20) + 1),
        _text(6, b"", -(1 << 31)),
    ],
)
def test_what_a_browser_may_not_send_ends_it(message: bytes) -> None:
    with pytest.raises(ViolationError):
        _connected().from_browser(message)


@pytest.mark.parametrize(
    "message",
    [
        _picture(7, b""),
        _picture(-1063131698, b""),
        _picture(rfb.ZRLE, struct.pack(">I", 1 << 30)),
        b"\x96",
        b"\xf8" + bytes(8),
        _text(3, b"", -(1 << 31)),
    ],
)
def test_what_a_host_may_not_send_ends_it(message: bytes) -> None:
    with pytest.raises(ViolationError) as caught:
        _connected().from_host(message)
    assert caught.value.why is Why.HOST_MALFORMED


def test_the_format_cannot_change_under_pictures_that_are_on_their_way() -> None:
    small = b"\0\0\0\0" + bytes((16,)) + FORMAT[1:]
    made = _connected()
    assert made.from_browser(small)[0] == small
    raw = _picture(rfb.RAW, bytes(8))
    assert made.from_host(raw)[1] == raw
    made.from_browser(INPUTS[0])
    with pytest.raises(ViolationError):
        made.from_browser(small)


@pytest.mark.parametrize(
    "hello", [b"RFB 003.003\n", b"HTTP/1.1 200", b"RFB 003.008\n\x01\x13", b"RFB 003.008\n\x00"]
)
def test_a_host_that_is_no_vnc_or_wants_another_way_is_left(hello: bytes) -> None:
    with pytest.raises(ViolationError):
        rfb.RfbFilter().from_host(hello)


def test_a_host_that_does_not_wait_and_a_browser_that_chooses_alone_are_left() -> None:
    made = rfb.RfbFilter()
    with pytest.raises(ViolationError):
        made.from_host(b"RFB 003.008\n\x01\x01" + bytes(4))
    with pytest.raises(ViolationError):
        rfb.RfbFilter().from_browser(rfb.VERSION + b"\x01")


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_pass_whole_or_end_it(noise: bytes, host: bool) -> None:
    made = _connected()
    try:
        to_host, to_browser = (made.from_host if host else made.from_browser)(noise)
    except ViolationError:
        return
    assert len(to_host) + len(to_browser) <= len(noise)
