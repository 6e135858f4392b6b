"""Does the steps of a plan in the caller's transaction, each by the service of its room.

A step that a service refuses is noted with the place in the file that wants it; the others are
tried all the same, so that one run names every mistake. The caller then gives the transaction up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby

from sekisho.access import service as access
from sekisho.access.model import ResourceID
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.laid_content import lay_content
from sekisho.controls.selfchecks import Audience
from sekisho.controls.service import content, selfchecks
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role, Strength
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import UnitID
from sekisho.kernel.secrets import SecretBox
from sekisho.notices import service as notices
from sekisho.notices.model import ChannelKind, Topic
from sekisho.server.apply.hands import Hands, open_hands
from sekisho.server.apply.model import (
    FILES,
    Act,
    Item,
    Kind,
    Plan,
    Step,
    fold,
    read_path,
    read_role,
    write_path,
)
from sekisho.server.apply.proposing import propose, tell_left_behind
from sekisho.server.apply.resources import resource_of
from sekisho.server.apply.state import State

_SETUP, _SECRET = "setup.", "secret."


@dataclass(slots=True)
class Outcome:
    """What was refused, each with its place, and what else there is to say of what was done."""

    refused: list[Fault] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)


def do_steps(
    tx: Transaction, box: SecretBox, plan: Plan, state: State, environment: Mapping[str, str]
) -> Outcome:
    """Do every step of ``plan``, made from ``state`` in this transaction; return what came of it.

    The transaction must be given up if anything was refused.
    """
    hands = open_hands(tx, box, state, environment)
    lay_content(content.read_content(tx))  # schedules name questionnaires of the folder's own
    outcome = Outcome()
    asked = any(step.kind is Kind.POLICY for step in plan.steps)
    could_approve = asked and bool(identity.list_holders(tx, "access.approve"))
    for kind, steps in groupby(plan.steps, lambda step: step.kind):
        if kind is Kind.POLICY:
            _do_policies(hands, list(steps), plan.digest, outcome, could_approve=could_approve)
            continue
        for step in steps:
            _do_step(hands, step, outcome.refused)
    outcome.notes += tell_left_behind(hands, plan.steps)
    return outcome


def _do_step(hands: Hands, step: Step, refused: list[Fault]) -> None:
    try:
        _DOERS[step.kind](hands, step)
    except CatalogueError as error:  # each with its line in the file
        refused += error.faults
    except SekishoError as error:
        said = msg("%(name)s: %(why)s", name=step.name, why=error.message)
        refused.append(step.mark.fault(said))


def _do_policies(
    hands: Hands, steps: list[Step], digest: str, outcome: Outcome, *, could_approve: bool
) -> None:
    """Propose all policies; with who could approve taken away just before, that is refused."""
    refused, notes = propose(hands, steps, f"{FILES[Kind.POLICY]} {digest}")
    if could_approve and not refused and not identity.list_holders(hands.tx, "access.approve"):
        why = msg("Nobody could approve the policies any more once these roles are taken away.")
        refused = [steps[0].mark.fault(why)]
    outcome.refused += refused
    outcome.notes += notes


def _do_unit(hands: Hands, step: Step) -> None:
    draft = identity.UnitDraft(
        step.value("name"), step.value("kind"), step.value("country"),
        step.value("time_zone"), step.value("language"),
    )  # fmt: skip
    if step.act is Act.ADD:
        above = read_path(step.key[0])[:-1]
        parent = hands.unit(write_path(above)) if above else None
        made = identity.create_unit(hands.tx, draft, parent)
        hands.units[fold(step.key[0])] = made.id
        return
    present = _present(step)
    if step.act is Act.CHANGE:
        identity.update_unit(hands.tx, present.id, present.version, draft)
    else:
        identity.delete_unit(hands.tx, present.id, present.version)


def _do_group(hands: Hands, step: Step) -> None:
    changed = {each.field: each for each in step.differences}
    if step.act is Act.REMOVE:
        present = _present(step)
        identity.delete_group(hands.tx, present.id, present.version)
        return
    if step.act is Act.ADD:
        made = identity.create_group(hands.tx, step.key[0], step.value("note"))
        hands.groups[step.key[0]] = made.id
    elif "note" in changed:
        present = _present(step)
        note = step.value("note")
        identity.update_group(hands.tx, present.id, present.version, step.key[0], note)
    if "members" in changed:
        before, after = changed["members"].before, step.values("members")
        gone = before - after if isinstance(before, frozenset) else frozenset()
        identity.change_members(
            hands.tx, hands.group(step.key[0]),
            add=[hands.people[each] for each in after],
            remove=[hands.people[each] for each in gone if each in hands.people],
        )  # fmt: skip


def _do_roles(hands: Hands, step: Step) -> None:
    held = [read_role(written) for written in step.values("roles")]
    wanted = [
        Assignment(Role(role), UnitID(hands.unit(unit)) if unit else None) for role, unit in held
    ]
    present = _present(step)
    identity.set_roles(hands.tx, present.id, wanted, present.version)


def _do_sign_in(hands: Hands, step: Step) -> None:
    [role] = step.key
    strength = Strength[step.value("strength").upper()]
    identity.change_requirement(hands.tx, f"role:{role}", int(strength))


def _do_self_check(hands: Hands, step: Step) -> None:
    check, kind, whom = step.key
    audience = Audience(kind)
    if step.act is Act.CHANGE:
        _refuse_over(step)
    if step.present is not None:
        selfchecks.stop_schedule(hands.tx, step.present.id)
    if step.act is Act.REMOVE:
        return
    ids = {Audience.UNIT: hands.unit, Audience.GROUP: hands.group}
    wanted = selfchecks.NewSchedule(
        check_id=check,
        audience=audience,
        audience_id=ids[audience](whom) if audience in ids else "",
        every_days=int(step.value("every_days")),
        open_days=int(step.value("open_days")),
        remind_days=int(step.value("remind_days")),
        first_at=_first_at(step),
    )
    selfchecks.make_schedule(hands.tx, wanted)


def _refuse_over(step: Step) -> None:
    """Refuse to change what was asked once and is over: everybody would be asked again."""
    if step.value("every_days") == "0" and not step.value("next_at"):
        raise ConflictError(
            msg("This was asked once and is over; to ask again, make a new one on the page "
                "“Self-checks”.")
        )  # fmt: skip


def _first_at(step: Step) -> datetime | None:
    """Return when to ask first: when the schedule that is replaced would have, or the day given."""
    written = step.value("next_at") or step.value("first")
    return datetime.fromisoformat(written).replace(tzinfo=UTC) if written else None


def _do_channel(hands: Hands, step: Step) -> None:
    kept = step.present.id if step.present else ""
    if step.act is Act.REMOVE:
        notices.remove_channel(hands.tx, kept)
        return
    order = notices.ChannelOrder(
        kind=ChannelKind(step.key[0]),
        name=step.value("name"),
        setup=_under(step, _SETUP),
        secrets={
            name: hands.environment.get(variable.removeprefix("$"), "")
            for name, variable in _under(step, _SECRET).items()
        },
        topics=frozenset(Topic(topic) for topic in step.values("topics")),
        language=step.value("language"),
        enabled=step.value("enabled") == "true",
    )
    notices.set_channel(hands.tx, hands.box, order, kept)


def _do_resource(hands: Hands, step: Step) -> None:
    if step.act is Act.REMOVE:
        access.remove_resource(hands.tx, _present(step).id)
        return
    wanted = resource_of(step.key[0], step.fields)
    if step.act is Act.ADD:
        hands.resources[step.key[0]] = access.add_resource(hands.tx, wanted).id
        return
    present = _present(step)
    made = replace(wanted, id=ResourceID(present.id))
    access.change_resource(hands.tx, made, present.version)


def _do_content(hands: Hands, step: Step) -> None:
    if step.act is Act.REMOVE:
        content.remove_content(hands.tx, step.key[0])
    else:
        content.set_content(hands.tx, step.key[0], step.text)
    lay_content(content.read_content(hands.tx))


def _under(step: Step, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in step.fields.items()
        if name.startswith(prefix) and isinstance(value, str)
    }


def _present(step: Step) -> Item:
    if step.present is None:
        raise ConflictError(msg("%(name)s is not there any more.", name=step.name))
    return step.present


_DOERS: Mapping[Kind, Callable[[Hands, Step], None]] = {
    Kind.UNIT: _do_unit,
    Kind.GROUP: _do_group,
    Kind.ROLES: _do_roles,
    Kind.SIGN_IN: _do_sign_in,
    Kind.SELF_CHECK: _do_self_check,
    Kind.CHANNEL: _do_channel,
    Kind.CONTENT: _do_content,
    Kind.RESOURCE: _do_resource,
}
