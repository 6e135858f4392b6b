"""From answers to stored verdicts, counts, history, findings and evidence, in one transaction."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sekisho.controls import access, engine
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.model import (
    POLICY_PREFIX,
    Answer,
    Catalogue,
    Control,
    Exemption,
    Proof,
    Subject,
    Verdict,
    VerdictChange,
    VerdictKind,
)
from sekisho.controls.service import laying
from sekisho.controls.statements import Statement, is_confided, mark_contradictions, uncover, weigh
from sekisho.controls.store import figures, verdicts
from sekisho.controls.store import statements as statement_store
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.findings import service as findings
from sekisho.findings.model import NewFinding
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID

Verdicts = Mapping[ControlID, Verdict]
_FINE = frozenset({VerdictKind.PASS, VerdictKind.EXEMPT})


class _InForce:
    """The set of controls this process judges by; the program's own until another is put in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None

    def get(self) -> Catalogue:
        with self._lock:
            if self._catalogue is None:
                self._catalogue = load_catalogue()
            return self._catalogue

    def put(self, catalogue: Catalogue) -> None:
        with self._lock:
            self._catalogue = catalogue


_in_force = _InForce()


def put_in_force(catalogue: Catalogue) -> None:
    """Judge by ``catalogue`` in this process from now on."""
    _in_force.put(catalogue)


def catalogue_in_force() -> Catalogue:
    """Return the controls that this process judges by."""
    return _in_force.get()


def judge_answers(
    tx: Transaction,
    subject: Subject,
    answers: Sequence[Answer],
    received_at: datetime,
    *,
    catalogue: Catalogue | None = None,
) -> list[VerdictChange]:
    """Judge what a device answered; return what is not as it was.

    Answers to queries of other rooms and of controls that do not apply are left alone. A device
    that is new here gets its unknown verdicts first, and whatever has grown old is told so.
    """
    controls = catalogue or catalogue_in_force()
    standing = verdicts.find_standing(tx, subject.device_id)
    stored = standing.verdicts
    if not stored:
        laying.lay_over_new(tx, subject)
    after = dict(complete(controls, subject, stored, tx.now))
    by_name = {answer.name: answer for answer in answers}
    for control in _asked(controls, subject, by_name):
        check = control.find_check(subject.platform)
        if check is not None:
            evidence_of = engine.gather_evidence(control, check, by_name, subject.ownership)
            own = uncover(control, after[control.id], tx.now)
            after[control.id] = engine.judge(control, evidence_of, own, received_at)
    device = subject.device_id
    stated = statement_store.find_statements(tx, device) if standing.is_stated else []
    exemptions = verdicts.find_exemptions(tx, device) if standing.is_excepted else {}
    after = weigh_all(controls, after, stated, tx.now)
    batch = Batch(tx, controls)
    batch.replace(subject, stored, _conclude(after, stored, exemptions, tx.now))
    note_contradictions(tx, controls, after, stated)
    return batch.write()


def start_device(tx: Transaction, subject: Subject) -> None:
    """Give a device that was just enrolled its unknown verdicts."""
    judge_answers(tx, subject, (), tx.now)


def expire_stale(tx: Transaction, limit: int = 500) -> int:
    """Write down what changed by mere time, of ``limit`` devices; return how many there were."""
    devices = verdicts.list_overdue(tx, tx.now, limit)
    settle_devices(tx, verdicts.find_subjects(tx, devices))
    return len(devices)


def settle_device(tx: Transaction, device_id: DeviceID) -> None:
    """Weigh what is said about one device again, and lay exceptions over its verdicts."""
    settle_devices(tx, verdicts.find_subjects(tx, [device_id]))


def settle_devices(
    tx: Transaction, subjects: Mapping[DeviceID, Subject], *, start: bool = False
) -> list[VerdictChange]:
    """Weigh what is said about many devices again; with ``start`` also give what is missing."""
    controls, devices = catalogue_in_force(), list(subjects)
    stored = verdicts.find_verdicts_of(tx, devices)
    exemptions = verdicts.find_exemptions_of(tx, devices)
    stated = statement_store.find_statements_of(tx, devices)
    batch = Batch(tx, controls)
    for device_id, subject in subjects.items():
        before = stored[device_id]
        whole = complete(controls, subject, before, tx.now) if start else before
        after = weigh_all(controls, whole, stated[device_id], tx.now)
        batch.replace(subject, before, _conclude(after, before, exemptions[device_id], tx.now))
        note_contradictions(tx, controls, after, stated[device_id])
    return batch.write()


def forget_device(tx: Transaction, device_id: DeviceID) -> list[str]:
    """Delete every verdict of a device and its history, end its exceptions, close its findings.

    Returns the ids of the exceptions that were for it alone; of a private device their words are
    deleted too.
    """
    ended = laying.forget_exceptions(tx, device_id)
    stored = verdicts.find_verdicts(tx, device_id)
    gone: Counter[figures.Figure] = Counter()
    for verdict in stored.values():
        gone[_figure(verdict)] -= 1
    figures.add_counts(tx, gone)
    verdicts.delete_device(tx, device_id)
    statement_store.delete_device(tx, device_id)
    findings.close_findings(tx, [_key(device_id, c) for c in stored], "forgotten")
    return ended


class Batch:
    """Collects what changes for one or many devices and writes it with few statements."""

    def __init__(self, tx: Transaction, catalogue: Catalogue) -> None:
        self.tx = tx
        self._catalogue = catalogue
        self._saved: list[tuple[DeviceID, Verdict]] = []
        self._touched: list[tuple[DeviceID, Verdict]] = []
        self._changes: list[tuple[Subject, VerdictChange]] = []
        self._subjects: list[tuple[Subject, Mapping[VerdictKind, int], str, datetime | None]] = []
        self._counts: Counter[figures.Figure] = Counter()
        self._closing: list[str] = []

    def replace(self, subject: Subject, before: Verdicts, after: Verdicts) -> None:
        """Take over all verdicts of one device: new, changed, the same again, and gone."""
        for control_id, verdict in after.items():
            old = before.get(control_id)
            if old is not None and engine.is_same(old, verdict):
                if old.received_at != verdict.received_at or old.expires_at != verdict.expires_at:
                    self._touched.append((subject.device_id, verdict))
                continue
            self._saved.append((subject.device_id, verdict))
            self._note(subject, old, verdict)
        self._drop(subject, [v for c, v in before.items() if c not in after])
        kinds = Counter(verdict.kind for verdict in after.values())
        found = list(after.values())
        controls, rules, now = self._catalogue.controls, load_rules(), self.tx.now
        self._subjects.append((
            subject, kinds, access.judge_kind(found, controls, rules, now).value,
            access.next_turn(found, controls, rules, now),
        ))  # fmt: skip

    def turn(self, subject: Subject, before: Verdict, after: Verdict) -> None:
        """Tell of one verdict that changed; to store it and its device's counts is the caller's."""
        self._note(subject, before, after)

    def write(self) -> list[VerdictChange]:
        """Write everything; return the changes."""
        changes = [change for _, change in self._changes]
        verdicts.save_verdicts(self.tx, self._saved)
        verdicts.touch_verdicts(self.tx, self._touched)
        verdicts.save_subjects(self.tx, self._subjects)
        verdicts.save_changes(self.tx, changes)
        figures.add_counts(self.tx, self._counts)
        evidence.record_many(self.tx, [_record(s, c) for s, c in self._changes])
        self._tell_findings()
        return changes

    def _note(self, subject: Subject, old: Verdict | None, new: Verdict) -> None:
        if old is not None:
            self._counts[_figure(old)] -= 1
        self._counts[_figure(new)] += 1
        if _is_news(old, new):
            before = old.kind if old is not None else None
            change = VerdictChange(subject.device_id, new.control_id, before, new)
            self._changes.append((subject, change))

    def _drop(self, subject: Subject, gone: Sequence[Verdict]) -> None:
        verdicts.delete_verdicts(self.tx, subject.device_id, [v.control_id for v in gone])
        for verdict in gone:
            self._counts[_figure(verdict)] -= 1
            self._closing.append(_key(subject.device_id, verdict.control_id))

    def _tell_findings(self) -> None:
        opening = []
        closing = list(self._closing)
        for subject, change in self._changes:
            control = self._catalogue.controls.get(change.control_id)
            finding = _finding(subject, control, change) if control is not None else None
            if finding is not None:
                opening.append(finding)
            elif change.before is not None and change.after.kind in _FINE:
                closing.append(_key(change.device_id, change.control_id))
        if opening:
            findings.raise_findings(self.tx, opening)
        if closing:
            findings.close_findings(self.tx, closing, "proven, excepted or no longer asked")


def complete(catalogue: Catalogue, subject: Subject, stored: Verdicts, now: datetime) -> Verdicts:
    """Return the verdicts of all controls that apply; new and changed ones begin as unknown."""
    whole: dict[ControlID, Verdict] = {}
    for control in catalogue.applying(subject.platform, subject.ownership):
        old = stored.get(control.id)
        whole[control.id] = (
            engine.start_verdict(control, now) if old is None else engine.restart(old, control, now)
        )
    return whole


def weigh_all(
    catalogue: Catalogue, verdicts_of: Verdicts, stated: Sequence[Statement], now: datetime
) -> dict[ControlID, Verdict]:
    """Return the verdicts after everything that is said was weighed against the machine."""
    by_control: dict[ControlID, list[Statement]] = {}
    for statement in stated:
        by_control.setdefault(statement.control_id, []).append(statement)
    after = dict(verdicts_of)
    for control_id, verdict in verdicts_of.items():
        control = catalogue.controls.get(control_id)
        said = by_control.get(control_id, ())
        if control is not None and (said or _is_covered(control, verdict)):
            after[control_id] = weigh(control, verdict, said, now)
    return after


def _is_covered(control: Control, verdict: Verdict) -> bool:
    """Return whether a verdict stands on a statement, which may be gone by now."""
    if control.proof is Proof.MACHINE:
        return verdict.proof is not Proof.MACHINE
    return verdict.judged is not VerdictKind.UNKNOWN


def note_contradictions(
    tx: Transaction, catalogue: Catalogue, after: Verdicts, stated: Sequence[Statement]
) -> None:
    """Store where somebody says yes and the machine says no, or no longer does."""
    if stated:
        pairs = [
            (catalogue.controls[key], verdict)
            for key, verdict in after.items()
            if key in catalogue.controls
        ]
        statement_store.mark_statements(tx, mark_contradictions(pairs, stated, tx.now))


def _asked(
    catalogue: Catalogue, subject: Subject, answers: Mapping[str, Answer]
) -> Sequence[Control]:
    """Return the controls that these answers are about, each once."""
    ids = {
        name.removeprefix(POLICY_PREFIX).rpartition("@")[0]
        for name in answers
        if name.startswith(POLICY_PREFIX)
    }
    found = (catalogue.controls.get(ControlID(each)) for each in sorted(ids))
    return [
        control
        for control in found
        if control is not None
        and control.proof is Proof.MACHINE
        and control.applies(subject.platform, subject.ownership)
    ]


def _conclude(
    after: Verdicts,
    before: Verdicts,
    exemptions: Mapping[ControlID, Exemption],
    now: datetime,
) -> Verdicts:
    return {
        key: engine.conclude(verdict, before.get(key), exemptions.get(key), now)
        for key, verdict in after.items()
    }


def _is_news(old: Verdict | None, new: Verdict) -> bool:
    """Return whether this is worth a record: not the unknown that everything begins with."""
    if old is None:
        return new.kind is not VerdictKind.UNKNOWN
    return (old.kind, old.judged, old.proof) != (new.kind, new.judged, new.proof)


def _figure(verdict: Verdict) -> figures.Figure:
    return (verdict.control_id, verdict.kind.value, verdict.proof.value)


def _key(device_id: DeviceID, control_id: ControlID) -> str:
    return f"compliance:{device_id}:{control_id}"


def _record(subject: Subject, change: VerdictChange) -> NewRecord:
    verdict = change.after
    control = catalogue_in_force().controls.get(change.control_id)
    said = control is not None and is_confided(control, verdict)
    return NewRecord(
        kind="control.verdict_said" if said else "control.verdict_changed",
        subject=f"device:{change.device_id}",
        detail={
            "control": change.control_id,
            "version": verdict.control_version,
            "before": change.before.value if change.before is not None else None,
            "after": verdict.kind.value,
            "judged": verdict.judged.value,
            "proven": verdict.proof.value,
            "checked_at": verdict.checked_at.isoformat() if verdict.checked_at else None,
            "received_at": verdict.received_at.isoformat() if verdict.received_at else None,
            "message": str(verdict.message) if verdict.message is not None else "",
            "rows": [dict(row) for row in verdict.rows],
        },
        person=subject.person_id,
    )


def _titles(control: Control) -> Sequence[Mapping[str, str]]:
    """Return what a finding is called: that a device fails, and that its proof is too old."""
    words = (("未対応", "Not done yet"), ("根拠が古い", "No longer proven"))
    return [
        {"ja": f"{ja}：{control.title['ja']}", "en": f"{en}: {control.title['en']}"}
        for ja, en in words
    ]


def search_titles(words: str) -> tuple[list[str], list[str]]:
    """Return the topics all of whose findings are called so, and those none of whose is.

    Findings of one control differ in their title only by how the device stands; so a search need
    not read them. Of a topic in neither list some are called so and some are not.
    """
    every, none, wanted = [], [], words.lower()
    for control in catalogue_in_force().controls.values():
        called = ["\n".join(title.values()).lower() for title in _titles(control)]
        hits = [wanted in title or wanted in control.id for title in called]
        if all(hits):
            every.append(str(control.id))
        elif not any(hits):
            none.append(str(control.id))
    return every, none


def _finding(subject: Subject, control: Control, change: VerdictChange) -> NewFinding | None:
    """Return what to put in the inbox: a failure, or a proof that has grown too old."""
    verdict = change.after
    fails = verdict.kind is VerdictKind.FAIL
    stale = verdict.kind is VerdictKind.UNKNOWN and engine.is_stale(verdict)
    if not fails and not stale:
        return None
    return NewFinding(
        kind="compliance",
        key=_key(change.device_id, control.id),
        subject=f"device:{subject.device_id}",
        title=_titles(control)[0 if fails else 1],
        severity=control.severity.value,
        detail={"control": control.id, "verdict": verdict.kind.value, "version": control.version},
        due_at=verdict.fix_by,
        topic=control.id,
    )
