"""A client of HTTP/2 that sends what it is told, right or wrong (RFC 9113, RFC 7541).

It compresses nothing and asks the server not to, so that nothing has to be kept between frames.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The connection's beginning, with settings that change nothing (RFC 9113 section 3.4)."""
_PREFACE = PREFACE[:24]
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_WIDE = (1 << 30).to_bytes(4)
_TABLE_SIZE, _WINDOW_SIZE = 1, 4
_STATIC = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
RESET = 0
"""The status of a stream (or connection) that was ended without an answer."""

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What came back on one stream so far."""

    status: int = -1
    body: bytes = b""
    ended: bool = False


@dataclass
class H2:
    """One connection."""

    sock: socket.socket
    answers: dict[int, Answer] = field(default_factory=dict)
    _unread: bytes = b""

    def __post_init__(self) -> None:
        wanted = _TABLE_SIZE.to_bytes(2) + bytes(4) + _WINDOW_SIZE.to_bytes(2) + _WIDE
        self.sock.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, wanted) + _frame(_WINDOW, 0, 0, _WIDE))

    def ask(self, headers: Headers, body: bytes | None = None, *, stays: bool = False) -> int:
        """Send a request; return its stream. ``stays`` leaves our side open."""
        stream = 1 + 2 * len(self.answers)
        self.answers[stream] = Answer()
        block = b"".join(_literal(name, value) for name, value in headers)
        ends = 0 if stays or body is not None else _END_STREAM
        self.sock.sendall(_frame(_HEADERS, _END_HEADERS | ends, stream, block))
        if body is not None:
            self.send(stream, body, 0 if stays else _END_STREAM)
        return stream

    def send(self, stream: int, body: bytes, flags: int = 0) -> None:
        """Send one frame of data (at most 16 KiB)."""
        self.sock.sendall(_frame(_DATA, flags, stream, body))

    def get(self, headers: Headers, body: bytes | None = None) -> Answer:
        """Send a request and wait for the whole answer."""
        stream = self.ask(headers, body)
        while not self.answers[stream].ended:
            self.read()
        return self.answers[stream]

    def head(self, stream: int) -> int:
        """Wait for the head of an answer; return its status."""
        answer = self.answers[stream]
        while answer.status < 0 and not answer.ended:
            self.read()
        return answer.status

    def read(self) -> None:
        """Take one frame; the end of the connection ends every stream."""
        try:
            head = self._take(9)
            payload = self._take(int.from_bytes(head[:3]))
        except OSError:
            self._end_all()
            return
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:]) & 0x7FFFFFFF
        if kind in {_SETTINGS, _PING} and not flags & _ACK:
            self.sock.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        if kind == _GOAWAY:
            self._end_all()
        if stream in self.answers:
            _take_up(self.answers[stream], kind, flags, payload)

    def _end_all(self) -> None:
        for answer in self.answers.values():
            answer.status, answer.ended = max(answer.status, RESET), True

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionResetError
            self._unread += piece
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken


def _take_up(answer: Answer, kind: int, flags: int, payload: bytes) -> None:
    if kind == _HEADERS and answer.status < 0:
        answer.status = _status(payload)
    if kind == _DATA:
        answer.body += payload
    if kind == _RESET:
        answer.status = max(answer.status, RESET)
    answer.ended |= kind == _RESET or (kind in {_HEADERS, _DATA} and bool(flags & _END_STREAM))


def _status(block: bytes) -> int:
    """Read the first field of an answer, which is ``:status``."""
    while block[0] >> 5 == 1:  # a change of the table's size
        block = block[1:]
    if block[0] & 0x80:
        return _STATIC[block[0] & 0x7F]
    if block[1] & 0x80:
        return int(_digits(block[2 : 2 + (block[1] & 0x7F)]))
    return int(block[2:5])


def _digits(packed: bytes) -> str:
    """Undo Huffman's code for digits (RFC 7541, appendix B)."""
    bits, found = "".join(f"{byte:08b}" for byte in packed), ""
    while len(found) < 3:
        short = int(bits[:5], 2)
        found += str(short if short <= 2 else int(bits[:6], 2) - 0x19 + 3)
        bits = bits[5 if short <= 2 else 6 :]
    return found


def _literal(name: str, value: str) -> bytes:
    return b"\x10" + _text(name.encode("latin-1")) + _text(value.encode("latin-1"))


def _text(raw: bytes) -> bytes:
    """Write a string with its length as an integer of seven bits and more."""
    if len(raw) < 0x7F:
        return bytes([len(raw)]) + raw
    left, written = len(raw) - 0x7F, bytearray([0x7F])
    while left >= 0x80:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    written.append(left)
    return bytes(written) + raw


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
