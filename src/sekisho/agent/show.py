"""What the agent would send, as data: for ``sekisho agent show`` and for the curious owner."""

from typing import TypedDict

from sekisho.agent import manifest
from sekisho.agent.session import Session, describe_host, load_manifest, load_queries
from sekisho.agent.sql import QueryError
from sekisho.wire.manifest import Manifest


class Shown(TypedDict):
    """Everything that leaves or could leave this computer."""

    organisation: str
    server: str
    ownership: str
    paused: bool
    key_storage: str
    enroll: dict[str, object]
    answers: dict[str, object]
    waiting: dict[str, list[str]]
    manifest: dict[str, list[str]]
    unsent: dict[str, object]


def describe(session: Session) -> Shown:
    """Run every known question as the server would get it, and name what waits for approval."""
    gate = session.gate()
    offered = load_manifest(session.state, "offered")
    queries = {**(dict(offered.queries) if offered else {}), **load_queries(session.state)}
    waiting = manifest.find_waiting(session.engine, gate, queries)
    return Shown(
        organisation=session.kit.organisation,
        server=session.kit.server_url,
        ownership=session.kit.ownership.value,
        paused=bool(session.state.get("paused")),
        key_storage=session.state.get("key_storage"),
        enroll={
            "host_identifier": session.state.get("host_identifier"),
            "host_details": describe_host(session.engine, session.kit.ownership),
        },
        answers={name: _describe_answer(session, gate, sql) for name, sql in queries.items()},
        waiting={
            name: [f"{table}.{column}" for table, column in reads]
            for name, reads in waiting.items()
        },
        manifest=_describe_manifest(load_manifest(session.state, "approved") or offered),
        unsent={
            "results": session.state.list_results(),
            "log_lines": session.state.count_lines(),
        },
    )


def _describe_answer(session: Session, gate: manifest.Gate, sql: str) -> dict[str, object]:
    found = manifest.answer(session.engine, gate, sql)
    try:
        reads = sorted(f"{table}.{column}" for table, column in session.engine.compute_reads(sql))
    except QueryError:
        reads = []
    return {
        "sql": sql,
        "reads": reads,
        "rows": list(found.rows),
        "status": found.status,
        "message": found.message,
    }


def _describe_manifest(shown: Manifest | None) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for table, column in sorted(shown.reads) if shown else ():
        tables.setdefault(table, []).append(column)
    return tables
