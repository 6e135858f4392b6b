"""The gate on the device: which questions a private computer answers, whoever asks.

Pure. Invariants on a private device:
- a question may read only what the owner approved, and the owner can approve only what the
  organisation signed;
- an answer is a bare ``1`` or nothing, never a value of a table, never a number of rows.
On a company device the manifest is shown and not enforced.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sekisho.agent.sql import Answer, Engine, QueryError
from sekisho.wire.kit import Ownership
from sekisho.wire.manifest import TableColumn

# About the agent and the clock, never about the owner; servers' discovery queries need them.
OPEN_TABLES = frozenset({"osquery_info", "osquery_registry", "time"})


@dataclass(frozen=True, slots=True)
class Gate:
    """``approved`` by the owner and ``offered`` (signed by the organisation) columns."""

    ownership: Ownership
    approved: frozenset[TableColumn] = frozenset()
    offered: frozenset[TableColumn] = frozenset()

    def permits(self, read: TableColumn) -> bool:
        """Say whether the owner approved this column; counting rows needs any of the table's."""
        return self.ownership is Ownership.COMPANY or _covers(self.approved, read)

    def missing(self, reads: Iterable[TableColumn]) -> tuple[TableColumn, ...]:
        """Return what a question would read beyond the approval, sorted."""
        return tuple(sorted(read for read in reads if not self.permits(read)))

    def explain(self, missing: Iterable[TableColumn]) -> str:
        """Say why a question is not answered: it waits for the owner, or nobody signed it."""
        wanted = tuple(missing)
        unsigned = tuple(read for read in wanted if not _covers(self.offered, read))
        if unsigned:
            return (
                f"refused: the signed manifest of the organisation does not name {_say(unsigned)}"
            )
        return f"waiting for the owner's approval to read {_say(wanted)}"


def answer(engine: Engine, gate: Gate, sql: str) -> Answer:
    """Answer one question as far as the gate lets it; refused means status 1 with the reason."""
    if gate.ownership is Ownership.COMPANY:
        return engine.run(sql)
    try:
        missing = gate.missing(engine.compute_reads(sql))
    except QueryError as error:
        return Answer((), 1, str(error))
    if missing:
        return Answer((), 1, gate.explain(missing))
    return reduce_answer(engine.run(sql, gate.permits))


def reduce_answer(full: Answer) -> Answer:
    """Let only a bare ``1`` out, once, however many rows there were."""
    if full.status or not full.rows:
        return full
    if any(tuple(row.values()) != ("1",) for row in full.rows):
        reason = "refused: on a private computer a question may only be answered by 1 or nothing"
        return Answer((), 1, reason, full.wall_time_ms)
    return Answer(full.rows[:1], 0, "", full.wall_time_ms)


def find_waiting(
    engine: Engine, gate: Gate, queries: Mapping[str, str]
) -> dict[str, tuple[TableColumn, ...]]:
    """Return what each question reads beyond the approval; questions that need nothing are left."""
    waiting: dict[str, tuple[TableColumn, ...]] = {}
    for name, sql in queries.items():
        try:
            missing = gate.missing(engine.compute_reads(sql))
        except QueryError:
            # It does not run here at all, so there is nothing to approve; its answer says why.
            continue
        if missing:
            waiting[name] = missing
    return waiting


def _covers(named: frozenset[TableColumn], read: TableColumn) -> bool:
    table, column = read
    if table in OPEN_TABLES or read in named:
        return True
    return column == "" and any(table == other for other, _ in named)


def _say(reads: Iterable[TableColumn]) -> str:
    return ", ".join(f"{table}({column or 'number of rows'})" for table, column in reads)
