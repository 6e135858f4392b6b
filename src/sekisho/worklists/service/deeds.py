"""What each act does with its rows: which can be done, and doing it. Devices and what all share.

A deed is asked twice about every row: when the act is planned, and again in the transaction that
does it, because rights, owners and rules may have changed since. What it may do is judged for each
row by the rights of whoever ordered it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from zoneinfo import ZoneInfo

from sekisho.controls import service as controls
from sekisho.controls.exceptions import Wish, end_of_day
from sekisho.controls.model import VerdictKind
from sekisho.controls.service import picking
from sekisho.devices.model import Device, DeviceState, Ownership
from sekisho.devices.service import many
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import LANGUAGES
from sekisho.kernel.ids import ControlID, DeviceID, PersonID
from sekisho.notices import service as notices
from sekisho.notices.model import Kind, NewNotice, People
from sekisho.worklists.engine.orders import read_tags
from sekisho.worklists.model import Act, Member, Reason

Judged = Mapping[str, Reason]
Done = Mapping[str, object]
WRITING = "devices.write"
_TITLES = 5


@dataclass(frozen=True, slots=True)
class Deed:
    """How one act goes.

    ``judge`` says for each target why not (NONE: it can be done); ``do`` does those that can and
    returns what it takes to undo each. ``whole`` acts on all rows at once.
    """

    judge: Callable[[Transaction, Act, Sequence[Member]], Judged]
    do: Callable[[Transaction, Act, Sequence[Member]], Done]
    whole: bool = False


def targets_of(members: Sequence[Member]) -> list[str]:
    """Return what rows are about."""
    return [member.target for member in members]


def judge_devices(
    tx: Transaction, members: Sequence[Member], right: str = WRITING
) -> tuple[dict[str, Device], dict[str, Reason]]:
    """Return the devices within reach, and for every target why it is out (NONE: it is not)."""
    found = many.find_devices(tx, targets_of(members), right)
    reasons = {}
    for target in targets_of(members):
        device = found.get(target)
        gone = device is not None and device.state is DeviceState.WITHDRAWN
        reasons[target] = Reason.WITHDRAWN if gone else Reason.NONE if device else Reason.BEYOND
    return found, reasons


def _judge_tags(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    found, reasons = judge_devices(tx, members)
    tags, present = set(read_tags(act.words["tags"])), many.find_tags(tx, list(found))
    for target, reason in reasons.items():
        if reason is not Reason.NONE:
            continue
        held = set(present.get(target, ()))
        if tags <= held:
            reasons[target] = Reason.ALREADY
        elif len(held | tags) > many.MOST_TAGS:
            reasons[target] = Reason.TOO_MANY_TAGS
    return reasons


def _tag(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    found, tags = _devices(tx, members), read_tags(act.words["tags"])
    before = many.change_tags(tx, found.values(), add=tags)
    return {name: [tag for tag in tags if tag not in held] for name, held in before.items()}


def _judge_untags(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    found, reasons = judge_devices(tx, members)
    tags, present = set(read_tags(act.words["tags"])), many.find_tags(tx, list(found))
    for target, reason in reasons.items():
        if reason is Reason.NONE and not tags & set(present.get(target, ())):
            reasons[target] = Reason.ALREADY
    return reasons


def _untag(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    found, tags = _devices(tx, members), read_tags(act.words["tags"])
    before = many.change_tags(tx, found.values(), remove=tags)
    return {name: [tag for tag in tags if tag in held] for name, held in before.items()}


def _judge_owner(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    found, reasons = judge_devices(tx, members)
    wanted = act.words.get("person") or None
    for target, reason in reasons.items():
        if reason is Reason.NONE and found[target].ownership is Ownership.PRIVATE:
            reasons[target] = Reason.PRIVATE
        elif reason is Reason.NONE and found[target].owner_id == wanted:
            reasons[target] = Reason.ALREADY
    return reasons


def _own(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    owner = act.words.get("person") or None
    return many.give_devices(tx, _devices(tx, members).values(), PersonID(owner) if owner else None)


def _devices(tx: Transaction, members: Sequence[Member]) -> dict[str, Device]:
    return many.find_devices(tx, targets_of(members), WRITING)


def _judge_letters(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    del act
    found, reasons = judge_devices(tx, members)
    return without_nobody(tx, reasons, {name: d.owner_id for name, d in found.items()})


def without_nobody(
    tx: Transaction, reasons: dict[str, Reason], people: Mapping[str, str | None]
) -> dict[str, Reason]:
    """Take out the rows whose person is nobody, or cannot be told anything any more."""
    reached = identity.list_reachable(tx, [person for person in people.values() if person])
    able = {person.id for person in reached}
    for target, reason in reasons.items():
        if reason is Reason.NONE and people.get(target) not in able:
            reasons[target] = Reason.NOBODY
    return reasons


def _notify(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    found = _devices(tx, members)
    return write_to(tx, act, {
        target: (device.owner_id, device.title) for target, device in found.items()
    })  # fmt: skip


def write_to(
    tx: Transaction, act: Act, concerned: Mapping[str, tuple[str | None, str]]
) -> dict[str, object]:
    """Queue the act's message once for each person; return who was told of each target.

    A person whom an earlier piece of the act told already is not told again.
    """
    about: dict[str, list[str]] = {}
    for person, title in concerned.values():
        if person:
            about.setdefault(person, []).append(title)
    notices.queue_notices(tx, [_letter(act, person, names) for person, names in about.items()])
    return {target: person for target, (person, _) in concerned.items()}


def _letter(act: Act, person: str, names: Sequence[str]) -> NewNotice:
    some = "、".join(names[:_TITLES]), ", ".join(names[:_TITLES])
    about = {"ja": f"対象：{some[0]}", "en": f"About: {some[1]}"}
    more = len(names) - _TITLES
    if more > 0:
        about = {"ja": f"{about['ja']} ほか{more}件", "en": f"{about['en']} and {more} more"}
    return NewNotice(
        to=People([person]),
        kind=Kind.TASK_ASSIGNED,
        subject=f"act:{act.id}",
        title=dict.fromkeys(LANGUAGES, act.words["title"]),
        body={lang: f"{act.words['body']}\n\n{about[lang]}\n{act.actor_name}"
              for lang in LANGUAGES},
        link="/my",
        dedupe_key=f"act:{act.id}:{person}",
    )  # fmt: skip


def _judge_exception(tx: Transaction, act: Act, members: Sequence[Member]) -> Judged:
    found, reasons = judge_devices(tx, members, "exceptions.write")
    rule = ControlID(act.words["rule"])
    fine = [DeviceID(name) for name in found if reasons[name] is Reason.NONE]
    return reasons | judge_rule(tx, act, rule, fine)


def judge_rule(
    tx: Transaction, act: Act, rule: ControlID, devices: Sequence[DeviceID]
) -> dict[str, Reason]:
    """Say for each device whether an exception from a rule means anything there."""
    if not picking.may_last(tx, rule, _end_of(act), zone_of(act)):
        return dict.fromkeys(devices, Reason.TOO_LONG)
    kinds, asked = picking.find_kinds(tx, rule, devices), picking.find_asked(tx, rule, devices)
    told = {
        VerdictKind.PASS: Reason.KEPT, VerdictKind.EXEMPT: Reason.EXCEPTED,
        VerdictKind.FAIL: Reason.NONE, VerdictKind.UNKNOWN: Reason.NONE,
    }  # fmt: skip
    return {
        device: Reason.ASKED if device in asked
        else told[kinds[device]] if device in kinds else Reason.NOT_APPLYING
        for device in devices
    }  # fmt: skip


def _except(tx: Transaction, act: Act, members: Sequence[Member]) -> Done:
    made = request(tx, act, ControlID(act.words["rule"]), targets_of(members))
    return dict.fromkeys(targets_of(members), made)


def request(tx: Transaction, act: Act, rule: ControlID, devices: Sequence[str]) -> str:
    """Ask for one exception over these devices; return its id."""
    wish = Wish(
        rule, picking.make_selection(tx, devices), act.words["reason"], act.words["measure"],
        _end_of(act),
    )  # fmt: skip
    return controls.request_exception(tx, wish, zone_of(act)).id


def _end_of(act: Act) -> datetime:
    return end_of_day(date.fromisoformat(act.words["until"]), zone_of(act))


def zone_of(act: Act) -> tzinfo | None:
    """Return the time zone in which an act's days end; None for this machine's."""
    name = act.words.get("time_zone", "")
    return ZoneInfo(name) if name else None


TAG = Deed(_judge_tags, _tag)
UNTAG = Deed(_judge_untags, _untag)
OWN = Deed(_judge_owner, _own)
NOTIFY = Deed(_judge_letters, _notify)
EXCEPT = Deed(_judge_exception, _except, whole=True)
