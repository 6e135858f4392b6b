"""What is taken out of a policy before Cedar sees it changes no decision and hides no failure."""

import itertools

import cedarpy
import pytest

from access.making import book, device, person, policy, resource, signals
from sekisho.access.engine import builtin, deciding
from sekisho.access.engine.context import make_context, make_entities, make_memberships, make_places
from sekisho.access.engine.forms import parse_tree
from sekisho.access.engine.residue import residue
from sekisho.access.engine.schema import ACTION
from sekisho.access.model import Resource, Signals
from sekisho.access.policies import Policy

_SALES = 'principal in [Group::"grp_sales", Unit::"unt_x"]'
_EITHER = '(principal in Group::"grp_sales" || principal in Role::"auditor")'
_HANAKO = 'principal == Person::"per_hanako"'
_RULES = """
permit(principal, action, resource) when { SALES && context.mfa >= 2 }
permit(principal, action, resource) when { SALES } unless { context.findings > 0 }
permit(principal in Group::"grp_sales", action, resource in Kind::"http")
permit(principal == Person::"per_hanako", action == Action::"open", resource)
permit(principal == Group::"grp_sales", action, resource)
permit(principal, action, resource) when { resource == Kind::"http" }
permit(principal is Person in Group::"grp_sales", action, resource) when { context.mfa > 3 }
permit(principal, action, resource) when { EITHER && resource in [Resource::"res_wiki"] }
permit(principal, action, resource) when { context.country == "JP" && SALES }
permit(principal, action, resource) when { HANAKO && SALES && context.country == "JP" }
forbid(principal, action, resource) when { SALES } unless { context.country == "JP" }
forbid(principal, action, resource) unless { principal in Group::"grp_sales" }
forbid(principal in Role::"auditor", action, resource)
forbid(principal, action, resource) when { context.findings > 2 }
"""
_TEXTS = [
    rule.replace("SALES", _SALES).replace("EITHER", _EITHER).replace("HANAKO", _HANAKO) + ";"
    for rule in _RULES.strip().splitlines()
]


def _policies(chosen: tuple[int, ...]) -> list[Policy]:
    return [policy(f"p{n}", f'@id("p{n}") {_TEXTS[n]}') for n in chosen]


def _by_cedar_alone(
    policies: list[Policy], where: Resource, seen: Signals
) -> tuple[bool, set[str]]:
    """Ask Cedar with every policy as it was written; any failure refuses."""
    texts = "\n".join([*builtin.POLICIES.values(), *(each.text for each in policies)])
    request = {
        "principal": {"type": "Person", "id": seen.person.person_id}, "action": ACTION,
        "resource": {"type": "Resource", "id": where.id}, "context": make_context(seen),
    }  # fmt: skip
    entities = make_entities(seen, where, make_memberships(seen))
    answer = cedarpy.is_authorized(request, texts, entities)
    named = set(answer.diagnostics.id_annotations_by_reason.values())
    return answer.allowed and not answer.diagnostics.errors, named


_SEEN = [
    signals(),
    signals(country=None),
    signals(findings=None),
    signals(person=person(groups=frozenset(), roles=frozenset({"auditor"}))),
    signals(person=person(units=frozenset({"unt_x"}), groups=frozenset())),
    signals(device=device(posture="not_allowed")),
]


def test_a_shard_decides_as_all_policies_as_written() -> None:
    where = resource()
    for pair in itertools.combinations(range(len(_TEXTS)), 2):
        chosen = _policies(pair)
        rules = book(*chosen)
        for seen in _SEEN:
            decision = deciding.decide(rules, where, seen)
            allow, named = _by_cedar_alone(chosen, where, seen)
            assert decision.allow is allow, (chosen, seen)
            if allow:
                assert {reason.id for reason in decision.reasons} == named


def test_policies_that_ask_the_same_are_handed_over_once_and_all_named() -> None:
    same = [policy(f"p{n}", groups=("grp_sales", f"grp_{n}"), strength=2) for n in range(4)]
    rules, where = book(*same, policy("q", strength=2)), resource()
    shard = rules.shard(make_memberships(signals()), make_places(where))
    assert len(shard.own) == 5
    assert len(shard.names) == len(builtin.POLICIES) + 1
    reasons = deciding.decide(rules, where, signals()).reasons
    assert [reason.id for reason in reasons] == ["p0", "p1", "p2", "p3", "q"]


@pytest.mark.parametrize("text", ['principal == Group::"grp_sales"', 'resource == Kind::"http"'])
def test_only_being_in_something_is_taken_for_known(text: str) -> None:
    (tree,) = parse_tree(f"permit(principal, action, resource) when {{ {text} }};")
    among = make_memberships(signals()) | make_places(resource())
    assert residue(tree, among)["conditions"] == tree["conditions"]
