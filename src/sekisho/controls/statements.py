"""What others say about a device: documents, exports of device managers, people. Pure.

- What the machine itself proved outweighs every statement, whatever that says.
- Where the machine once answered, only a third party that looked *later* can stand in for it; what
  a person says never can. Going silent after a failure makes nothing fine.
- Among statements the strongest kind of proof counts alone: a document before a third party, a
  third party before a person.
- A statement counts for the version of the rule it was made for, and only until it ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sekisho.controls import engine
from sekisho.controls.model import Control, Proof, Verdict, VerdictKind
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import ControlID, DeviceID

_STRENGTH = {Proof.DOCUMENT: 0, Proof.THIRD_PARTY: 1, Proof.SELF: 2}
_SAID = frozenset({VerdictKind.PASS, VerdictKind.FAIL})


@dataclass(frozen=True, slots=True)
class Statement:
    """That one rule is kept on one device, or not, and until when this counts.

    ``stated_at`` is the time of the statement itself (the export's, not the upload's); ``source``
    names where it came from, such as ``selfcheck:home:disk`` or ``document:doc_…``.
    ``against_since`` is since when the machine has said the contrary; None if it does not.
    """

    device_id: DeviceID
    control_id: ControlID
    control_version: int
    proof: Proof
    said: VerdictKind
    source: str
    stated_at: datetime
    received_at: datetime
    valid_until: datetime
    person_id: str | None = None
    against_since: datetime | None = None

    def counts(self, control: Control, now: datetime) -> bool:
        """Return whether this says anything about ``control`` at ``now``."""
        return (
            self.control_id == control.id
            and self.control_version == control.version
            and self.said in _SAID
            and self.proof in _STRENGTH
            and self.stated_at <= now < self.valid_until
        )


def weigh(
    control: Control, stored: Verdict, statements: Iterable[Statement], now: datetime
) -> Verdict:
    """Return what holds of ``control``: what the machine proved, or else the best statement.

    ``stored`` is the last verdict, whatever it was proven by. Without anything that counts the
    verdict is the machine's own, or unknown.
    """
    own = uncover(control, stored, now)
    if control.proof is Proof.MACHINE and own.judged in _SAID:
        return own
    usable = [s for s in statements if s.counts(control, now) and _may_stand_in(control, s, own)]
    if not usable:
        return own
    return _cover(control, own, stored, min(usable, key=_rank))


def uncover(control: Control, verdict: Verdict, now: datetime) -> Verdict:
    """Return the machine's own part of a verdict; of a paper rule, that nothing is known."""
    if verdict.proof is control.proof is Proof.MACHINE:
        return engine.settle(verdict, None, now) if _is_over(verdict, now) else verdict
    if control.proof is not Proof.MACHINE and verdict.judged is VerdictKind.UNKNOWN:
        return verdict
    over = engine.settle(verdict, None, now) if _is_over(verdict, now) else None
    return replace(
        verdict,
        kind=VerdictKind.UNKNOWN,
        judged=VerdictKind.UNKNOWN,
        proof=control.proof,
        since=over.since if over is not None else verdict.since,
        checked_at=verdict.machine_at,
        received_at=verdict.machine_at,
        expires_at=None,
        fix_by=None,
        message=over.message if over is not None else _nothing_known(control),
        rows=(),
    )


def is_confided(control: Control, verdict: Verdict) -> bool:
    """Return whether a verdict is a person's word about a rule that a machine could prove.

    What is said of a rule of paper is said in an office, and in confidence of nobody.
    """
    return control.proof is Proof.MACHINE and verdict.proof is Proof.SELF


def veil(control: Control, verdict: Verdict, begun: datetime) -> Verdict:
    """Return a verdict as those see it for whom people's own words are not meant.

    A "yes" looks like silence since the device was enrolled (``begun``): where the machine was ever
    heard, nobody's word is. A "no" stays: it is to be mended, whoever says it.
    """
    if not is_confided(control, verdict) or verdict.judged is not VerdictKind.PASS:
        return verdict
    own = engine.start_verdict(control, begun)
    if verdict.kind is VerdictKind.EXEMPT:
        return replace(own, kind=verdict.kind, exempt_until=verdict.exempt_until)
    return own


def contradicts(control: Control, verdict: Verdict, statement: Statement, now: datetime) -> bool:
    """Return whether somebody says that the rule is kept and the machine shows it is not."""
    return (
        statement.said is VerdictKind.PASS
        and statement.counts(control, now)
        and verdict.proof is Proof.MACHINE
        and verdict.judged is VerdictKind.FAIL
        and not _is_over(verdict, now)
    )


def mark_contradictions(
    controls: Sequence[tuple[Control, Verdict]], statements: Iterable[Statement], now: datetime
) -> list[Statement]:
    """Return the statements whose ``against_since`` is no longer right, put right."""
    by_control = {control.id: (control, verdict) for control, verdict in controls}
    changed = []
    for statement in statements:
        found = by_control.get(statement.control_id)
        against = found is not None and contradicts(*found, statement, now)
        if against != (statement.against_since is not None):
            changed.append(replace(statement, against_since=now if against else None))
    return changed


def _is_over(verdict: Verdict, now: datetime) -> bool:
    return verdict.expires_at is not None and verdict.expires_at <= now


def _nothing_known(control: Control) -> Text:
    if control.proof is Proof.MACHINE:
        return msg("This device has not answered this itself.")
    return msg("No proof has been handed in yet.")


def _may_stand_in(control: Control, statement: Statement, own: Verdict) -> bool:
    """Return whether a statement may be heard where the machine says nothing (any more)."""
    if control.proof is not Proof.MACHINE:
        return True
    if statement.proof is Proof.DOCUMENT:
        return False
    if own.machine_at is None:
        return True
    return statement.proof is Proof.THIRD_PARTY and statement.stated_at > own.machine_at


def _rank(statement: Statement) -> tuple[int, timedelta]:
    """Order by strength, then the latest first."""
    return _STRENGTH[statement.proof], -(statement.stated_at - _LONG_AGO)


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _cover(control: Control, own: Verdict, stored: Verdict, statement: Statement) -> Verdict:
    fails = statement.said is VerdictKind.FAIL
    first = own.first_failed_at or (statement.stated_at if fails else None)
    return Verdict(
        control_id=control.id,
        control_version=control.version,
        kind=statement.said,
        judged=statement.said,
        proof=statement.proof,
        since=stored.since if stored.judged is statement.said else statement.received_at,
        checked_at=statement.stated_at,
        received_at=statement.received_at,
        first_failed_at=first if fails else None,
        expires_at=statement.valid_until,
        fix_by=first + control.grace if fails and first is not None else None,
        message=_say_source(statement),
        machine_at=own.machine_at,
    )


def _say_source(statement: Statement) -> Text | None:
    """Say whose word this is; a document speaks for itself."""
    if statement.proof is Proof.THIRD_PARTY:
        return msg("According to an export of a device manager.")
    if statement.proof is Proof.SELF:
        return msg("According to the person who uses it.")
    return None
