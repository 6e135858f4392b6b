"""Taking back what an act did, row by row, where nobody changed it since."""

from collections.abc import Mapping, Sequence

from sekisho.devices.model import Device
from sekisho.devices.service import many
from sekisho.findings import service as findings
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import PersonID
from sekisho.worklists.model import Act, ActKind, Listing, Member, Reason
from sekisho.worklists.service.deeds import Deed, Done, Judged, judge_devices, targets_of
from sekisho.worklists.service.finding_deeds import judge_findings
from sekisho.worklists.service.findings import find_units

# Rows of an act that undoes carry what each row was before, in ``Member.before``.


def _judge(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    if act.listing is Listing.FINDINGS:
        found, reasons = judge_findings(tx, members)
        owners = {name: finding.owner for name, finding in found.items()}
        return _changed(act, reasons, owners)
    devices, reasons = judge_devices(tx, members)
    if act.words["undoes"] == ActKind.OWN:
        return _changed(act, reasons, {name: d.owner_id for name, d in devices.items()})
    return _judge_tags(tx, act, members, reasons)


def _changed(
    act: Act, reasons: dict[str, Reason], owners: Mapping[str, str | None]
) -> dict[str, Reason]:
    given = act.words.get("person") or None
    for target, reason in reasons.items():
        if reason is Reason.NONE and owners[target] != given:
            reasons[target] = Reason.CHANGED
    return reasons


def _judge_tags(
    tx: Transaction, act: Act, members: Sequence[Member], reasons: dict[str, Reason]
) -> Judged:
    """Say which rows still have every tag that was put on, or lack every one taken away."""
    tags = many.find_tags(tx, targets_of(members))
    put = act.words["undoes"] == ActKind.TAG
    for member in members:
        moved, held = set(_tags(member)), set(tags.get(member.target, ()))
        as_left = moved <= held if put else not moved & held
        if reasons[member.target] is Reason.NONE and not as_left:
            reasons[member.target] = Reason.CHANGED
    return reasons


def _tags(member: Member) -> list[str]:
    return [str(tag) for tag in member.before] if isinstance(member.before, list) else []


def _undo(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    if act.listing is Listing.FINDINGS:
        _give_back(tx, members)
    elif act.words["undoes"] == ActKind.OWN:
        _hand_back(tx, members)
    else:
        _turn_tags(tx, act, members)
    return {member.target: member.before for member in members}


def _owner(member: Member) -> str | None:
    return str(member.before) if member.before else None


def _give_back(tx: Transaction, members: Sequence[Member]) -> None:
    owners = {member.target: _owner(member) for member in members}
    found = findings.find_findings(tx, list(owners))
    for owner in dict.fromkeys(owners.values()):
        given = [finding for finding in found if owners[finding.id] == owner]
        findings.give_findings(tx, given, owner, find_units)


def _hand_back(tx: Transaction, members: Sequence[Member]) -> None:
    devices = _devices(tx, members)
    for owner in dict.fromkeys(_owner(member) for member in members):
        given = [devices[m.target] for m in members if _owner(m) == owner]
        many.give_devices(tx, given, PersonID(owner) if owner else None)


def _turn_tags(tx: Transaction, act: Act, members: Sequence[Member]) -> None:
    devices = _devices(tx, members)
    alike: dict[tuple[str, ...], list[Device]] = {}
    for member in members:
        alike.setdefault(tuple(_tags(member)), []).append(devices[member.target])
    for tags, some in alike.items():
        if act.words["undoes"] == ActKind.TAG:
            many.change_tags(tx, some, remove=tags)
        else:
            many.change_tags(tx, some, add=tags)


def _devices(tx: Transaction, members: Sequence[Member]) -> Mapping[str, Device]:
    return many.find_devices(tx, targets_of(members), "devices.write")


UNDO = Deed(_judge, _undo)
