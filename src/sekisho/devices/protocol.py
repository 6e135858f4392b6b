"""The messages of osquery's TLS remote API, decoded from bytes and never trusted.

Shapes follow osquery 5.12 to 5.23 (``docs/wiki/deployment/remote.md`` and the code where the two
differ): all column values are strings unless ``--logger_numerics``, ``unixTime`` is a number now
and was a string once, ``platform_type`` is a mask in a string. Every decoder takes bytes and gives
a frozen struct, or raises InvalidInputError that says what was got.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from sekisho.devices.model import Platform
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

CHECK_PREFIX: Final = "fleet_policy_query_"
READY_PREFIX: Final = "sekisho_ready_"
DETAIL_PREFIX: Final = "sekisho_detail_"
CARVE_PREFIX: Final = "sekisho_carve_"
PACK: Final = "sekisho"
SCHEDULE_ERROR: Final = "Error executing scheduled query "
MAX_NAME = 200  # characters of a query name, host identifier or kind
MAX_MESSAGE = 1_000  # characters of an error message that are kept
_TOP_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second Python can tell

T = TypeVar("T")


class _Message(msgspec.Struct, frozen=True, gc=False):
    node_key: str = ""


class NodeRequest(_Message, frozen=True, gc=False):
    """``config`` and ``distributed/read``: nothing but who asks."""


class EnrollRequest(msgspec.Struct, frozen=True):
    """``enroll``; ``ownership`` is ours: the agent says for which ownership it was started."""

    enroll_secret: str = ""
    host_identifier: str = ""
    platform_type: str | int = ""
    host_details: dict[str, Any] = {}
    ownership: str | None = None


class LogRequest(_Message, frozen=True):
    """``log``: lines stay raw so that one bad line cannot hold up the others for ever."""

    log_type: str = ""
    data: list[msgspec.Raw] = []


class LogLine(msgspec.Struct, frozen=True):
    """One line: a snapshot, a batch or one row of differences, or a status."""

    name: str = ""
    hostIdentifier: str = ""  # noqa: N815 - osquery's name
    unixTime: Any = 0  # noqa: N815 - osquery's name
    epoch: Any = 0
    counter: Any = 0
    action: str = ""
    snapshot: list[Any] | None = None
    decorations: dict[str, Any] = {}
    severity: Any = 0
    message: str = ""


class WriteRequest(_Message, frozen=True):
    """``distributed/write``: answers, and how each query went, by the name it was asked under."""

    queries: dict[str, msgspec.Raw] = {}
    statuses: dict[str, Any] = {}
    messages: dict[str, Any] = {}


class CarveBegin(_Message, frozen=True):
    """``carve/begin``: sizes in bytes; ``carve_id`` is the guid the query's row told."""

    block_count: Any = 0
    block_size: Any = 0
    carve_size: Any = 0
    carve_id: str = ""
    request_id: str = ""


class CarveBlock(_Message, frozen=True):
    """``carve/block``: one block in base64; before 5.23 the session alone names the sender."""

    block_id: Any = 0
    session_id: str = ""
    request_id: str = ""
    data: str = ""


class CertificateRequest(_Message, frozen=True):
    """``agent/certificate``: a PKCS #10 request as PEM, and where its key lies."""

    csr: str = ""
    key_storage: str = ""


class ConsentRequest(_Message, frozen=True):
    """``agent/consent``: which text the owner agreed to."""

    text_version: str = ""


class PauseRequest(_Message, frozen=True):
    """``agent/pause``: pause or go on."""

    paused: bool = True


KINDS: Final[tuple[type, ...]] = (
    NodeRequest, EnrollRequest, LogRequest, WriteRequest, CarveBegin, CarveBlock,
    CertificateRequest, ConsentRequest, PauseRequest,
)  # fmt: skip
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in KINDS
}
_LINE = msgspec.json.Decoder(LogLine)
_ROWS = msgspec.json.Decoder(list[dict[str, Any]])


def decode(body: bytes, kind: type[T]) -> T:
    """Decode one message; raise InvalidInputError with what is wrong with it."""
    try:
        message: T = _DECODERS[kind].decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError) as error:
        raise InvalidInputError(
            msg("The body is not the JSON that is expected here: %(why)s",
                why=clean_text(str(error), MAX_NAME)),
            hint=msg("Send what osquery's TLS remote API describes, in UTF-8."),
        ) from error  # fmt: skip
    return message


def decode_lines(raw: list[msgspec.Raw]) -> Iterator[LogLine | None]:
    """Decode log lines one by one; a line that is not one gives None."""
    for line in raw:
        try:
            yield _LINE.decode(line)
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
            yield None


def decode_rows(raw: msgspec.Raw) -> list[dict[str, Any]] | None:
    """Decode the rows of one answer; None if they are not rows (old osquery sends "" on error)."""
    try:
        return _ROWS.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
        return None


def clean_text(value: object, limit: int = MAX_NAME) -> str:
    """Return ``value`` as text that every database can store: no NUL, no surrogate, bounded."""
    text = value if isinstance(value, str) else str(value) if _is_scalar(value) else ""
    cut = text[:limit]
    if cut.isascii() and "\0" not in cut:
        return cut
    return cut.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def read_integer(value: object, low: int, high: int) -> int | None:
    """Return an integer sent as a number or as a string; None if it is none within the bounds."""
    if isinstance(value, str) and len(value) <= len(str(high)) + 2:
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def read_unix_time(value: object) -> int | None:
    """Return seconds since 1970 from a number or a string; None if it is no such thing."""
    return read_integer(value, 1, _TOP_TIME)


def read_status(value: object) -> int:
    """Return a distributed status: 0 is fine, anything that cannot be read is a failure (1)."""
    got = read_integer(value, -(1 << 31), 1 << 31)
    return 1 if got is None else got


def read_platform(platform_type: object, os_version: Mapping[str, object]) -> Platform:
    """Tell the platform from osquery's mask (Windows 2, Linux 8, macOS 16) or from os_version."""
    mask = read_integer(platform_type, 0, 1 << 16) or 0
    for bit, platform in ((2, Platform.WINDOWS), (16, Platform.DARWIN), (8, Platform.LINUX)):
        if mask & bit:
            return platform
    named = f"{os_version.get('platform', '')} {os_version.get('platform_like', '')}".lower()
    for word, platform in _PLATFORM_WORDS.items():
        if word in named:
            return platform
    raise InvalidInputError(
        msg("The platform %(got)s is not known; Windows, macOS or Linux is expected.",
            got=clean_text(platform_type)),
        hint=msg("Enrol this device with an agent for Windows, macOS or Linux."),
    )  # fmt: skip


_PLATFORM_WORDS = {
    "windows": Platform.WINDOWS, "darwin": Platform.DARWIN, "ubuntu": Platform.LINUX,
    "debian": Platform.LINUX, "rhel": Platform.LINUX, "linux": Platform.LINUX,
    "fedora": Platform.LINUX, "arch": Platform.LINUX, "suse": Platform.LINUX,
}  # fmt: skip


def query_of_line(name: str) -> str:
    """Return the query's own name from ``pack/sekisho/<name>`` or ``pack_sekisho_<name>``."""
    for prefix in (f"pack/{PACK}/", f"pack_{PACK}_"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def query_of_error(message: str) -> tuple[str, str] | None:
    """Return query and reason of a status line that tells of a failed scheduled query."""
    if not message.startswith(SCHEDULE_ERROR):
        return None
    name, _, reason = message[len(SCHEDULE_ERROR) :].partition(": ")
    return query_of_line(clean_text(name)), clean_text(reason, MAX_MESSAGE)


def digest_line(raw: msgspec.Raw | bytes) -> str:
    """Return the digest by which a repeated line is known (128 bits, hex)."""
    return hashlib.blake2b(bytes(raw), digest_size=16).hexdigest()


def is_constant(rows: list[dict[str, Any]]) -> bool:
    """Tell whether an answer carries nothing but the constant 1, as a private PC's must.

    The number of rows says yes or no; one column whose value is 1 says nothing more.
    """
    return all(len(row) == 1 and next(iter(row.values())) in ("1", 1) for row in rows)


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float, bool))
