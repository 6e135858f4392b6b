"""From answers to a verdict: pure, no clock, no database.

- Unknown is never pass: whatever is missing, refused, unreadable, out of date or of another
  version leads to ``unknown`` with a sentence that says why.
- Freshness counts from the server's receive time, or from the device's own time if that is
  earlier; a device clock in the future can make nothing fresher.
- An answer older than the one a verdict stands on never replaces it, whatever it says.
- A failure keeps the day it began through unknown times: going silent buys no new grace.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sekisho.controls.device_words import explain_words
from sekisho.controls.model import (
    POLICY_PREFIX,
    Answer,
    Check,
    Control,
    DataSet,
    Evidence,
    Exemption,
    Proof,
    Rows,
    Verdict,
    VerdictKind,
)
from sekisho.kernel.i18n import Text, msg
from sekisho.wire.kit import Ownership

_MAX_ROWS = 20
_MAX_CHARACTERS = 300
_CLOCK_SLACK = timedelta(minutes=5)
_Finding = tuple[VerdictKind, Text | None]


def start_verdict(control: Control, now: datetime) -> Verdict:
    """Return the verdict of a control that was never answered: unknown."""
    waits = (
        msg("This device has not answered yet.")
        if control.proof is Proof.MACHINE
        else msg("No proof has been handed in yet.")
    )
    return Verdict(
        control.id, control.version, VerdictKind.UNKNOWN, VerdictKind.UNKNOWN, control.proof,
        since=now, message=waits,
    )  # fmt: skip


def gather_evidence(
    control: Control, check: Check, answers: Mapping[str, Answer], ownership: Ownership
) -> Evidence:
    """Pick what belongs to one control; a private device's own words are dropped here."""
    asked = next((probe for probe in check.probes if probe.ready_name in answers), None)
    ready, data = (answers[asked.ready_name], asked.data) if asked is not None else (None, None)
    policy = answers.get(control.policy_name) or _find_other_version(control, answers)
    if ownership is Ownership.PRIVATE:
        return Evidence(_silence(policy), _silence(ready), None, data)
    return Evidence(policy, ready, answers.get(control.detail_name), data)


def judge(control: Control, evidence: Evidence, previous: Verdict | None, now: datetime) -> Verdict:
    """Judge one control by ``evidence`` received at ``now``.

    ``previous`` is what stood before; it is returned unchanged if this evidence is older.
    """
    if previous is not None and _is_older(control, evidence, previous, now):
        return previous
    kind, message = _read(control, evidence, now)
    checked = _checked_at(evidence, now)
    leaning = control.data if evidence.data is None else evidence.data
    kind, message = _hold_to_data(leaning, kind, message, now)
    first_failed = _first_failed(kind, previous, now)
    fails = kind is VerdictKind.FAIL and first_failed is not None
    return Verdict(
        control_id=control.id,
        control_version=control.version,
        kind=kind,
        judged=kind,
        proof=control.proof,
        since=previous.since if previous is not None and previous.judged is kind else now,
        checked_at=checked,
        received_at=now,
        first_failed_at=first_failed,
        expires_at=_expiry(control, leaning, kind, checked),
        fix_by=first_failed + control.grace if fails and first_failed is not None else None,
        message=message,
        rows=_shorten(evidence.detail),
        machine_at=_machine_at(kind, checked, previous),
    )


def settle(verdict: Verdict, exemption: Exemption | None, now: datetime) -> Verdict:
    """Say what holds at ``now``: too old becomes unknown, an exception in force lies over it.

    A pass needs no exception and is shown as what it is.
    """
    aged = _age(verdict, now)
    until = exemption.until if exemption is not None and exemption.until > now else None
    kind = aged.judged
    if until is not None and kind is not VerdictKind.PASS:
        kind = VerdictKind.EXEMPT
    if kind is aged.kind and aged.exempt_until == until:
        return aged
    since = aged.since if kind is aged.kind else now
    return replace(aged, kind=kind, exempt_until=until, since=since)


def restart(verdict: Verdict, control: Control, now: datetime) -> Verdict:
    """Return the verdict after its control changed: what the old text proved counts no more."""
    if verdict.control_version == control.version:
        return verdict
    known = verdict.judged is not VerdictKind.UNKNOWN
    return replace(
        verdict,
        control_version=control.version,
        kind=VerdictKind.UNKNOWN,
        judged=VerdictKind.UNKNOWN,
        proof=control.proof,
        since=now if known else verdict.since,
        expires_at=None,
        fix_by=None,
        message=msg("The rule has changed; this device has not answered the new check yet."),
        rows=(),
    )


def next_deadline(verdicts: Iterable[Verdict]) -> datetime | None:
    """Return when the first of these verdicts changes by mere time, if one ever does."""
    ends = [
        moment
        for verdict in verdicts
        for moment in (verdict.expires_at, verdict.exempt_until)
        if moment is not None
    ]
    return min(ends, default=None)


def is_stale(verdict: Verdict) -> bool:
    """Return whether something was known once and has grown too old."""
    return (
        verdict.judged is VerdictKind.UNKNOWN
        and verdict.message is not None
        and verdict.message.id == _stale_text(VerdictKind.PASS).id
    )


def conclude(
    verdict: Verdict, previous: Verdict | None, exemption: Exemption | None, now: datetime
) -> Verdict:
    """Settle ``verdict`` at ``now`` and let it go on since when it has looked the same."""
    settled = settle(verdict, exemption, now)
    goes_on = previous is not None and previous.kind is settled.kind
    if goes_on and previous is not None and previous.since != settled.since:
        return replace(settled, since=previous.since)
    return settled


def is_same(before: Verdict, after: Verdict) -> bool:
    """Return whether only the times of looking differ, so that nothing is worth a record."""
    return (
        before.kind is after.kind
        and before.judged is after.judged
        and before.proof is after.proof
        and before.control_version == after.control_version
        and before.message == after.message
        and before.rows == after.rows
        and before.exempt_until == after.exempt_until
        and before.fix_by == after.fix_by
    )


def _find_other_version(control: Control, answers: Mapping[str, Answer]) -> Answer | None:
    prefix = f"{POLICY_PREFIX}{control.id}@"
    return next((answer for name, answer in answers.items() if name.startswith(prefix)), None)


def _silence(answer: Answer | None) -> Answer | None:
    """Keep of a private device's answer how many rows and which status, none of its words."""
    if answer is None:
        return None
    return replace(answer, rows=({},) if answer.rows else (), message="")


def _is_older(control: Control, evidence: Evidence, previous: Verdict, now: datetime) -> bool:
    if previous.received_at is None or previous.control_version != control.version:
        return False
    if now < previous.received_at:
        return True
    if evidence.check is not None and evidence.check.name != control.policy_name:
        return True
    looked = _device_time(evidence)
    return looked is not None and previous.checked_at is not None and looked < previous.checked_at


def _device_time(evidence: Evidence) -> datetime | None:
    """Return the earliest time the device gives for any part of the proof."""
    answers = (evidence.check, evidence.ready)
    times = [a.device_time for a in answers if a is not None and a.device_time is not None]
    return min(times, default=None)


def _checked_at(evidence: Evidence, now: datetime) -> datetime:
    looked = _device_time(evidence)
    return now if looked is None else min(looked, now)


def _read(control: Control, evidence: Evidence, now: datetime) -> _Finding:
    unknown = _why_unknown(control, evidence)
    if unknown is not None:
        return VerdictKind.UNKNOWN, unknown
    passed = evidence.check is not None and bool(evidence.check.rows)
    return (VerdictKind.PASS if passed else VerdictKind.FAIL), _note_clock(evidence, now)


def _why_unknown(control: Control, evidence: Evidence) -> Text | None:
    """Return why nothing can be said, ``None`` if everything that is needed is there."""
    check, ready = evidence.check, evidence.ready
    if check is None:
        return msg("The device sent no answer to this check.")
    if check.name != control.policy_name:
        got, expected = check.name.rpartition("@")[2], control.version
        return msg(
            "The answer is for version %(got)s of the rule; version %(expected)s is in force.",
            got=got[:20], expected=expected,
        )  # fmt: skip
    if check.status != 0:
        return _error_text(check)
    return _why_not_ready(ready)


def _why_not_ready(ready: Answer | None) -> Text | None:
    if ready is None:
        return msg("The device did not prove that it could read what the check needs.")
    if ready.status != 0:
        return _error_text(ready)
    if not ready.rows:
        return msg("The place where this setting is kept is empty or cannot be read.")
    return None


def _error_text(answer: Answer) -> Text:
    if not answer.message:
        return msg("The device could not run this check (status %(status)s).", status=answer.status)
    return msg(
        "The device could not run this check: %(why)s", why=explain_words(_cut(answer.message))
    )


def _note_clock(evidence: Evidence, now: datetime) -> Text | None:
    looked = _device_time(evidence)
    if looked is None or looked <= now + _CLOCK_SLACK:
        return None
    ahead = int((looked - now).total_seconds() // 60)
    return msg("The clock of this device is %(minutes)s minutes ahead.", minutes=ahead)


def _hold_to_data(
    leaning: Iterable[DataSet], kind: VerdictKind, message: Text | None, now: datetime
) -> _Finding:
    """Refuse a pass that leans on a list that is too old; what fails an old list still fails."""
    if kind is VerdictKind.PASS:
        for data in leaning:
            if now >= data.stale_after:
                return VerdictKind.UNKNOWN, msg(
                    "The list “%(name)s” is of %(date)s and too old to say this is fine.",
                    name=data.name, date=data.as_of.date().isoformat(),
                )  # fmt: skip
    return kind, message


def _first_failed(kind: VerdictKind, previous: Verdict | None, now: datetime) -> datetime | None:
    if kind is VerdictKind.PASS:
        return None
    before = previous.first_failed_at if previous is not None else None
    return before or (now if kind is VerdictKind.FAIL else None)


def _machine_at(kind: VerdictKind, checked: datetime, previous: Verdict | None) -> datetime | None:
    """Return when the machine last said something; not being able to answer says nothing."""
    if kind is not VerdictKind.UNKNOWN:
        return checked
    return previous.machine_at if previous is not None else None


def _expiry(
    control: Control, leaning: Iterable[DataSet], kind: VerdictKind, checked: datetime
) -> datetime | None:
    if kind is VerdictKind.UNKNOWN:
        return None
    ends = [checked + control.max_age]
    if kind is VerdictKind.PASS:
        ends.extend(data.stale_after for data in leaning)
    return min(ends)


def _age(verdict: Verdict, now: datetime) -> Verdict:
    expired = verdict.expires_at is not None and verdict.expires_at <= now
    if not expired or verdict.judged is VerdictKind.UNKNOWN or verdict.expires_at is None:
        return verdict
    return replace(
        verdict,
        kind=VerdictKind.UNKNOWN,
        judged=VerdictKind.UNKNOWN,
        since=verdict.expires_at,
        expires_at=None,
        fix_by=None,
        message=_stale_text(verdict.judged),
        rows=(),
    )


def _stale_text(before: VerdictKind) -> Text:
    word = msg("pass") if before is VerdictKind.PASS else msg("fail")
    return msg("The last proof (%(before)s) is too old to count.", before=word)


def _shorten(answer: Answer | None) -> Rows:
    if answer is None or answer.status != 0:
        return ()
    return tuple(
        {_cut(str(name)): _cut(str(value)) for name, value in row.items()}
        for row in answer.rows[:_MAX_ROWS]
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
