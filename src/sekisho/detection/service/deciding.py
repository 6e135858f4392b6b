"""The organisation's word about single rules: another level, off, or known and harmless."""

from datetime import datetime, timedelta

import yaml

from sekisho.detection.engine.suppressing import write_rule
from sekisho.detection.language.conditions_alone import read_condition
from sekisho.detection.library import MOST_SUPPRESSED_DAYS, Suppression, Tuning
from sekisho.detection.model import Level
from sekisho.detection.service.library import find_kept
from sekisho.detection.store import decisions
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id
from sekisho.notices import service as notices
from sekisho.notices.model import Kind, People

OFF = "off"
_LONGEST_REASON = 2_000
_LONGEST_CONDITION = 10_000
_REMINDED = timedelta(days=7)


def tune_rule(tx: Transaction, rule_id: str, level: str, reason: str) -> None:
    """Give a rule a level of one's own, or turn it off (``detection.write``).

    ``level`` is a Sigma level or ``off``. Raises InvalidInputError for any other, or without a
    reason.
    """
    tx.principal.require("detection.write")
    rule = find_kept(tx, rule_id)
    if level != OFF and level not in set(Level):
        raise InvalidInputError(
            msg("“%(got)s” is no level.", got=level[:40]),
            hint=msg("Choose informational, low, medium, high, critical, or off."),
        )
    chosen = None if level == OFF else Level(level)
    why = check_reason(reason)
    decisions.write_tuning(tx, Tuning(rule_id, chosen, why, tx.principal.id, tx.now))
    evidence.record(
        tx, kind="detection.rule_tuned", subject=f"rule:{rule_id}",
        detail={"title": rule.title, "level": level, "written": rule.level.value, "reason": why},
    )  # fmt: skip


def untune_rule(tx: Transaction, rule_id: str) -> None:
    """Go back to what a rule says of itself (``detection.write``)."""
    tx.principal.require("detection.write")
    if rule_id in decisions.read_tunings(tx, [rule_id]):
        decisions.delete_tuning(tx, rule_id)
        evidence.record(tx, kind="detection.rule_untuned", subject=f"rule:{rule_id}", detail={})


def check_reason(reason: str) -> str:
    """Return a reason; raise InvalidInputError if there is none, or far too much."""
    plain = reason.strip()
    if not 1 <= len(plain) <= _LONGEST_REASON:
        raise InvalidInputError(
            msg("A reason of 1 to %(most)s characters is expected.", most=_LONGEST_REASON),
            hint=msg("Write it for the one who finds this in a year."),
        )
    return plain


def suppress_matches(
    tx: Transaction, *, rule_id: str, condition: str, reason: str, ends_at: datetime
) -> Suppression:
    """Hold back matches that are known and harmless, for a time (``detection.write``).

    ``rule_id`` empty means all rules, and then a condition is needed. Raises InvalidInputError
    for an end that has passed or lies more than a year ahead, or a condition that is no Sigma
    selection.
    """
    tx.principal.require("detection.write")
    if rule_id:
        find_kept(tx, rule_id)
    check_condition(condition, needed=not rule_id)
    _check_end(tx.now, ends_at)
    made = Suppression(
        new_id("sup"), rule_id, condition.strip(), check_reason(reason), tx.principal.id, tx.now,
        ends_at,
    )  # fmt: skip
    decisions.insert_suppression(tx, made)
    evidence.record(
        tx, kind="detection.suppressed", subject=f"rule:{rule_id or '*'}",
        detail={"id": made.id, "condition": made.condition, "reason": made.reason,
                "ends_at": ends_at.isoformat()},
    )  # fmt: skip
    return made


def check_condition(condition: str, *, needed: bool) -> None:
    """Raise InvalidInputError, with what is wrong, unless this is a Sigma selection."""
    plain = condition.strip()
    hint = msg("Write it as in a Sigma rule, such as: User|startswith: svc_backup")
    if not plain and not needed:
        return
    if not 1 <= len(plain) <= _LONGEST_CONDITION:
        raise InvalidInputError(msg("A suppression for all rules needs a condition."), hint=hint)
    try:
        node, faults = read_condition(write_rule(plain))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        why = str(error).splitlines()[0][:300]
        raise InvalidInputError(
            msg("The condition is no YAML: %(why)s", why=why), hint=hint
        ) from error
    if node is None:
        said = faults[0].got if faults else msg("It is empty.")
        raise InvalidInputError(
            msg("The condition is no Sigma selection: %(why)s", why=said), hint=hint
        )


def _check_end(now: datetime, ends_at: datetime) -> None:
    if not now < ends_at <= now + timedelta(days=MOST_SUPPRESSED_DAYS):
        raise InvalidInputError(
            msg("The end must lie ahead, at most %(most)s days.", most=MOST_SUPPRESSED_DAYS),
            hint=msg("Choose an earlier end; it can be prolonged with a new reason."),
        )


def end_suppression(tx: Transaction, suppression_id: str) -> None:
    """End a suppression at once (``detection.write``); raise NotFoundError, ConflictError."""
    tx.principal.require("detection.write")
    found = decisions.find_suppression(tx, suppression_id)
    if found is None:
        raise NotFoundError(msg("There is no such suppression."))
    if not found.is_in_force(tx.now):
        raise ConflictError(msg("This suppression has ended already."))
    decisions.end_suppression(tx, suppression_id, tx.now)
    evidence.record(
        tx, kind="detection.suppression_ended", subject=f"rule:{found.rule_id or '*'}",
        detail={"id": found.id},
    )  # fmt: skip


def remind_of_ends(tx: Transaction) -> int:
    """Tell those who suppressed matches that it ends within a week; return how many were told."""
    due = decisions.list_ending(tx, tx.now + _REMINDED, tx.now)
    for each in due:
        decisions.note_reminded(tx, each.id, tx.now)
        if each.by.startswith("per_"):
            _remind(tx, each)
    return len(due)


def _remind(tx: Transaction, suppression: Suppression) -> None:
    notices.queue_notice(
        tx,
        to=People([suppression.by]),
        kind=Kind.SUPPRESSION_ENDS,
        subject=f"suppression:{suppression.id}",
        title=msg("A suppression ends soon"),
        body=msg("Its matches will be shown again. Prolong it only if its reason still holds: "
                 "%(reason)s", reason=suppression.reason),
        link="/detection/suppressions",
    )  # fmt: skip
