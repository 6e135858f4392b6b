"""All policies of one version, checked and cut into shards.

Cedar's cost grows with the number of policies it is given (``facts/access.md``), so each decision
gets only those that can matter: whose naming of a resource or of people can fit this request.
What is left out could neither permit, forbid nor fail: only conditions that come first and only
compare entities are looked at, and those cannot fail. For the same reason those that are known to
hold are taken out of what Cedar is handed, and policies that then ask the same are handed over
once (``residue``).
"""

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sekisho.access.engine import builtin
from sekisho.access.engine.forms import parse_tree, read_tree
from sekisho.access.engine.residue import leading_terms, residue
from sekisho.access.engine.schema import TURNING, load_schema
from sekisho.access.engine.terms import Tree, attribute_of
from sekisho.access.policies import LONGEST_TEXT, Policy, PolicyFault, PolicyForm
from sekisho.kernel.i18n import msg

_MOST_SHARDS = 2_048
_BUILT_IN = frozenset(re.findall(r"context\.(\w+)", " ".join(builtin.CONDITIONS.values())))
Entity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One policy as it is decided by; ``who``/``where`` are what it names first, all must fit."""

    policy: Policy
    tree: Tree
    effect: str
    who: tuple[frozenset[Entity], ...]
    where: tuple[frozenset[Entity], ...]
    attributes: frozenset[str]
    form: PolicyForm | None

    def fits(self, who: frozenset[Entity], where: frozenset[Entity]) -> bool:
        """Tell whether it can matter for these people and this resource."""
        return not any(map(who.isdisjoint, self.who)) and not any(map(where.isdisjoint, self.where))


@dataclass(frozen=True, slots=True)
class Shard:
    """The policies that can matter for one kind of request.

    ``names`` says which policies of ours each of Cedar's stands for, ``attributes`` all that they
    ask of a request; the rest need not be sent.
    """

    handle: Any
    names: Mapping[str, tuple[str, ...]]
    own: tuple[Compiled, ...]
    by_id: Mapping[str, Compiled]
    turning: bool
    attributes: frozenset[str]


class Book:
    """The policies of one version, ready to decide."""

    def __init__(self, version: int, policies: Iterable[Policy]) -> None:
        self.version = version
        self.policies = tuple(sorted(
            (compile_policy(policy) for policy in policies if policy.enabled),
            key=lambda each: each.policy.id,
        ))  # fmt: skip
        self.by_id: Mapping[str, Compiled] = {each.policy.id: each for each in self.policies}
        self._named = frozenset[Entity]().union(
            *(names for each in self.policies for names in each.who)
        )
        self._shards: OrderedDict[tuple[frozenset[Entity], frozenset[Entity]], Shard] = (
            OrderedDict()
        )

    def shard(self, who: frozenset[Entity], where: frozenset[Entity]) -> Shard:
        """Return what can matter for somebody who is in ``who`` and a resource in ``where``."""
        key = (who & self._named, where)
        found = self._shards.get(key)
        if found is None:
            found = self._make(who, where)
            self._shards[key] = found
            while len(self._shards) > _MOST_SHARDS:
                self._shards.popitem(last=False)
        return found

    def _make(self, who: frozenset[Entity], where: frozenset[Entity]) -> Shard:
        import cedarpy  # noqa: PLC0415 - see schema

        own = tuple(each for each in self.policies if each.fits(who, where))
        asked: dict[str, tuple[str, ...]] = {}
        for name, tree in _built_in_trees().items():
            asked[json.dumps(tree)] = (name,)
        for each in own:
            left = json.dumps(residue(each.tree, who | where))
            asked[left] = (*asked.get(left, ()), each.policy.id)
        listed = ", ".join(f'"policy{n}": {left}' for n, left in enumerate(asked))
        return Shard(
            handle=cedarpy.PolicySet.from_json_str(
                f'{{"staticPolicies": {{{listed}}}, "templates": {{}}, "templateLinks": []}}'
            ),
            names={f"policy{n}": names for n, names in enumerate(asked.values())},
            own=own,
            by_id={each.policy.id: each for each in own},
            turning=any(each.attributes & TURNING for each in own),
            attributes=_BUILT_IN.union(*(each.attributes for each in own)),
        )


@lru_cache(maxsize=1)
def _built_in_trees() -> Mapping[str, Tree]:
    return {
        name: residue(parse_tree(text)[0], frozenset()) for name, text in builtin.POLICIES.items()
    }


def compile_policy(policy: Policy) -> Compiled:
    """Read one policy; raise ValueError where its text is not exactly one policy."""
    trees = parse_tree(policy.text)
    if len(trees) != 1:
        raise ValueError("exactly one policy is expected")
    tree = trees[0]
    who, where = _leading(tree)
    return Compiled(
        policy, tree, tree["effect"], who, where, frozenset(_attributes(tree)), read_tree(tree)
    )


def _leading(tree: Tree) -> tuple[tuple[frozenset[Entity], ...], tuple[frozenset[Entity], ...]]:
    found: dict[str, list[frozenset[Entity]]] = {"principal": [], "resource": []}
    for variable, names in leading_terms(tree):
        found[variable].append(frozenset(names))
    return tuple(found["principal"]), tuple(found["resource"])


def _attributes(tree: object) -> Iterator[str]:
    """Give every ``context.x`` anywhere in a tree."""
    if isinstance(tree, Mapping):
        if name := attribute_of(tree):
            yield name
        for part in tree.values():
            yield from _attributes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _attributes(part)


def check_policies(policies: Sequence[Policy]) -> list[PolicyFault]:
    """List what is wrong with policies: names, text, types, what is not taken. [] is fine."""
    found = [fault for policy in policies for fault in _check_one(policy)]
    names = [policy.id for policy in policies]
    twice = sorted({name for name in names if names.count(name) > 1})
    return found + [PolicyFault(n, msg("This name is used by two policies.")) for n in twice]


def _check_one(policy: Policy) -> list[PolicyFault]:
    import cedarpy  # noqa: PLC0415 - see schema

    if policy.id.startswith((builtin.PREFIX, "cut-")) or not _is_name(policy.id):
        why = msg("A policy's name has 1 to 64 of a-z, 0-9, “-”, “_”, “.”, and does not begin "
                  "with “sekisho.” or “cut-”.")  # fmt: skip
        return [PolicyFault(policy.id, why)]
    if len(policy.text) > LONGEST_TEXT:
        return [PolicyFault(policy.id, msg("The text of this policy is too long."))]
    try:
        tree = parse_tree(policy.text)
        checked = cedarpy.validate_policies(policy.text, load_schema())
    except ValueError as error:
        return [PolicyFault(policy.id, msg("Cedar cannot read it: %(why)s", why=error))]
    faults = [str(error) for error in checked.errors]
    found = [PolicyFault(policy.id, msg("Cedar cannot take it: %(why)s", why=w)) for w in faults]
    return found or _check_shape(policy, tree)


def _check_shape(policy: Policy, trees: Sequence[Tree]) -> list[PolicyFault]:
    if len(trees) != 1:
        return [PolicyFault(policy.id, msg("One entry holds exactly one policy."))]
    written = trees[0].get("annotations", {}).get("id")
    found = []
    if written != policy.id:
        found.append(msg('It must carry the annotation @id("%(id)s").', id=policy.id))
    if _asks_presence(trees[0]["conditions"]):
        found.append(
            msg("“has” is not taken: what is unknown refuses, whoever asks whether it is there.")
        )
    return [PolicyFault(policy.id, text) for text in found]


def _asks_presence(tree: object) -> bool:
    if isinstance(tree, Mapping):
        return "has" in tree or any(_asks_presence(part) for part in tree.values())
    return isinstance(tree, list) and any(_asks_presence(part) for part in tree)


def _is_name(name: str) -> bool:
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    return 0 < len(name) <= 64 and set(name) <= letters  # noqa: PLR2004 - said in the fault
