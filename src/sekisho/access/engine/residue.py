"""What is left of a policy for somebody of whom it is known where they and the resource belong.

Cedar's ``in`` holds exactly where the entity is among those that ``context.make_entities`` names,
so such a term at the head of a policy is decided before Cedar is asked. Only terms that hold are
taken out, and only those that come first: nothing before them could have failed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sekisho.access.engine.forms import members_of, scope_terms
from sekisho.access.engine.terms import Tree, split_chain

Entity = tuple[str, str]


def leading_terms(tree: Tree) -> Iterator[tuple[str, list[Entity]]]:
    """Give (variable, entities) of what a policy asks first about who and where."""
    for term in [*scope_terms(tree), *_first_chain(tree)]:
        names = members_of(term)
        if names is None:
            return
        yield names


def residue(tree: Tree, among: frozenset[Entity]) -> Tree:
    """Return the policy without its name and without the leading terms that hold in ``among``."""
    left: dict[str, Any] = {name: tree[name] for name in ("effect", "action")}
    heads = {variable: tree[variable] for variable in ("principal", "resource")}
    for variable, head in heads.items():
        held = head["op"] == "in" and _is_among(head.get("entity", {}), among)
        left[variable] = {"op": "All"} if held else head
    conditions = list(tree["conditions"])
    whole = all(head["op"] in {"All", "in", "=="} for head in heads.values())
    if whole and conditions and conditions[0]["kind"] == "when":
        terms = _without_held(list(_first_chain(tree)), among)
        conditions[:1] = [{"kind": "when", "body": _chain(terms)}] if terms else []
    return {**left, "conditions": conditions}


def _first_chain(tree: Tree) -> Iterator[Tree]:
    conditions: Sequence[Tree] = tree["conditions"]
    if conditions and conditions[0]["kind"] == "when":
        yield from split_chain(conditions[0]["body"])


def _without_held(terms: Sequence[Tree], among: frozenset[Entity]) -> Sequence[Tree]:
    kept: list[Tree] = []
    for place, term in enumerate(terms):
        names = members_of(term)
        if names is None:
            return [*kept, *terms[place:]]
        if not (_is_all_in(term) and any(name in among for name in names[1])):
            kept.append(term)
    return kept


def _is_all_in(term: Tree) -> bool:
    """Tell whether a term asks with ``in`` alone; ``==`` holds for the very entity only."""
    if either := term.get("||"):
        return _is_all_in(either["left"]) and _is_all_in(either["right"])
    return "in" in term


def _is_among(entity: Tree, among: frozenset[Entity]) -> bool:
    return (entity.get("type"), entity.get("id")) in among


def _chain(terms: Sequence[Tree]) -> Tree:
    body = terms[0]
    for term in terms[1:]:
        body = {"&&": {"left": body, "right": term}}
    return body
