"""What the agent and its server say to each other: enrol, config, work, answers, log lines.

Each function is one exchange; the loop decides when. Nothing is deleted before the good reply.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sekisho.agent import manifest
from sekisho.agent.builtin import AGENT_VERSION, PLATFORM_MASKS
from sekisho.agent.link import Link
from sekisho.agent.sql import Answer, Engine
from sekisho.agent.state import State
from sekisho.wire import osquery
from sekisho.wire.errors import MessageError, words
from sekisho.wire.kit import Kit, Ownership
from sekisho.wire.manifest import Manifest, SignedManifest

LOG_LINES = 1_024
CHECK_PREFIXES = ("fleet_policy_query_", "sekisho_ready_", "sekisho_detail_")
MAX_REMEMBERED = 500

# Tables of enroll's host_details, and the columns told (none named: all).
_COMPANY_DETAILS: Mapping[str, frozenset[str]] = {
    "os_version": frozenset(),
    "osquery_info": frozenset(),
    "system_info": frozenset(),
    "platform_info": frozenset(),
}
_PRIVATE_DETAILS: Mapping[str, frozenset[str]] = {
    "os_version": frozenset({"name", "version", "major", "minor", "patch", "build", "platform"}),
    "osquery_info": frozenset({"version", "instance_id", "build_platform", "platform_mask"}),
}

_OWNED = {Ownership.COMPANY: words("company"), Ownership.PRIVATE: words("private")}

Verifier = Callable[[SignedManifest, str], bool]
"""(message, the kit's key) → whether the organisation signed it."""


@dataclass(slots=True)
class Session:
    """Everything one conversation needs; ``verify`` checks a manifest's signature."""

    state: State
    engine: Engine
    link: Link
    kit: Kit
    platform: str
    verify: Verifier
    config: osquery.Config = field(default_factory=osquery.Config)

    @property
    def node_key(self) -> str:
        """The key that the server gave at enrolment, or ""."""
        return self.state.get("node_key")

    def close(self) -> None:
        """Close the connection; what is remembered stays open for who opened it."""
        self.link.close()

    def gate(self) -> manifest.Gate:
        """Return what may be read, from the remembered approval and the signed manifest."""
        return load_gate(self.state, self.kit)


def load_gate(state: State, kit: Kit) -> manifest.Gate:
    """Read approval and offer; a damaged entry approves nothing."""
    approved, offered = load_manifest(state, "approved"), load_manifest(state, "offered")
    return manifest.Gate(
        kit.ownership,
        approved.reads if approved else frozenset(),
        offered.reads if offered else frozenset(),
    )


def load_manifest(state: State, name: str) -> Manifest | None:
    """Return a remembered manifest whose signature was verified when it came, or None."""
    stored = state.get_json(f"manifest_{name}")
    return Manifest.parse(SignedManifest.parse(stored).payload) if stored else None


def enrol(session: Session) -> None:
    """Ask for a node key and remember it; raises what ``Link.post`` raises, or MessageError."""
    reply = session.link.post(
        osquery.ENROLL,
        {
            "enroll_secret": session.kit.secret,
            "host_identifier": session.state.get("host_identifier"),
            "platform_type": str(PLATFORM_MASKS[session.platform]),
            "host_details": describe_host(session.engine, session.kit.ownership),
        },
    )
    session.state.put(node_key=osquery.parse_enrolment(reply))


def tell_paused(session: Session, *, paused: bool) -> None:
    """Tell the server that the owner paused this device, or goes on."""
    body = {"node_key": session.node_key, "paused": paused}
    session.link.post(osquery.PAUSE, body, node_key=session.node_key)


def withdraw(session: Session) -> None:
    """Withdraw the owner's consent: the server deletes what it learned from this device."""
    session.link.post(osquery.WITHDRAW, {"node_key": session.node_key}, node_key=session.node_key)


def describe_host(engine: Engine, ownership: Ownership) -> dict[str, dict[str, str]]:
    """Return enroll's host_details; a private device tells its platform and version only."""
    tables = _PRIVATE_DETAILS if ownership is Ownership.PRIVATE else _COMPANY_DETAILS
    details: dict[str, dict[str, str]] = {}
    for name, columns in tables.items():
        found = engine.run(f"SELECT * FROM {name} LIMIT 1")  # noqa: S608 - names from the constants
        for row in found.rows:
            details[name] = {key: row[key] for key in row if not columns or key in columns}
    return details


def fetch_config(session: Session) -> None:
    """Fetch the configuration and keep a newly signed manifest for the owner to see."""
    reply = session.link.post(
        osquery.CONFIG, {"node_key": session.node_key}, node_key=session.node_key
    )
    session.config = osquery.parse_config(reply)
    if session.config.manifest:
        accept_manifest(session, SignedManifest.parse(session.config.manifest))


def accept_manifest(session: Session, offered: SignedManifest) -> None:
    """Remember a manifest that the organisation signed; others raise ``MessageError``."""
    message = json.dumps(offered.to_message())
    if message == session.state.get("manifest_offered"):
        return
    if not session.verify(offered, session.kit.manifest_key):
        raise MessageError(
            "the manifest's signature is not by the organisation's key in the kit; it was dropped. "
            "Ask the organisation for a new kit"
        )
    parsed = Manifest.parse(offered.payload)
    if parsed.ownership is not session.kit.ownership:
        raise MessageError(
            "the manifest is for %(got)s devices, and this one is %(want)s; it was dropped",
            got=_OWNED[parsed.ownership],
            want=_OWNED[session.kit.ownership],
        )
    session.state.put(manifest_offered=message)


def fetch_work(session: Session) -> osquery.Work:
    """Fetch the questions that are due."""
    reply = session.link.post(
        osquery.READ, {"node_key": session.node_key}, node_key=session.node_key
    )
    return osquery.parse_work(reply)


def answer_work(session: Session, work: osquery.Work, stopping: Callable[[], bool]) -> None:
    """Answer questions in the order of their names and keep the answers until they are sent."""
    remember_queries(session, work.queries)
    gate = session.gate()
    for name in sorted(work.queries):
        if stopping():
            return
        found = _answer_one(session, gate, work, name)
        if found is not None:
            session.state.put_results({name: result_body(found)})


def _answer_one(
    session: Session, gate: manifest.Gate, work: osquery.Work, name: str
) -> Answer | None:
    """Answer one question; None when its discovery query says that it is not for this device.

    osqueryd rejects the whole reply for one bad discovery query; here only that question fails.
    """
    discovery = work.discovery.get(name)
    if discovery is not None:
        found = manifest.answer(session.engine, gate, discovery)
        if found.status:
            return Answer((), 1, f"discovery query failed: {found.message}")
        if not found.rows:
            return None
    return manifest.answer(session.engine, gate, work.queries[name])


def result_body(found: Answer) -> dict[str, object]:
    """Shape one answer for keeping."""
    return {
        "rows": list(found.rows),
        "status": found.status,
        "message": found.message,
        "stats": {
            "wall_time_ms": found.wall_time_ms,
            "user_time": 0,
            "system_time": 0,
            "memory": 0,
        },
    }


def remember_queries(session: Session, queries: Mapping[str, str]) -> None:
    """Keep the checks, so that a watched change can be answered at once; live queries are not."""
    checks = {name: sql for name, sql in queries.items() if name.startswith(CHECK_PREFIXES)}
    known = load_queries(session.state)
    merged = {**known, **checks}
    if merged != known:
        kept = dict(list(merged.items())[-MAX_REMEMBERED:])
        session.state.put(queries=json.dumps(kept))


def load_queries(state: State) -> dict[str, str]:
    """Return the remembered checks, name → SQL."""
    return {name: str(sql) for name, sql in state.get_json("queries").items()}


def write_results(session: Session) -> int:
    """Send all kept answers in one message and return how many; nothing to send is 0."""
    kept = session.state.list_results()
    if not kept:
        return 0
    bodies = {name: json.loads(body) for name, body in kept.items()}
    session.link.post(
        osquery.WRITE,
        {
            "node_key": session.node_key,
            "queries": {name: body["rows"] for name, body in bodies.items()},
            "statuses": {name: body["status"] for name, body in bodies.items()},
            "messages": {name: body["message"] for name, body in bodies.items()},
            "stats": {name: body["stats"] for name, body in bodies.items()},
        },
        node_key=session.node_key,
    )
    session.state.forget_results(kept)
    return len(kept)


def run_scheduled(session: Session, query: osquery.ScheduledQuery, wall: float) -> None:
    """Run one snapshot query into the spool; a failure becomes a status line, as in osquery."""
    found = manifest.answer(session.engine, session.gate(), query.sql)
    if found.status:
        message = f"Error executing scheduled query {query.name}: {found.message}"
        spool(session, "status", [status_line(session.state, message, wall)])
        return
    line = _head(session.state, wall) | {
        "snapshot": list(found.rows),
        "action": "snapshot",
        "name": query.name,
        "epoch": 0,
        "counter": 0,
        "numerics": False,
        "decorations": {},
    }
    spool(session, "result", [line])


def spool(session: Session, kind: str, lines: Iterable[Mapping[str, object]]) -> None:
    """Keep log lines; when old ones had to go, say so in a status line."""
    purged = session.state.add_lines(kind, lines)
    if purged:
        text = f"Purged {purged} buffered log lines: the spool is full"
        session.state.add_lines("status", [status_line(session.state, text, time.time())])


def status_line(state: State, message: str, wall: float) -> dict[str, object]:
    """Shape a warning as osquery's status log line (severity 2 = error)."""
    return _head(state, wall) | {
        "severity": 2,
        "filename": "agent",
        "line": 0,
        "message": message,
        "version": AGENT_VERSION,
        "decorations": {},
    }


def _head(state: State, wall: float) -> dict[str, object]:
    return {
        "hostIdentifier": state.get("host_identifier"),
        "calendarTime": time.strftime("%a %b %e %H:%M:%S %Y UTC", time.gmtime(wall)),
        "unixTime": int(wall),
    }


def send_lines(session: Session) -> int:
    """Send the oldest lines of each kind and return how many were taken."""
    sent = 0
    for kind in ("result", "status"):
        lines = session.state.list_lines(kind, LOG_LINES)
        if not lines:
            continue
        session.link.post(
            osquery.LOG,
            {
                "node_key": session.node_key,
                "log_type": kind,
                "data": [line.body for line in lines],
            },
            node_key=session.node_key,
            compress=True,
        )
        session.state.forget_lines(lines)
        sent += len(lines)
    return sent
