"""What acts do with findings: give them to a person, write to those concerned, ask to except."""

from collections.abc import Mapping, Sequence

from sekisho.controls import service as controls
from sekisho.devices.service import many
from sekisho.findings import service
from sekisho.findings.model import Finding, FindingKind, FindingStatus
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.worklists.model import Act, Member, Reason
from sekisho.worklists.service.deeds import (
    Deed,
    Done,
    Judged,
    judge_rule,
    request,
    targets_of,
    without_nobody,
    write_to,
)
from sekisho.worklists.service.findings import find_people, find_units


def judge_findings(
    tx: Transaction, members: Sequence[Member], right: str = "findings.write"
) -> tuple[dict[str, Finding], dict[str, Reason]]:
    """Return the findings that are there, and for every target why it is out (NONE: it is not)."""
    reach = tx.principal.require_reach(right)
    found = {finding.id: finding for finding in service.find_findings(tx, targets_of(members))}
    units = {} if reach is None else find_units(tx, list(found.values()))
    reasons = {}
    for target in targets_of(members):
        finding = found.get(target)  # type: ignore[call-overload]  # ids are strings
        if finding is None or not (reach is None or units.get(finding.subject) in reach):
            reasons[target] = Reason.BEYOND
        else:
            shut = finding.status is FindingStatus.CLOSED
            reasons[target] = Reason.CLOSED if shut else Reason.NONE
    return {str(name): finding for name, finding in found.items()}, reasons


def _judge_assignment(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    found, reasons = judge_findings(tx, members)
    wanted = act.words.get("person") or None
    for target, reason in reasons.items():
        if reason is Reason.NONE and found[target].owner == wanted:
            reasons[target] = Reason.ALREADY
    return reasons


def _assign(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    given = service.find_findings(tx, targets_of(members))
    service.give_findings(tx, given, act.words.get("person") or None, find_units)
    return {finding.id: finding.owner for finding in given}


def _judge_letters(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    del act
    found, reasons = judge_findings(tx, members)
    people = find_people(tx, list(found.values()))
    return without_nobody(tx, reasons, {n: people[f.subject] for n, f in found.items()})


def _notify(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    given = service.find_findings(tx, targets_of(members))
    people, titles = find_people(tx, given), _title_devices(tx, given)
    return write_to(tx, act, {
        finding.id: (people[finding.subject], titles.get(finding.subject, ""))
        for finding in given
    })  # fmt: skip


def _title_devices(tx: Transaction, found: Sequence[Finding]) -> Mapping[str, str]:
    ids = [f.subject.removeprefix("device:") for f in found if f.subject.startswith("device:")]
    return {f"device:{d.id}": d.title for d in many.find_known(tx, ids).values()}


def _judge_exceptions(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    found, reasons = judge_findings(tx, members, "exceptions.write")
    for rule, some in _by_rule(found, reasons).items():
        devices = {DeviceID(f.subject.removeprefix("device:")): f.id for f in some}
        judged = judge_rule(tx, act, rule, list(devices))
        reasons |= {devices[DeviceID(name)]: reason for name, reason in judged.items()}
    return reasons


def _by_rule(
    found: Mapping[str, Finding], reasons: dict[str, Reason]
) -> dict[ControlID, list[Finding]]:
    """Group findings by their rule; mark those that are about none."""
    known = controls.catalogue_in_force().controls
    groups: dict[ControlID, list[Finding]] = {}
    for name, finding in found.items():
        rule = ControlID(finding.topic)
        about = finding.kind is FindingKind.COMPLIANCE and finding.subject.startswith("device:")
        if reasons[name] is not Reason.NONE:
            continue
        if rule in known and about:
            groups.setdefault(rule, []).append(finding)
        else:
            reasons[name] = Reason.NO_RULE
    return groups


def _except(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    found = {str(f.id): f for f in service.find_findings(tx, targets_of(members))}
    groups = _by_rule(found, dict.fromkeys(found, Reason.NONE))
    made: dict[str, object] = {}
    for rule, some in groups.items():
        devices = [finding.subject.removeprefix("device:") for finding in some]
        exception = request(tx, act, rule, list(dict.fromkeys(devices)))
        made |= {str(finding.id): exception for finding in some}
    return made


ASSIGN = Deed(_judge_assignment, _assign)
NOTIFY = Deed(_judge_letters, _notify)
EXCEPT = Deed(_judge_exceptions, _except, whole=True)
