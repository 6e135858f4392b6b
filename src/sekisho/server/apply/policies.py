"""Access policies in a folder: read from its file, compared as items, written again (pure).

What is compared is the Cedar text under names, whether a file has it as a form or as text: a form
and its text are the same thing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from sekisho.access.engine.book import check_policies
from sekisho.access.engine.forms import read_form as read_cedar
from sekisho.access.engine.forms import write_form
from sekisho.access.policies import LONGEST_TEXT, Policy
from sekisho.controls.reading import Place, Source
from sekisho.kernel.i18n import Text, msg
from sekisho.server.apply.model import Item, Kind, Mark, Value, Wanted, plain
from sekisho.server.apply.places import fields_of, mark_of, read_switch, read_word
from sekisho.server.apply.policy_forms import form_fields, read_form
from sekisho.server.apply.references import Reference, find_references, rename

WORDS = ("title_ja", "title_en", "fix_ja", "fix_en")
MANAGER, GROUP = "manager", "group:"
CEDAR, GONE = "cedar", "gone"
_GONE_APPROVERS = "gone:"
Names = Mapping[str, Mapping[str, str]]
"""Type of an entity → its id → the name that it has in files."""
REST: Mapping[str, Value] = {
    **dict.fromkeys(WORDS, ""), "approvers": "", "enabled": "true", CEDAR: "", GONE: frozenset(),
}  # fmt: skip
"""What a new policy is where the file says nothing."""


def read_policies(place: Place, complete: bool) -> Iterator[Wanted]:
    """Read what the file lists; whether what it names is there is for the plan to say."""
    del complete  # a policy is always one whole
    for item in place.items():
        given = fields_of(item, ("id",), (*WORDS, "approvers", "enabled", "form", CEDAR))
        if "id" not in given:
            continue
        name, marks = read_word(given["id"]), dict[str, Mark]()
        fields: dict[str, Value] = {n: read_word(given[n]) for n in WORDS if n in given}
        if "enabled" in given:
            fields["enabled"] = str(read_switch(given["enabled"])).lower()
        if "approvers" in given:
            fields["approvers"] = _read_approvers(given["approvers"], marks)
        fields |= _read_text(name, given, marks)
        yield Wanted(Kind.POLICY, (name,), fields, mark_of(item), complete=True, marks=marks)


def _read_approvers(place: Place, marks: dict[str, Mark]) -> str:
    """Read ``manager``, "" for those with the right, or ``{group: NAME}``."""
    if isinstance(place.node, yaml.ScalarNode):
        word = read_word(place)
        if word not in {"", MANAGER}:
            place.note(
                msg("Expected manager, or {group: NAME}, or nothing for whoever may approve.")
            )
        return word
    given = fields_of(place, ("group",))
    name = given["group"].text() if "group" in given else ""
    marks.setdefault(str(Reference("Group", name)), mark_of(place))
    return GROUP + name


def _read_text(name: str, given: Mapping[str, Place], marks: dict[str, Mark]) -> dict[str, Value]:
    if "form" in given and CEDAR in given:
        given[CEDAR].note(msg("A policy has a form or a text, not both."))
    elif "form" in given:
        form = read_form(given["form"], marks)
        try:
            return _checked(name, write_form(name, form), given["form"])
        except ValueError as error:
            given["form"].note(msg("Cedar cannot read it: %(why)s", why=error))
    elif CEDAR in given:
        return _read_cedar(name, given[CEDAR], marks)
    return {}


def _read_cedar(name: str, place: Place, marks: dict[str, Mark]) -> dict[str, Value]:
    written = place.node.value if isinstance(place.node, yaml.ScalarNode) else ""
    text = tidy(place.text())
    if len(text) > 2 * LONGEST_TEXT:  # names may be longer than ids, but not by that much
        place.note(msg("The text of this policy is too long."))
        return {}
    blank = len(written) - len(written.lstrip())
    first = place.line + 1 + written[:blank].count("\n")
    for each in find_references(text):
        line = first + text[: each.start].count("\n") if place.node.style == "|" else place.line
        marks.setdefault(str(each), Mark(place.source.file, line))
    return _checked(name, text, place)


def _checked(name: str, text: str, place: Place) -> dict[str, Value]:
    """Return the fields of a text; notes what keeps Cedar from taking it, whoever it names."""
    for fault in check_policies([Policy(name, rename(text, _shortest))]):
        place.note(fault.text)
    return {CEDAR: text, GONE: frozenset()}


def _shortest(each: Reference) -> str:
    del each  # nothing of the checks depends on who is named
    return "x"


def tidy(text: str) -> str:
    """Return a text as it is compared: pages send other ends of lines than files have."""
    return text.replace("\r\n", "\n").strip()


def item_of(policy: Policy, names: Names) -> Item:
    """Return a policy as it stands, under names; ``gone`` holds what it names and is not there."""
    gone: set[str] = set()

    def called(each: Reference) -> str:
        found = names[each.kind].get(each.name)
        if found is None:
            gone.add(str(each))
        return each.name if found is None else found

    fields: dict[str, Value] = {name: getattr(policy, name) for name in WORDS}
    fields |= {
        "approvers": _approvers(policy.approvers, names),
        "enabled": str(policy.enabled).lower(),
        CEDAR: rename(tidy(policy.text), called),
        GONE: frozenset(gone),
    }
    return Item(Kind.POLICY, (policy.id,), fields, policy.id)


def _approvers(kept: str, names: Names) -> str:
    if kept in {"", MANAGER}:
        return kept
    found = names["Group"].get(kept.removeprefix(GROUP)) if kept.startswith(GROUP) else None
    return _GONE_APPROVERS + kept if found is None else GROUP + found


def _lost(item: Item) -> list[str]:
    """List what a policy names and is not there, as it stands in the store."""
    approvers = str(item.fields["approvers"])
    lost = (
        [approvers.removeprefix(_GONE_APPROVERS)] if approvers.startswith(_GONE_APPROVERS) else []
    )
    return [*plain(item.fields[GONE]), *lost]


def can_be_written(item: Item) -> bool:
    """Tell whether all that a policy names has a name."""
    return not _lost(item)


def list_left_out(items: Iterable[Item]) -> list[Text]:
    """Say of each policy that no file can hold why that is so."""
    return [
        msg("The policy “%(name)s” is not written, since it names what is not there: %(what)s.",
            name=item.key[0], what=", ".join(_lost(item)))
        for item in items
        if not can_be_written(item)
    ]  # fmt: skip


class Block(str):
    """A text of several lines, which YAML shall write as it is."""

    __slots__ = ()


def write_policy(item: Item) -> dict[str, Any]:
    """Return a policy as its file has it: as a form where the form says the very same."""
    fields = {n: v for n, v in item.fields.items() if v != REST[n] and n not in {CEDAR, GONE}}
    found: dict[str, Any] = {"id": item.key[0], **fields}
    approvers = str(fields.get("approvers", ""))
    if approvers.startswith(GROUP):
        found["approvers"] = {"group": approvers.removeprefix(GROUP)}
    if "enabled" in found:
        found["enabled"] = found["enabled"] == "true"
    text = str(item.fields[CEDAR])
    form = _as_form(item.key[0], text)
    return found | ({CEDAR: Block(text)} if form is None else {"form": form})


def _as_form(name: str, text: str) -> dict[str, Any] | None:
    """Return the form of a text if reading it back gives this text to the letter."""
    form = read_cedar(text)
    if form is None:
        return None
    said = form_fields(form)
    source = Source("")
    root = source.parse(yaml.safe_dump(said, allow_unicode=True))
    try:
        same = root is not None and write_form(name, read_form(root, {})) == text
    except ValueError:
        return None
    return said if same and not source.faults else None
