"""Proposes all policies of a plan as one version: whoever approves it looks at the whole.

What the rooms ask of a version counts here as well: a second person's word wherever somebody else
could give it, and a way in for administrators.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sekisho.access import service as access
from sekisho.access.engine.book import check_policies
from sekisho.access.engine.forms import read_form
from sekisho.access.policies import Policy, PolicyVersion, VersionState
from sekisho.controls import service as controls
from sekisho.controls.faults import Fault
from sekisho.kernel.errors import InvalidInputError, NotFoundError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.server.apply.hands import Hands
from sekisho.server.apply.model import Act, Kind, Mark, Step, Value
from sekisho.server.apply.places import did_you_mean
from sekisho.server.apply.policies import CEDAR, GONE, GROUP, WORDS
from sekisho.server.apply.references import Reference, entities_of, find_references, rename


def propose(hands: Hands, steps: Sequence[Step], note: str) -> tuple[list[Fault], list[Text]]:
    """Propose what ``steps`` make of the policies in force; return what was refused, what to say.

    With anything refused, nothing is proposed.
    """
    now = access.version_in_force(hands.tx)
    made = {policy.id: policy for policy in (now.policies if now else ())}
    marks = {step.key[0]: step.mark for step in steps}
    refused = list(_make_all(hands, steps, made))
    refused += _check(list(made.values()), marks, steps[0].mark) if not refused else []
    if refused:
        return refused, []
    try:
        version = access.propose_policies(
            hands.tx, list(made.values()), note=note, based_on=now.number if now else 0
        )
    except SekishoError as error:  # all of them are one version: it is of no single policy
        return [steps[0].mark.fault(msg("%(why)s", why=error.message))], []
    return [], [_said(version)]


def tell_left_behind(hands: Hands, steps: Iterable[Step]) -> Iterator[Text]:
    """Say which policies in force still name a unit or group that ``steps`` have taken away.

    It may go, as on its page; but whom such a policy kept out, it keeps out no more.
    """
    types = {Kind.UNIT: "Unit", Kind.GROUP: "Group"}
    gone = {
        (types[step.kind], step.present.id): step.name
        for step in steps
        if step.act is Act.REMOVE and step.kind in types and step.present
    }
    now = access.version_in_force(hands.tx) if gone else None
    for policy in now.policies if now else ():
        named = {gone.get((each.kind, each.name), "") for each in find_references(policy.text)}
        for name in sorted(named - {""}) if policy.enabled else ():
            yield msg(
                "“%(name)s” goes, and the policy “%(id)s”, which is in force, still names it: "
                "nobody is meant by that any more.",
                name=name, id=policy.id,
            )  # fmt: skip


def _said(version: PolicyVersion) -> Text:
    if version.state is VersionState.WAITING:
        return msg(
            "Version %(n)s of the policies waits for the approval of a second person "
            "(/access/policies/versions/%(n)s); until then it does not count.",
            n=version.number,
        )
    return msg(
        "Version %(n)s of the policies is in force at once: nobody else could approve it.",
        n=version.number,
    )


def _make_all(hands: Hands, steps: Sequence[Step], made: dict[str, Policy]) -> Iterator[Fault]:
    for step in steps:
        [name] = step.key
        if step.act is Act.REMOVE:
            made.pop(name, None)
            continue
        try:
            made[name] = _make(hands, step, made.get(name) or Policy(name, ""))
            yield from _missing_words(hands, step, made[name].text) if _says_anew(step) else ()
        except SekishoError as error:
            said = msg("%(name)s: %(why)s", name=name, why=error.message)
            yield step.mark.fault(said)


def _make(hands: Hands, step: Step, policy: Policy) -> Policy:
    """Return a policy as a step wants it; what the step does not change stays to the letter."""
    changed: Mapping[str, Value] = {each.field: each.after for each in step.differences}
    said: dict[str, Any] = {name: changed[name] for name in WORDS if name in changed}
    if "enabled" in changed:
        said["enabled"] = changed["enabled"] == "true"
    if "approvers" in changed:
        said["approvers"] = _approvers(hands, str(changed["approvers"]))
    if _says_anew(step):
        said["text"] = _text(hands, step.value(CEDAR))
    return replace(policy, **said)


def _says_anew(step: Step) -> bool:
    return any(each.field in {CEDAR, GONE} for each in step.differences)


def _approvers(hands: Hands, written: str) -> str:
    if not written.startswith(GROUP):
        return written
    return GROUP + hands.group(written.removeprefix(GROUP))


def _text(hands: Hands, named: str) -> str:
    """Return a text under ids. Cedar itself is asked whether a name was missed."""
    finders = {
        "Unit": hands.unit, "Group": hands.group, "Person": hands.person,
        "Resource": hands.resource,
    }  # fmt: skip
    known: set[tuple[str, str]] = set()

    def called(each: Reference) -> str:
        found = finders[each.kind](each.name) if each.kind in finders else each.name
        known.add((each.kind, found))
        return found

    text = rename(named, called)
    for kind, name in sorted(_entities(text) - known):
        raise NotFoundError(msg("Nothing here is called %(name)s.", name=Reference(kind, name)))
    return text


def _entities(text: str) -> frozenset[tuple[str, str]]:
    try:
        return entities_of(text)
    except ValueError as error:
        raise InvalidInputError(msg("Cedar cannot read it: %(why)s", why=error)) from None


def _missing_words(hands: Hands, step: Step, text: str) -> Iterator[Fault]:
    """Yield the networks and rules that a form asks for and that are not there."""
    form = read_form(text)
    if form is None:
        return
    networks = [name for name, _, _ in access.list_networks(hands.tx)]
    rules = [str(name) for name in controls.catalogue_in_force().controls]
    for kind, asked, known, there_is_none in (
        ("network", form.networks, networks, _no_network),
        ("rule", form.controls, rules, _no_rule),
    ):
        for name in asked:
            if name not in known:
                mark = step.marks.get(str(Reference(kind, name)), step.mark)
                why, hint = there_is_none(name), did_you_mean(name, known)
                yield mark.fault(msg("%(why)s %(hint)s", why=why, hint=hint))


def _no_network(name: str) -> Text:
    return msg("There is no network “%(name)s”.", name=name)


def _no_rule(name: str) -> Text:
    return msg("There is no rule “%(name)s”.", name=name)


def _check(policies: Sequence[Policy], marks: Mapping[str, Mark], first: Mark) -> list[Fault]:
    """Return every fault of a version at the policy that has it."""
    return [
        marks.get(fault.policy_id, first).fault(
            msg("%(name)s: %(why)s", name=fault.policy_id, why=fault.text)
        )
        for fault in check_policies(policies)
    ]
