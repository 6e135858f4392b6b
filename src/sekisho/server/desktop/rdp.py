"""The filter between an RDP client in a browser and its host: what may pass is listed.

NLA's own messages pass untouched. Of the settings that the client sends first, static channels that
are not allowed are taken out, so that the host never opens them, and the keyboard is set. From then
on data passes on channels that the host granted, and on dynamic ones that may open (``dynamic``).
Pictures and input on the fast path pass as they are. Nothing larger than one packet is kept.
Source: [MS-RDPBCGR] 2.2.1, 2.2.8, 2.2.9 and T.125.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from sekisho.server.desktop import der, gcc
from sekisho.server.desktop.dynamic import DynamicChannels
from sekisho.server.desktop.filters import ViolationError
from sekisho.server.desktop.grants import Why

ALLOWED = frozenset({"drdynvc"})
"""Static channels that may be asked for; ``drdynvc`` carries the dynamic ones."""
LONGEST_NLA = 0x10000

_TPKT, _DER, _DATA_HEAD = 0x03, 0x30, b"\x02\xf0\x80"
_BODY = 7  # TPKT's head and X.224's
_EARLY_RESULT = 4
_FIRST_USER = 1001  # T.125: numbers of users are counted from here
_MOST_DATA = 0x3FFF
_JAPANESE, _ENGLISH = (0x411, 7, 2, 12), (0x409, 4, 0, 12)
_LAYOUT_AT, _KEYBOARD_AT, _CORE_LEAST = 12, 52, 64


class _Mcs(IntEnum):
    ERECT, ULTIMATUM, ATTACH, ATTACHED, JOIN, JOINED, SEND, SENT = 1, 8, 10, 11, 14, 15, 25, 26


_BROWSERS = frozenset({_Mcs.ERECT, _Mcs.ULTIMATUM, _Mcs.ATTACH, _Mcs.JOIN, _Mcs.SEND})
_HOSTS = frozenset({_Mcs.ULTIMATUM, _Mcs.ATTACHED, _Mcs.JOINED, _Mcs.SENT})


@dataclass(slots=True)
class RdpFilter:
    """One connection. ``keys`` is ``ja`` or ``en``, anything else leaves the keyboard as asked for.

    ``removed`` names the static channels that were taken out, for the record.
    """

    keys: str = ""
    removed: list[str] = field(default_factory=list)
    _up: bytearray = field(default_factory=bytearray)
    _down: bytearray = field(default_factory=bytearray)
    _asked: list[str] = field(default_factory=list)
    _initial: bool = False
    _response: bool = False
    _early: bool = False
    _known: set[int] = field(default_factory=set)
    _dynamic_id: int = 0
    _user: int = 0
    _dynamic: DynamicChannels = field(default_factory=DynamicChannels)

    @property
    def begun(self) -> bool:
        """Tell whether NLA is over: a client goes on only after the host has let it in."""
        return self._initial

    @property
    def done(self) -> str:
        """Name the static channels that were taken out."""
        return f"taken out: {', '.join(self.removed)}" if self.removed else ""

    def from_browser(self, data: bytes) -> tuple[bytes, bytes]:
        """Judge what the browser sent; see ``filters.Filter``."""
        self._up += data
        out = bytearray()
        for packet in self._packets(self._up, host=False):
            out += self._judge_browser(packet)
        return bytes(out), b""

    def from_host(self, data: bytes) -> tuple[bytes, bytes]:
        """Judge what the host sent; see ``filters.Filter``."""
        self._down += data
        out, back = bytearray(), bytearray()
        for packet in self._packets(self._down, host=True):
            passed, answer = self._judge_host(packet)
            out += passed
            back += answer
        return bytes(back), bytes(out)

    # ── packets ──────────────────────────────────────────────────────────────────────────────────

    def _packets(self, kept: bytearray, *, host: bool) -> Sequence[bytes]:
        """Take the whole packets off the front of what was kept."""
        found: list[bytes] = []
        place = 0
        begun = self._response if host else self._initial
        while place < len(kept):
            size = self._size(kept[place : place + 8], begun=begun, host=host)
            if size is None or place + size > len(kept):
                break
            found.append(bytes(kept[place : place + size]))
            place += size
            begun = begun or found[-1][0] == _TPKT
        del kept[:place]
        return found

    def _size(self, head: bytearray, *, begun: bool, host: bool) -> int | None:
        """Return the size of the packet that begins so; None: not known yet."""
        why = Why.HOST_MALFORMED if host else Why.MALFORMED
        if head[0] == _TPKT:
            return _tpkt_size(head, why)
        if begun:
            return _fast_size(head, why)
        if head[0] == _DER:
            return _nla_size(head, why)
        if host and not self._early:
            return _EARLY_RESULT
        raise ViolationError(why, "neither NLA nor RDP")

    # ── what the browser sends ───────────────────────────────────────────────────────────────────

    def _judge_browser(self, packet: bytes) -> bytes:
        if packet[0] != _TPKT:
            return packet
        body = _body(packet, Why.MALFORMED)
        if not self._initial:
            self._initial = True
            return _wrap(self._change_initial(body))
        kind = body[0] >> 2
        if kind not in _BROWSERS:
            raise ViolationError(Why.MALFORMED, f"MCS {kind} from the browser")
        if kind == _Mcs.JOIN:
            self._judge_join(body)
        elif kind == _Mcs.SEND:
            channel, data = _read_sent(body, Why.MALFORMED)
            self._judge_channel(channel, Why.CHANNEL)
            if channel == self._dynamic_id and not self._dynamic.from_browser(data):
                return b""
        return packet

    def _judge_join(self, body: bytes) -> None:
        if len(body) != 5:  # noqa: PLR2004 - choice, user and channel
            raise ViolationError(Why.MALFORMED, "a request to join of another length")
        self._judge_channel(int.from_bytes(body[3:5]), Why.CHANNEL)

    def _judge_channel(self, channel: int, why: Why) -> None:
        if channel not in self._known:
            raise ViolationError(why, f"channel {channel}")

    def _change_initial(self, body: bytes) -> bytes:
        try:
            return gcc.change_initial(body, self._change_blocks)
        except gcc.NotGccError as error:
            raise ViolationError(Why.MALFORMED, str(error)) from error

    def _change_blocks(self, blocks: Sequence[gcc.Block]) -> list[gcc.Block]:
        changed: list[gcc.Block] = []
        for block in blocks:
            if block.kind == gcc.CORE:
                changed.append(set_keyboard(block, self.keys))
            elif block.kind == gcc.NETWORK:
                changed.append(self._take_out(block))
            elif block.kind != gcc.MULTITRANSPORT:  # a second way, by UDP, past this filter
                changed.append(block)
        return changed

    def _take_out(self, block: gcc.Block) -> gcc.Block:
        channels = gcc.read_channels(block)
        kept = [channel for channel in channels if channel.name in ALLOWED]
        self.removed = [channel.name for channel in channels if channel.name not in ALLOWED]
        self._asked = [channel.name for channel in kept]
        if len(set(self._asked)) != len(kept):
            raise gcc.NotGccError("a channel is asked for twice")
        return gcc.write_channels(kept)

    # ── what the host sends ──────────────────────────────────────────────────────────────────────

    def _judge_host(self, packet: bytes) -> tuple[bytes, bytes]:
        """Return what passes to the browser, and what is answered in its place."""
        if packet[0] != _TPKT:
            self._early = self._early or packet[0] != _DER
            return packet, b""
        body = _body(packet, Why.HOST_MALFORMED)
        if not self._response:
            self._read_response(body)
            return packet, b""
        kind = body[0] >> 2
        if kind not in _HOSTS:
            raise ViolationError(Why.HOST_MALFORMED, f"MCS {kind} from the host")
        if kind == _Mcs.ATTACHED and body[0] & 2 and len(body) == 4:  # noqa: PLR2004 - with a user
            self._user = _FIRST_USER + int.from_bytes(body[2:4])
            self._known.add(self._user)
        elif kind == _Mcs.SENT:
            return self._judge_sent(packet, body)
        return packet, b""

    def _judge_sent(self, packet: bytes, body: bytes) -> tuple[bytes, bytes]:
        channel, data = _read_sent(body, Why.HOST_MALFORMED)
        self._judge_channel(channel, Why.HOST_MALFORMED)
        if channel != self._dynamic_id:
            return packet, b""
        passes, answer = self._dynamic.from_host(data)
        back = write_send(self._user, channel, answer) if answer else b""
        return (packet if passes else b""), back

    def _read_response(self, body: bytes) -> None:
        if not self._initial:
            raise ViolationError(Why.HOST_MALFORMED, "an answer before the question")
        self._response = True
        try:
            blocks = {block.kind: block for block in gcc.read_response(body)}
            screen, granted = gcc.read_granted(blocks[gcc.SERVER_NETWORK])
        except (gcc.NotGccError, KeyError) as error:
            raise ViolationError(Why.HOST_MALFORMED, f"no channels: {error}") from error
        if len(granted) != len(self._asked):
            raise ViolationError(Why.HOST_MALFORMED, "other channels than were asked for")
        self._known = {screen, *(each for each in granted if each)}
        self._dynamic_id = dict(zip(self._asked, granted, strict=True)).get("drdynvc", 0)
        if gcc.SERVER_MESSAGE in blocks:
            self._known.add(int.from_bytes(blocks[gcc.SERVER_MESSAGE].content[:2], "little"))


def set_keyboard(block: gcc.Block, keys: str) -> gcc.Block:
    """Return the client's core settings with the keyboard that the person has chosen."""
    chosen = {"ja": _JAPANESE, "en": _ENGLISH}.get(keys)
    if len(block.content) < _CORE_LEAST:
        raise gcc.NotGccError("the core settings are too short")
    if chosen is None:
        return block
    layout, *kind = (number.to_bytes(4, "little") for number in chosen)
    content = bytearray(block.content)
    content[_LAYOUT_AT : _LAYOUT_AT + 4] = layout
    content[_KEYBOARD_AT : _KEYBOARD_AT + 12] = b"".join(kind)
    return gcc.Block(block.kind, bytes(content))


def write_send(user: int, channel: int, data: bytes) -> bytes:
    """Return a packet of a client that sends data on a channel (T.125's SendDataRequest)."""
    head = bytes((_Mcs.SEND << 2,)) + (user - _FIRST_USER).to_bytes(2) + channel.to_bytes(2)
    return _wrap(head + b"\x70" + (len(data) | 0x8000).to_bytes(2) + data)


def _wrap(body: bytes) -> bytes:
    size = _BODY + len(body)
    return bytes((_TPKT, 0)) + size.to_bytes(2) + _DATA_HEAD + body


def _body(packet: bytes, why: Why) -> bytes:
    if packet[4:_BODY] != _DATA_HEAD or len(packet) <= _BODY:
        raise ViolationError(why, "no X.224 data")
    return packet[_BODY:]


def _read_sent(body: bytes, why: Why) -> tuple[int, bytes]:
    """Return the channel and the data of T.125's SendDataRequest or SendDataIndication."""
    if len(body) < 7:  # noqa: PLR2004 - choice, user, channel, flags and a length
        raise ViolationError(why, "data without a head")
    size, start = body[6], 7
    if size & 0x80:
        if size & 0x40 or len(body) < 8:  # noqa: PLR2004 - a length of two bytes, never in pieces
            raise ViolationError(why, "data in pieces")
        size, start = int.from_bytes(body[6:8]) & _MOST_DATA, 8
    if start + size != len(body):
        raise ViolationError(why, "data of another length")
    return int.from_bytes(body[3:5]), body[start:]


def _tpkt_size(head: bytearray, why: Why) -> int | None:
    if len(head) < 4:  # noqa: PLR2004 - TPKT's head
        return None
    size = int.from_bytes(head[2:4])
    if head[1] != 0 or size <= _BODY:
        raise ViolationError(why, "a TPKT packet of another form")
    return size


def _fast_size(head: bytearray, why: Why) -> int | None:
    """Return the size of a packet on the fast path ([MS-RDPBCGR] 2.2.8.1.2 and 2.2.9.1.2)."""
    if head[0] & 3:
        raise ViolationError(why, "neither TPKT nor fast path")
    if len(head) < 3:  # noqa: PLR2004 - the longer form of the head
        return None
    size = head[1] if not head[1] & 0x80 else int.from_bytes(head[1:3]) & 0x7FFF
    if size < 3:  # noqa: PLR2004 - head and something in it
        raise ViolationError(why, "an empty packet on the fast path")
    return size


def _nla_size(head: bytearray, why: Why) -> int | None:
    try:
        size = der.size_at(bytes(head))
    except der.NotDerError as error:
        raise ViolationError(why, str(error)) from error
    if size is not None and size > LONGEST_NLA:
        raise ViolationError(why, "a message of NLA that is too long")
    return size
