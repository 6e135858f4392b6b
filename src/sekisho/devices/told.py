"""What the owner of a device is told, and when: judged from how it stands and what was said last.

Pure. A device begins to fail, its date comes near (three days, one day), access ends, all is fine
again. What is unknown is told to nobody here: the owner cannot mend a silence by reading of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sekisho.controls.access import AccessKind, AccessState, Bar
from sekisho.controls.model import Control, VerdictKind
from sekisho.kernel.i18n import LANGUAGES, Text, msg
from sekisho.kernel.ids import ControlID, DeviceID, digest_token
from sekisho.notices.model import Kind, NewNotice, People, Saying, Urgency

FAR = timedelta(days=3)
NEAR = timedelta(days=1)
_NAMED = 3  # rules named in one notice; the page shows them all


class Stage(StrEnum):
    """What the owner was told last."""

    QUIET = "quiet"  # nothing but that all is fine, or nothing at all
    FAILS = "fails"
    THREE_DAYS = "three_days"
    ONE_DAY = "one_day"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Told:
    """What was told last: the stage, the date it named, and the rules that failed."""

    stage: Stage = Stage.QUIET
    fix_by: datetime | None = None
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Owned:
    """A device as far as telling needs it."""

    id: DeviceID
    owner_id: str
    name: str


def next_told(state: AccessState, told: Told, now: datetime) -> Told | None:
    """Return what the owner should know now, or None if it is what was told last or unknown.

    Failures are told also where something else is unknown. "Fine again" is said only when every
    rule that was told of is proven or excepted: one that went silent is not.
    """
    if any(reason.bar in _SHUT for reason in state.reasons):
        return None
    fresh = _judge(state, now)
    if fresh.stage is Stage.QUIET:
        open_rules = {r.control_id for r in state.reasons if r.verdict is not VerdictKind.EXEMPT}
        return None if told.stage is Stage.QUIET or told.rules & open_rules else fresh
    if fresh.stage is told.stage and fresh.rules <= told.rules:
        return None  # nothing new: the same, or one of several was mended
    return fresh


_SHUT = frozenset({Bar.WITHDRAWN, Bar.DISABLED, Bar.PAUSED})


def _judge(state: AccessState, now: datetime) -> Told:
    ended = [r for r in state.reasons if r.kind is AccessKind.NOT_ALLOWED]
    failing = [r for r in state.reasons if r.kind is AccessKind.FIX_BY]
    rules = frozenset(str(r.control_id) for r in (*ended, *failing) if r.control_id)
    if ended:
        return Told(Stage.ENDED, None, rules)
    if not failing:
        return Told()
    fix_by = min((r.until for r in failing if r.until is not None), default=None)
    return Told(_stage(fix_by, now), fix_by, rules)


def _stage(fix_by: datetime | None, now: datetime) -> Stage:
    if fix_by is None or fix_by - now > FAR:
        return Stage.FAILS
    return Stage.ONE_DAY if fix_by - now <= NEAR else Stage.THREE_DAYS


def write_notice(
    device: Owned, state: AccessState, fresh: Told, controls: Mapping[ControlID, Control]
) -> NewNotice:
    """Write what the owner is told."""
    rules = _name_rules(state, fresh, controls)
    kind, urgency, title, body = _words(device, fresh, rules)
    mark = digest_token(" ".join(sorted(fresh.rules)))[:16]
    when = fresh.fix_by if fresh.stage in _DATED else state.computed_at
    return NewNotice(
        to=People([device.owner_id]),
        kind=kind,
        subject=f"device:{device.id}",
        title=title,
        body=body,
        urgency=urgency,
        link=f"/my/devices/{device.id}",
        dedupe_key=f"{kind}:{device.id}:{when}:{mark}",
    )


_DATED = frozenset({Stage.FAILS, Stage.THREE_DAYS, Stage.ONE_DAY})


def _words(
    device: Owned, fresh: Told, rules: Mapping[str, str]
) -> tuple[Kind, Urgency, Saying, Saying]:
    values = {"device": device.name, "rules": rules, "date": fresh.fix_by}
    if fresh.stage is Stage.QUIET:
        return (Kind.DEVICE_FINE, Urgency.LOW,
                _say(msg("%(device)s: everything that was to fix is done"), values),
                _say(msg("Thank you. Nothing more needs to be done."), values))  # fmt: skip
    if fresh.stage is Stage.ENDED:
        return (Kind.DEVICE_ENDED, Urgency.URGENT,
                _say(msg("%(device)s cannot be used for work until it is fixed"), values),
                _say(msg("Not fixed in time: %(rules)s\nThe page shows how to fix it; after "
                         "“Check again” it can be used at once."), values))  # fmt: skip
    title = (
        msg("%(device)s: something to fix")
        if fresh.fix_by is None
        else msg("%(device)s: something to fix by %(date)s")
    )
    body = msg("Not so yet: %(rules)s\nUntil then everything works as before. The page shows how "
               "to fix it.")  # fmt: skip
    if fresh.stage is Stage.FAILS:
        return Kind.DEVICE_FAILS, Urgency.NORMAL, _say(title, values), _say(body, values)
    urgency = Urgency.URGENT if fresh.stage is Stage.ONE_DAY else Urgency.NORMAL
    return Kind.DEVICE_FIX_BY, urgency, _say(title, values), _say(body, values)


def _say(text: Text, values: Mapping[str, object]) -> Text:
    return Text(text.id, {name: value for name, value in values.items() if f"%({name})" in text.id})


def _name_rules(
    state: AccessState, fresh: Told, controls: Mapping[ControlID, Control]
) -> dict[str, str]:
    """Name the rules that fail, the worst first, in both languages."""
    ids = [r.control_id for r in state.reasons if r.control_id and r.control_id in fresh.rules]
    found = [controls[i] for i in ids if i in controls]
    return {language: _join(found, language) for language in LANGUAGES}


def _join(found: Sequence[Control], language: str) -> str:
    names = [control.title.get(language, control.id) for control in found[:_NAMED]]
    more = len(found) - len(names)
    if language == "ja":
        return "".join(f"「{name}」" for name in names) + (f"ほか{more}件" if more else "")
    return ", ".join(names) + (f" and {more} more" if more else "")
