"""osquery's TLS remote API as typed replies, judged by the body alone.

Source: osquery 5.23 ``remote/utility.h`` (failure = unparsable JSON, ``node_invalid: true`` or a
top-level ``error``; the HTTP status is ignored; an empty body is success), ``distributed.cpp``
(``acceptWork``: names and SQL are non-empty strings, ``accelerate`` a JSON integer).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sekisho.wire import fields
from sekisho.wire.errors import MessageError, SaidError, Words, words

ENROLL = "/api/osquery/enroll"
CONFIG = "/api/osquery/config"
LOG = "/api/osquery/log"
READ = "/api/osquery/distributed/read"
WRITE = "/api/osquery/distributed/write"
CERTIFICATE = "/api/agent/certificate"
GATE = "/api/agent/gate"
CONSENT = "/api/agent/consent"
WITHDRAW = "/api/agent/withdraw"
PAUSE = "/api/agent/pause"

MAX_QUERIES = 1000
MAX_INTERVAL_SECONDS = 604_800
MAX_ACCELERATE_SECONDS = 3_600


class NodeInvalidError(SaidError):
    """The server does not know this node any more: enrol again."""


class ServerRefusedError(SaidError):
    """The server answered with an error; nothing may be taken as delivered."""


@dataclass(frozen=True, slots=True)
class ScheduledQuery:
    """A snapshot query to run every ``interval`` seconds even without a server."""

    name: str
    sql: str
    interval: int


@dataclass(frozen=True, slots=True)
class Config:
    """What the server configured; ``manifest`` is the signed manifest message, if one came."""

    schedule: tuple[ScheduledQuery, ...] = ()
    distributed_interval: int = 60
    manifest: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """Questions to answer now; ``accelerate`` asks to come back every 5 s for so many seconds."""

    queries: Mapping[str, str] = field(default_factory=dict)
    discovery: Mapping[str, str] = field(default_factory=dict)
    accelerate: int = 0


def parse_reply(body: bytes, path: str) -> dict[str, object]:
    """Judge a reply; raises ``NodeInvalidError``, ``ServerRefusedError`` or ``MessageError``."""
    if not body:
        return {}
    where = _reply_to(path)
    reply = fields.parse_object(body, where)
    invalid = reply.get("node_invalid", False)
    if not isinstance(invalid, bool):
        raise MessageError(
            "%(where)s has a “node_invalid” that is neither true nor false", where=where
        )
    if invalid:
        raise NodeInvalidError(
            "the server does not know this device: %(why)s", why=_quote(reply.get("error", ""))
        )
    if "error" in reply:
        raise ServerRefusedError("the server refused: %(why)s", why=_quote(reply["error"]))
    return reply


def parse_enrolment(reply: fields.JSONObject) -> str:
    """Return the node key of an enroll reply (``node_key``, or ``id`` as osquery also takes)."""
    name = "node_key" if reply.get("node_key") else "id"
    if not reply.get(name):
        name = "node_key"
    return fields.text(reply, name, _reply_to(ENROLL))


def _reply_to(path: str) -> Words:
    return words("the reply to %(path)s", path=path)


def _quote(said: object) -> str:
    """Return the server's own words, bounded."""
    return str(said)[:500]


def parse_work(reply: fields.JSONObject) -> Work:
    """Read a distributed/read reply; one bad entry rejects the whole, as osquery does."""
    where = _reply_to(READ)
    queries = fields.texts_by_name(reply, "queries", where)
    if len(queries) > MAX_QUERIES:
        raise _too_many(where, len(queries))
    accelerate = reply.get("accelerate")
    seconds = accelerate if type(accelerate) is int and accelerate > 0 else 0
    return Work(
        queries,
        fields.texts_by_name(reply, "discovery", where),
        min(seconds, MAX_ACCELERATE_SECONDS),
    )


def parse_config(reply: fields.JSONObject) -> Config:
    """Read a config reply: snapshot queries of ``schedule`` and ``packs``, and our own options."""
    where = _reply_to(CONFIG)
    found = list(_queries(fields.mapping(reply, "schedule", where), "", where))
    for pack, body in fields.mapping(reply, "packs", where).items():
        if not isinstance(body, dict):
            raise MessageError(
                "%(where)s has a “%(name)s” that is not an object", where=where, name=pack
            )
        place = words("%(where)s, %(part)s", where=where, part=pack)
        queries = fields.mapping(body, "queries", place)
        found += _queries(queries, f"pack_{pack}_", where)
    if len(found) > MAX_QUERIES:
        raise _too_many(where, len(found))
    return Config(
        tuple(found),
        _interval(fields.mapping(reply, "options", where)),
        fields.mapping(reply, "sekisho_manifest", where),
    )


def _too_many(where: Words, count: int) -> MessageError:
    return MessageError(
        "%(where)s has %(got)s queries; at most %(most)s are taken",
        where=where, got=count, most=MAX_QUERIES,
    )  # fmt: skip


def _queries(source: Mapping[str, object], prefix: str, where: Words) -> list[ScheduledQuery]:
    return [_query(f"{prefix}{name}", body, where) for name, body in source.items()]


def _query(name: str, body: object, where: Words) -> ScheduledQuery:
    if not isinstance(body, dict):
        raise MessageError(
            "%(where)s has a “%(name)s” that is not an object", where=where, name=name
        )
    place = words("%(where)s, %(part)s", where=where, part=name)
    raw = body.get("interval")
    interval = int(raw) if isinstance(raw, str) and raw.isdecimal() and len(raw) < 10 else raw  # noqa: PLR2004 - more digits than the longest interval
    if type(interval) is not int or not 0 < interval <= MAX_INTERVAL_SECONDS:
        raise MessageError(
            "%(where)s has an interval that is not 1 to %(most)s seconds",
            where=place,
            most=MAX_INTERVAL_SECONDS,
        )
    return ScheduledQuery(name, fields.text(body, "query", place), interval)


def _interval(options: Mapping[str, object]) -> int:
    """Take ``distributed_interval`` within 5 s to 1 h; anything else keeps 60 s."""
    value = options.get("distributed_interval")
    return value if type(value) is int and 5 <= value <= 3600 else 60  # noqa: PLR2004 - bounds said above
