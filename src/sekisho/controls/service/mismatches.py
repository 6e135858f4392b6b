"""Where somebody says that a rule is kept and the machine shows that it is not.

By rule and by question everybody with ``selfchecks.read`` sees how often, in groups of five or
more; who it is sees ``selfchecks.write`` (security) alone, and looking leaves a record.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sekisho.controls.model import Proof
from sekisho.controls.selfchecks import SOURCE_PREFIX, Question, say_count
from sekisho.controls.service.selfchecks import questionnaires
from sekisho.controls.store import selfchecks as store
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID

MOST_FOUND = 500
SORTS = ("since", "rule", "said")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One answer that the machine does not confirm."""

    device_id: DeviceID
    control_id: ControlID
    person_id: str
    person: str
    question: Question | None
    said_at: datetime
    since: datetime
    checked_at: datetime | None
    fix_by: datetime | None


@dataclass(frozen=True, slots=True)
class MismatchCount:
    """How often, by rule or by question; ``number`` is said so that nobody is recognised."""

    key: str
    number: str


@dataclass(frozen=True, slots=True)
class MismatchCounts:
    """How often in all, by rule and by question (``check:question``), most first."""

    total: str
    by_control: Sequence[MismatchCount]
    by_question: Sequence[MismatchCount]


def count_mismatches(tx: Transaction) -> MismatchCounts:
    """Count where machines do not confirm answers. Needs ``selfchecks.read``."""
    tx.principal.require_reach("selfchecks.read")
    exact = tx.principal.allows("selfchecks.write")
    controls: Counter[str] = Counter()
    questions: Counter[str] = Counter()
    for row in store.count_against(tx, tx.now, Proof.SELF):
        controls[row.control_id] += row.number
        questions[row.source.removeprefix(SOURCE_PREFIX)] += row.number
    total = sum(controls.values())
    return MismatchCounts(
        str(total) if exact else say_count(total),
        _counts(controls, exact=exact),
        _counts(questions, exact=exact),
    )


def _counts(counter: Mapping[str, int], *, exact: bool) -> list[MismatchCount]:
    """Return the counts, most first; where one is too small to be told, order tells it neither."""
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return [MismatchCount(k, str(n) if exact else say_count(n)) for k, n in ordered]


def list_mismatches(
    tx: Transaction, *, search: str = "", control_id: str = "", question: str = "",
    sort: str = "-since", limit: int = 50, offset: int = 0,
) -> tuple[list[Mismatch], int]:  # fmt: skip
    """Return one page of them by name, and how many there are. Needs ``selfchecks.write``.

    Looking is recorded, so the transaction must be one that writes.
    """
    tx.principal.require("selfchecks.write")
    people = identity.search_ids(tx, search, MOST_FOUND) if search else None
    rows, total = store.list_against(
        tx, tx.now, Proof.SELF, control_id=control_id, people=people, sort=sort,
        source=f"{SOURCE_PREFIX}{question}" if question else "", limit=limit, offset=offset,
    )  # fmt: skip
    names = identity.find_names(tx, [row.person_id for row in rows if row.person_id])
    evidence.record(
        tx, kind="selfcheck.mismatches_seen", subject="selfcheck:mismatches",
        detail={"shown": len(rows), "total": total, "control": control_id, "question": question},
    )  # fmt: skip
    return [
        Mismatch(
            DeviceID(row.device_id), ControlID(row.control_id), row.person_id or "",
            names.get(row.person_id or "", ""), find_question(row.source), row.stated_at,
            row.against_since, row.checked_at, row.fix_by,
        )
        for row in rows
    ], total  # fmt: skip


def find_question(source: str) -> Question | None:
    """Return the question a statement came from, None if it is no longer asked."""
    check_id, _, question_id = source.removeprefix(SOURCE_PREFIX).partition(":")
    asked = questionnaires().get(check_id)
    found = (q for q in asked.questions if q.id == question_id) if asked is not None else iter(())
    return next(found, None)
