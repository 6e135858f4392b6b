"""What passes between a browser's RDP client and its host: what is listed, and nothing else."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.server.desktop import gcc
from sekisho.server.desktop.dynamic import ALLOWED
from sekisho.server.desktop.filters import ViolationError
from sekisho.server.desktop.grants import Why
from sekisho.server.desktop.rdp import RdpFilter
from support import rdp_packets as rdp

DYNAMIC = 1004
GRAPHICS = "Microsoft::Windows::RDS::Graphics"
NAMES = ["cliprdr", "rdpdr", "rdpsnd", "drdynvc", "rail", "RDPDR", "x"]


def _connected(channels: tuple[str, ...] = ("rdpdr", "drdynvc", "cliprdr")) -> RdpFilter:
    made = RdpFilter()
    made.from_browser(rdp.initial(channels))
    made.from_host(rdp.response([DYNAMIC] if "drdynvc" in channels else []))
    made.from_host(rdp.attached())
    return made


def _asked(packet: bytes) -> list[str]:
    """Read the names of channels out of a Connect-Initial, apart from the code under test."""
    place = packet.find(b"\x03\xc0") + 4
    count = int.from_bytes(packet[place : place + 4], "little")
    names = [packet[place + 4 + 12 * n :][:8].rstrip(b"\0").decode() for n in range(count)]
    assert len(packet) == place + 4 + 12 * count
    return names


def _why(made: RdpFilter, packet: bytes, *, host: bool = False) -> Why:
    with pytest.raises(ViolationError) as caught:
        (made.from_host if host else made.from_browser)(packet)
    return caught.value.why


@given(st.lists(st.sampled_from(NAMES), max_size=8, unique_by=str.lower))
def test_no_channel_but_the_allowed_one_reaches_the_host(names: list[str]) -> None:
    made = RdpFilter()
    packet, _ = made.from_browser(rdp.initial(names))
    assert _asked(packet) == [name for name in names if name == "drdynvc"]
    assert made.removed == [name.lower() for name in names if name != "drdynvc"]
    assert int.from_bytes(packet[2:4]) == len(packet)


def test_a_second_way_by_udp_is_taken_out_and_the_rest_kept() -> None:
    packet, _ = RdpFilter().from_browser(rdp.initial(None))
    assert b"\x01\xc0" in packet
    assert b"\x04\xc0\x0c\x00" in packet
    assert b"\x0a\xc0" not in packet


@pytest.mark.parametrize(
    ("keys", "layout", "kind"),
    [("ja", 0x411, (7, 2, 12)), ("en", 0x409, (4, 0, 12)), ("", 0x409, (0, 0, 0))],
)
def test_the_keyboard_is_the_chosen_one(keys: str, layout: int, kind: tuple[int, ...]) -> None:
    packet, _ = RdpFilter(keys).from_browser(rdp.initial(None))
    core = packet[packet.find(b"\x01\xc0\xdc\x00") + 4 :]
    assert int.from_bytes(core[12:16], "little") == layout
    assert tuple(int.from_bytes(core[52 + 4 * n :][:4], "little") for n in range(3)) == kind


def test_nla_passes_untouched_and_only_before_rdp() -> None:
    made = RdpFilter()
    token = b"\x30\x82\x01\x00" + bytes(256)
    assert made.from_browser(token)[0] == token
    assert made.from_host(token)[1] == token
    assert made.from_host(b"\0\0\0\0")[1] == b"\0\0\0\0"  # the early answer of HYBRID_EX
    assert _why(made, b"\0\0\0\0", host=True) is Why.HOST_MALFORMED


@pytest.mark.parametrize("channel", [1005, 1006, 1, 0, 65535])
def test_data_on_a_channel_that_was_not_granted_ends_it(channel: int) -> None:
    assert _why(_connected(), rdp.sent(channel, b"x", host=False)) is Why.CHANNEL
    assert _why(_connected(), rdp.join(channel)) is Why.CHANNEL
    assert _why(_connected(), rdp.sent(channel, b"x", host=True), host=True) is Why.HOST_MALFORMED


def test_the_screen_and_its_messages_pass() -> None:
    made = _connected()
    for channel in (rdp.SCREEN, rdp.USER, rdp.MESSAGE):
        assert made.from_browser(rdp.join(channel))[0]
    for channel in (rdp.SCREEN, rdp.MESSAGE):
        packet = rdp.sent(channel, b"x" * 300, host=True)
        assert made.from_host(packet)[1] == packet
    picture = b"\x00\x84\x00" + bytes(0x400 - 3)
    assert made.from_host(picture)[1] == picture
    assert made.from_browser(b"\x04\x04\x00\x1e")[0]


def test_a_host_that_grants_what_was_not_asked_for_is_left() -> None:
    made = RdpFilter()
    made.from_browser(rdp.initial(["cliprdr", "drdynvc"]))
    assert _why(made, rdp.response([1004, 1005]), host=True) is Why.HOST_MALFORMED


def test_an_allowed_dynamic_channel_opens_and_carries() -> None:
    made = _connected()
    asked = rdp.sent(DYNAMIC, rdp.create(7, GRAPHICS), host=True)
    assert made.from_host(asked) == (b"", asked)
    answer = rdp.sent(DYNAMIC, rdp.piece(b"\x10\x07" + bytes(4)), host=False)
    assert made.from_browser(answer)[0] == answer
    for flags in (1, 0, 2):
        moved = rdp.sent(DYNAMIC, rdp.data(7, b"\x99" * 50, flags), host=True)
        assert made.from_host(moved)[1] == moved


@pytest.mark.parametrize(
    "name", ["AUDIO_PLAYBACK_DVC", "RDPDR", "cliprdr", "", GRAPHICS.upper(), GRAPHICS + "2"]
)
def test_a_forbidden_dynamic_channel_is_refused_in_the_browsers_place(name: str) -> None:
    made = _connected()
    to_host, to_browser = made.from_host(rdp.sent(DYNAMIC, rdp.create(7, name), host=True))
    assert to_browser == b""
    refused = rdp.piece(b"\x10\x07" + (0xC0000001).to_bytes(4, "little"))
    assert to_host == rdp.sent(DYNAMIC, refused, host=False)
    assert (
        _why(made, rdp.sent(DYNAMIC, rdp.piece(b"\x10\x07" + bytes(4)), host=False)) is Why.CHANNEL
    )


def test_nothing_is_sent_on_a_dynamic_channel_that_is_not_open() -> None:
    assert _why(_connected(), rdp.sent(DYNAMIC, rdp.data(7), host=False)) is Why.CHANNEL
    assert (
        _why(_connected(), rdp.sent(DYNAMIC, rdp.data(7), host=True), host=True)
        is Why.HOST_MALFORMED
    )
    made = _connected()
    made.from_host(rdp.sent(DYNAMIC, rdp.create(7, GRAPHICS), host=True))
    made.from_host(rdp.sent(DYNAMIC, rdp.piece(b"\x40\x07"), host=True))
    assert _why(made, rdp.sent(DYNAMIC, rdp.data(7), host=False)) is Why.CHANNEL


@pytest.mark.parametrize(
    "hidden",
    [
        rdp.piece(b"\x30\x07x", 3 | 0x200000),  # compressed: it cannot be looked into
        rdp.piece(b"\x30\x07x", 0),  # a middle without a beginning
        rdp.piece(b"\x80\x07x"),  # a change to UDP
        rdp.piece(b"\x33\x07x"),  # a number of no size
        rdp.piece(b"\x32\x07"),  # a number cut short
        rdp.piece(b""),
        b"\x01",
    ],
)
def test_what_cannot_be_judged_ends_it(hidden: bytes) -> None:
    assert _why(_connected(), rdp.sent(DYNAMIC, hidden, host=False)) is Why.CHANNEL
    assert _why(_connected(), rdp.sent(DYNAMIC, hidden, host=True), host=True) is Why.HOST_MALFORMED


def test_a_request_to_open_in_pieces_ends_it() -> None:
    half = rdp.piece(b"\x10\x07" + GRAPHICS[:10].encode(), 1)
    assert _why(_connected(), rdp.sent(DYNAMIC, half, host=True), host=True) is Why.HOST_MALFORMED


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_where_packets_are_cut_on_the_way_changes_nothing(
    noise: bytes, cuts: list[int], host: bool
) -> None:
    """Any bytes in any pieces: the same comes out, or the connection ends both times."""
    stream = rdp.sent(rdp.SCREEN, b"abc", host=host) + noise
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert _run(_connected(), [stream], host) == _run(_connected(), pieces, host)


def _run(made: RdpFilter, pieces: list[bytes], host: bool) -> tuple[bytes, bool]:
    passed = b""
    take = made.from_host if host else made.from_browser
    for each in pieces:
        try:
            to_host, to_browser = take(each)
        except ViolationError:
            return b"", True
        passed += to_browser if host else to_host
    assert len(made._up) + len(made._down) <= 0x10000  # noqa: SLF001 - what it keeps is the point
    return passed, False


@given(st.binary(max_size=300), st.integers(0, 600), st.binary(min_size=1, max_size=3))
def test_a_damaged_beginning_is_refused_or_rewritten_whole(
    tail: bytes, place: int, damage: bytes
) -> None:
    packet = bytearray(rdp.initial(["rdpdr", "drdynvc"]))
    packet[place : place + len(damage)] = damage
    made = RdpFilter()
    try:
        out, _ = made.from_browser(bytes(packet) + tail)
    except ViolationError:
        return
    if made._initial:  # noqa: SLF001 - what passed is then a whole packet without the forbidden one
        assert b"rdpdr" not in out
        assert int.from_bytes(out[2:4]) <= len(out)


def test_a_channel_asked_for_twice_or_beyond_count_is_refused() -> None:
    assert _why(RdpFilter(), rdp.initial(["drdynvc", "drdynvc"])) is Why.MALFORMED
    assert _why(RdpFilter(), rdp.initial(["x"] * 32)) is Why.MALFORMED
    twice = rdp.client_blocks(["drdynvc"]) + rdp.client_blocks(["rdpdr"])
    assert _why(RdpFilter(), rdp.initial(None, twice)) is Why.MALFORMED


def test_the_list_of_what_may_open_holds_nothing_that_carries_data() -> None:
    assert {name.rpartition("::")[2] for name in ALLOWED} == {"Graphics", "DisplayControl", "Input"}
    with pytest.raises(gcc.NotGccError):
        gcc.read_channels(gcc.Block(gcc.NETWORK, b"\xff\xff\xff\xff"))
