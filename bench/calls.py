"""What one process of simulated clients is told, what it tells, and one exchange of a device."""

import gzip
import ssl
from collections import deque
from typing import Any

import msgspec
from bench.made_devices import Device, Population

REQUEST_SECONDS = 16.0  # osqueryd gives an exchange up after this time
RETRY_WAITS = (1.0, 4.0)  # osqueryd's second and third attempt
READ, CONFIG, LOG, WRITE, ENROLL = "read", "config", "log", "write", "enroll"
PATHS = {
    READ: "/api/osquery/distributed/read",
    CONFIG: "/api/osquery/config",
    LOG: "/api/osquery/log",
    WRITE: "/api/osquery/distributed/write",
    ENROLL: "/api/osquery/enroll",
}


class Cadence(msgspec.Struct, frozen=True):
    """Seconds between two calls of one device, by kind."""

    read: float
    config: float
    log: float


class Job(msgspec.Struct, frozen=True):
    """What this process shall play; times in seconds, shares between 0 and 1.

    Devices with a node key begin one after the other over the ``ramp`` (make it as long as they
    wait between two reads, and the load is even afterwards); those without enrol now and then.
    The devices share ``lines`` connections, which stay open as osqueryd's do: one for each where
    the machine's limit of open files leaves room, else some for two devices. ``warm`` seconds
    pass between the last connection and the measurement.
    """

    host: str
    port: int
    ca: str
    secret: str
    population: Population
    cadence: Cadence
    lines: int
    ramp: float
    warm: float
    seconds: float
    lost: float
    report: str


class Report(msgspec.Struct):
    """What happened while it was measured; latencies in seconds by kind of call.

    ``answers``: device → check → whether it passed, of every write whose reply came back, and
    ``sent`` when the last of them were asked for. ``lag``: how late this process itself began calls
    (99th percentile).
    """

    began: float = 0.0
    ended: float = 0.0
    latencies: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    errors: dict[str, int] = {}
    answers: dict[str, dict[str, bool]] = {}
    sent: dict[str, float] = {}
    keys: dict[str, str] = {}
    connected: int = 0
    lag: float = 0.0
    cpu: float = 0.0
    config_bytes: int = 0


class Client:
    """One device: its key, its results that nobody has taken yet, and its connection."""

    __slots__ = ("configured", "device", "key", "line", "results", "sent")

    def __init__(self, device: Device, line: "Line") -> None:
        self.device = device
        self.key = device.node_key
        self.line = line
        self.configured = False
        self.results: dict[str, Any] = {}
        self.sent = 0.0


class Call:
    """One exchange: whose, what, wanted when, tried how often."""

    __slots__ = ("client", "kind", "tries", "wanted")

    def __init__(self, client: Client, kind: str, wanted: float) -> None:
        self.client = client
        self.kind = kind
        self.wanted = wanted
        self.tries = 0


class Line:
    """One connection and the calls that wait for it; usually of one device alone."""

    __slots__ = ("buffer", "call", "deadline", "drop", "fresh", "open", "out", "queue", "sock")

    def __init__(self) -> None:
        self.sock: ssl.SSLSocket | None = None
        self.open = False  # the handshake is over
        self.fresh = True  # nothing was answered on this connection yet
        self.call: Call | None = None
        self.queue: deque[Call] = deque()
        self.buffer = b""
        self.out = b""
        self.deadline = 0.0
        self.drop = False


def content_length(head: bytes) -> int:
    """Return the length of the body that a reply's head announces."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionResetError("a reply without Content-Length")


def read_reply(head: bytes, body: bytes) -> dict[str, Any]:
    """Return the JSON of a reply; an empty body is success and says nothing."""
    if b"content-encoding: gzip" in head.lower():
        body = gzip.decompress(body)
    try:
        reply = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError:
        return {"error": f"not JSON: {body[:80]!r}"}
    return reply if isinstance(reply, dict) else {"error": "not an object"}
