"""May this device come in? From verdicts to one of four words. Pure: no clock, no database.

- Worst decides: ``fine`` < ``fix_by`` < ``unknown`` < ``not_allowed``.
- Nothing is decided by a stale fact: what is too old is unknown, never fine.
- Going silent buys nothing: a failure whose grace is over stays so while nothing new is known.
- Nobody is fine by exceptions alone: at least one rule must be proven to pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sekisho.controls.exceptions import ExceptionRules
from sekisho.controls.model import Control, Verdict, VerdictKind
from sekisho.kernel.ids import ControlID, DeviceID

LONGEST_TRUST = timedelta(hours=1)
"""How long an answer may be used without asking again, even if nothing is known to change."""


class AccessKind(StrEnum):
    """The four answers, best first."""

    FINE = "fine"
    FIX_BY = "fix_by"
    UNKNOWN = "unknown"
    NOT_ALLOWED = "not_allowed"

    @property
    def rank(self) -> int:
        """Return 0 for the best; of several the highest counts."""
        return _RANKS[self]


_RANKS = {kind: place for place, kind in enumerate(AccessKind)}


class Bar(StrEnum):
    """What stands in the way besides rules."""

    WITHDRAWN = "withdrawn"  # consent withdrawn, or the device was removed
    DISABLED = "disabled"  # the person whose device this is may not come in
    PAUSED = "paused"  # its owner paused it: nothing is asked
    NEVER_JUDGED = "never_judged"  # nothing is known of it


_BARRED = {
    Bar.WITHDRAWN: AccessKind.NOT_ALLOWED,
    Bar.DISABLED: AccessKind.NOT_ALLOWED,
    Bar.PAUSED: AccessKind.UNKNOWN,
    Bar.NEVER_JUDGED: AccessKind.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class AccessReason:
    """One thing that counts: a rule with its verdict, or a bar.

    ``until`` is the date to fix it by, or until when a pass or an exception holds.
    """

    kind: AccessKind
    control_id: ControlID | None = None
    verdict: VerdictKind | None = None
    judged: VerdictKind | None = None
    until: datetime | None = None
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class AccessState:
    """The answer for one device at ``computed_at``; ask again at ``valid_until`` at the latest.

    ``fix_by`` is there for ``fix_by`` alone. ``reasons`` are worst first and leave passes out.
    """

    device_id: DeviceID
    kind: AccessKind
    reasons: tuple[AccessReason, ...]
    computed_at: datetime
    valid_until: datetime
    fix_by: datetime | None = None


def judge_access(
    device_id: DeviceID,
    verdicts: Sequence[Verdict],
    bars: Sequence[Bar],
    controls: Mapping[ControlID, Control],
    rules: ExceptionRules,
    now: datetime,
) -> AccessState:
    """Say how a device stands; ``verdicts`` are settled at ``now`` (``engine.settle``)."""
    reasons = [AccessReason(_BARRED[bar], bar=bar) for bar in bars]
    known = [(v, controls[v.control_id]) for v in verdicts if v.control_id in controls]
    reasons += [
        weigh(verdict, control, rules, now)
        for verdict, control in known
        if verdict.kind is not VerdictKind.PASS  # a pass is fine, and no reason
    ]
    if not any(_is_proven(verdict, control, rules) for verdict, control in known):
        reasons.append(AccessReason(AccessKind.UNKNOWN, bar=Bar.NEVER_JUDGED))
    kind = max((r.kind for r in reasons), key=lambda each: each.rank, default=AccessKind.FINE)
    dates = [r.until for r in reasons if r.kind is AccessKind.FIX_BY and r.until is not None]
    return AccessState(
        device_id=device_id,
        kind=kind,
        reasons=_arrange(reasons),
        computed_at=now,
        valid_until=min(
            [*_turns([v for v, _ in known], controls, rules, now), now + LONGEST_TRUST]
        ),
        fix_by=min(dates, default=None) if kind is AccessKind.FIX_BY else None,
    )


def judge_kind(
    verdicts: Iterable[Verdict],
    controls: Mapping[ControlID, Control],
    rules: ExceptionRules,
    now: datetime,
) -> AccessKind:
    """Return only the word that ``judge_access`` gives without bars; for lists and filters."""
    worst, proven = AccessKind.FINE, False
    for verdict in verdicts:
        control = controls.get(verdict.control_id)
        if control is not None:
            kind, _ = _judge_one(verdict, control, rules, now)
            worst = kind if _RANKS[kind] > _RANKS[worst] else worst
            proven = proven or _is_proven(verdict, control, rules)
    return worst if proven or worst.rank > AccessKind.UNKNOWN.rank else AccessKind.UNKNOWN


def bar_kind(bar: Bar) -> AccessKind:
    """Return what a bar alone means for access."""
    return _BARRED[bar]


def weigh(verdict: Verdict, control: Control, rules: ExceptionRules, now: datetime) -> AccessReason:
    """Say what one verdict means for access."""
    kind, until = _judge_one(verdict, control, rules, now)
    return AccessReason(kind, control.id, verdict.kind, verdict.judged, until)


def next_turn(
    verdicts: Sequence[Verdict],
    controls: Mapping[ControlID, Control],
    rules: ExceptionRules,
    now: datetime,
) -> datetime | None:
    """Return when the answer for these verdicts changes by mere time, if it ever does."""
    return min(_turns(verdicts, controls, rules, now), default=None)


def _judge_one(
    verdict: Verdict, control: Control, rules: ExceptionRules, now: datetime
) -> tuple[AccessKind, datetime | None]:
    if verdict.kind is VerdictKind.PASS:
        return AccessKind.FINE, verdict.expires_at
    if verdict.kind is VerdictKind.EXEMPT:
        return AccessKind.FINE, verdict.exempt_until
    blocks = control.severity in rules.blocking
    ends = grace_end(verdict, control)
    over = ends is not None and ends <= now
    if blocks and over:
        return AccessKind.NOT_ALLOWED, ends
    if verdict.kind is VerdictKind.FAIL:
        return AccessKind.FIX_BY, ends
    if control.proof not in rules.required_proofs:
        return AccessKind.FINE, None
    return (
        (AccessKind.UNKNOWN, None) if blocks else (AccessKind.FIX_BY, _soft_end(verdict, control))
    )


def grace_end(verdict: Verdict, control: Control) -> datetime | None:
    """Return when the period of grace of a failure is over; None if it never failed."""
    began = verdict.first_failed_at
    return None if began is None else began + control.grace


def _is_proven(verdict: Verdict, control: Control, rules: ExceptionRules) -> bool:
    return verdict.kind is VerdictKind.PASS and control.proof in rules.required_proofs


def _soft_end(verdict: Verdict, control: Control) -> datetime:
    return grace_end(verdict, control) or verdict.since + control.grace


def _turns(
    verdicts: Sequence[Verdict],
    controls: Mapping[ControlID, Control],
    rules: ExceptionRules,
    now: datetime,
) -> list[datetime]:
    found: list[datetime | None] = []
    for verdict in verdicts:
        control = controls.get(verdict.control_id)
        found += [verdict.expires_at, verdict.exempt_until]
        waits = verdict.kind in {VerdictKind.FAIL, VerdictKind.UNKNOWN}
        if control is not None and waits and control.severity in rules.blocking:
            found.append(grace_end(verdict, control))
    return [moment for moment in found if moment is not None and moment > now]


def _arrange(reasons: Sequence[AccessReason]) -> tuple[AccessReason, ...]:
    return tuple(sorted(reasons, key=lambda r: (-r.kind.rank, r.control_id or "")))
