"""The form and the text of a policy: each is made from the other, or the text stays a text."""

import json
from dataclasses import replace
from typing import Any

from sekisho.access.engine.terms import Tree, quote, read_term, split_chain, write_terms
from sekisho.access.policies import Effect, PolicyForm

_WHO = (("units", "Unit"), ("groups", "Group"), ("roles", "Role"))


def write_form(policy_id: str, form: PolicyForm) -> str:
    """Return the Cedar text of a form, under the name ``policy_id``."""
    groups = [_names("principal", kind, getattr(form, field)) for field, kind in _WHO]
    who = [group for group in groups if group]
    scope = [" || ".join(who) if len(who) == 1 else f"({' || '.join(who)})"] if who else []
    scope += [_names("resource", "Resource", form.resources)] if form.resources else []
    must = [text for _, text in write_terms(form)]
    clauses = _clauses(form.effect, scope, must)
    lines = [
        f"@id({quote(policy_id)})",
        f'{form.effect.value}(principal, action == Action::"open", resource)',
    ]
    return "\n".join([*lines, *clauses]) + ";"


def _names(variable: str, kind: str, names: tuple[str, ...]) -> str:
    """Cedar wants one kind in a list."""
    listed = ", ".join(f"{kind}::{quote(name)}" for name in names)
    return f"{variable} in [{listed}]" if names else ""


def _clauses(effect: Effect, scope: list[str], must: list[str]) -> list[str]:
    if effect is Effect.PERMIT:
        return [_clause("when", [*scope, *must])] if scope or must else []
    found = [_clause("when", scope)] if scope else []
    return [*found, _clause("unless", must)] if must else found


def _clause(word: str, terms: list[str]) -> str:
    return word + " {\n  " + " &&\n  ".join(terms) + "\n}"


def parse_tree(text: str) -> list[Tree]:
    """Return the policies of a text as trees; raise ValueError where it cannot be read."""
    import cedarpy  # noqa: PLC0415 - see schema

    found: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    if found["templates"] or found["templateLinks"]:
        raise ValueError("templates are not taken")
    return list(found["staticPolicies"].values())


def read_form(text: str) -> PolicyForm | None:
    """Return the form that says the same as this policy, or None if none does."""
    try:
        trees = parse_tree(text)
    except ValueError:
        return None
    return read_tree(trees[0]) if len(trees) == 1 else None


def read_tree(tree: Tree) -> PolicyForm | None:
    """Return the form that says the same as one policy's tree, or None.

    Every condition must be one that the form writes, in the clause where the form writes it, and
    none may stand there twice: then both say the same by construction.
    """
    form: PolicyForm | None = PolicyForm(effect=Effect(tree["effect"]))
    for term in scope_terms(tree):
        form = form and _once(form, read_members(term, form))
    for condition in tree["conditions"]:
        for term in split_chain(condition["body"]):
            form = form and _once(form, _read(term, condition["kind"], form))
    return form


def _read(term: Tree, clause: str, form: PolicyForm) -> PolicyForm | None:
    permits = form.effect is Effect.PERMIT
    if clause == "when" and (found := read_members(term, form)):
        return found
    return read_term(term, form) if clause == ("when" if permits else "unless") else None


def _once(before: PolicyForm, after: PolicyForm | None) -> PolicyForm | None:
    """Return ``after`` if nothing that had been read was replaced."""
    empty = PolicyForm(effect=before.effect)
    for name in PolicyForm.__slots__ if after else ():
        old, new = getattr(before, name), getattr(after, name)
        if old not in (new, getattr(empty, name)) and name != "controls":
            return None
    return after


def scope_terms(tree: Tree) -> list[Tree]:
    """Return what a policy's head asks of principal and resource, as terms."""
    found: list[Tree] = []
    for variable in ("principal", "resource"):
        head = tree[variable]
        if head["op"] != "All":
            value = {"Value": {"__entity": head.get("entity", {})}}
            found.append({head["op"]: {"left": {"Var": variable}, "right": value}})
    return found


def read_members(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    """Return the form with whom or what a term names (``principal in […]``), else None."""
    names = members_of(tree)
    if names is None:
        return None
    variable, entities = names
    if variable == "resource":
        ids = tuple(name for kind, name in entities if kind == "Resource")
        return replace(form, resources=ids) if len(ids) == len(entities) else None
    found: dict[str, Any] = {
        field: tuple(name for kind, name in entities if kind == wanted) for field, wanted in _WHO
    }
    return replace(form, **found) if sum(map(len, found.values())) == len(entities) else None


def members_of(tree: Tree) -> tuple[str, list[tuple[str, str]]] | None:
    """Read ``principal in […]``, ``resource == …`` or a choice of such, else None."""
    if either := tree.get("||"):
        first, second = members_of(either["left"]), members_of(either["right"])
        if first is None or second is None or first[0] != second[0]:
            return None
        return first[0], [*first[1], *second[1]]
    return _members(tree)


def _members(tree: Tree) -> tuple[str, list[tuple[str, str]]] | None:
    sides = tree.get("in") or tree.get("==")
    variable = sides["left"].get("Var") if sides else None
    if not sides or variable not in {"principal", "resource"}:
        return None
    right = sides["right"]
    items = right.get("Set", [right]) if "in" in tree else [right]
    entities = [item.get("Value", {}) for item in items]
    if not all(isinstance(entity, dict) and "__entity" in entity for entity in entities):
        return None
    return variable, [(e["__entity"]["type"], e["__entity"]["id"]) for e in entities]
