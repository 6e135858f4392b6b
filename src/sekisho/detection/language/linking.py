"""Documents that speak of each other: filters and correlations name rules, correlations too.

A filter whose rules are not here changes nothing; a correlation whose rules are not here, or
that leads back to itself, is not in force.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from sekisho.detection.language.faults import READ_THE_SPECIFICATION
from sekisho.detection.language.rules import substitute
from sekisho.detection.language.values import all_of
from sekisho.detection.model import (
    Correlation,
    Document,
    Filter,
    LogSource,
    Named,
    Node,
    Rule,
    RuleFault,
)
from sekisho.kernel.i18n import Text, msg


@dataclass(slots=True)
class Linked:
    """The documents with every reference resolved, and the faults found in doing it."""

    rules: list[Rule]
    correlations: list[Correlation]
    filters: list[Filter]
    faults: list[RuleFault] = field(default_factory=list)


def link(documents: Iterable[Document]) -> Linked:
    """Drop repeated ids, resolve correlations, apply filters, and mark what stays silent."""
    linked = Linked([], [], [])
    for document in _unique(documents, linked.faults):
        if isinstance(document, Rule):
            linked.rules.append(document)
        elif isinstance(document, Correlation):
            linked.correlations.append(document)
        elif isinstance(document, Filter):
            linked.filters.append(document)
    linked.correlations = _resolved(linked)
    silent = _silent_ids(linked.correlations)
    linked.rules = [_filtered(rule, linked.filters, silent) for rule in linked.rules]
    linked.correlations = [
        msgspec.structs.replace(one, silent=True) if one.id in silent else one
        for one in linked.correlations
    ]
    return linked


def _fault(document: Document, got: Text, expected: Text, fix: Text) -> RuleFault:
    return RuleFault(document.file, document.line, got, expected, fix)


def _unique(documents: Iterable[Document], faults: list[RuleFault]) -> list[Document]:
    seen: dict[str, Document] = {}
    for document in documents:
        first = seen.setdefault(document.id, document)
        if first is not document:
            faults.append(
                _fault(
                    document,
                    msg("The id %(id)s is already that of “%(title)s” (%(file)s, line %(line)s).",
                        id=document.id, title=first.title, file=first.file, line=first.line),
                    msg("Every document has an id of its own."),
                    msg("Give it a new one; until then the first is in force."),
                )
            )  # fmt: skip
    return list(seen.values())


def _resolved(linked: Linked) -> list[Correlation]:
    """Return the correlations whose rules are all here, those that others use first."""
    names = _names([*linked.rules, *linked.correlations])
    waiting = [one for one in linked.correlations if _known(one, names, linked.faults)]
    waiting = [_with_ids(one, names) for one in waiting]
    here = {rule.id for rule in linked.rules}
    done: list[Correlation] = []
    while ready := [one for one in waiting if here.issuperset(one.rules)]:
        done += ready
        here |= {one.id for one in ready}
        waiting = [one for one in waiting if one.id not in here]
    linked.faults += [
        _fault(
            one,
            msg("The correlation leads back to itself, or to one that is not in force."),
            msg("Correlations build on rules, and on correlations before them."),
            READ_THE_SPECIFICATION,
        )
        for one in waiting
    ]
    return done


def _names(documents: Sequence[Document]) -> dict[str, list[str]]:
    """Return id → [id], and name → the ids that bear it."""
    found: dict[str, list[str]] = {document.id: [document.id] for document in documents}
    for document in documents:
        ids = found.setdefault(document.name or document.id, [])
        if document.id not in ids:
            ids.append(document.id)
    return found


def _known(one: Correlation, names: Mapping[str, list[str]], faults: list[RuleFault]) -> bool:
    wrong = [name for name in one.rules if len(names.get(name, ())) != 1]
    if wrong:
        faults.append(
            _fault(
                one,
                msg("The correlation names “%(rule)s”, which is no rule here, or several.",
                    rule=wrong[0]),
                msg("It names rules that are loaded, by id or by name."),
                msg("Load that rule too, and see whether it has faults of its own."),
            )
        )  # fmt: skip
    return not wrong


def _with_ids(one: Correlation, names: Mapping[str, list[str]]) -> Correlation:
    ids = {name: names[name][0] for name in one.rules}
    aliases = {
        alias: {ids.get(name, name): said for name, said in fields.items()}
        for alias, fields in one.aliases.items()
    }
    expression = None if one.expression is None else _renamed(one.expression, ids)
    return msgspec.structs.replace(
        one,
        rules=tuple(dict.fromkeys(ids.values())),
        aliases=aliases,
        expression=expression,
    )


def _renamed(node: Node, ids: Mapping[str, str]) -> Node:
    return substitute(node, {name: Named(found) for name, found in ids.items()})


def _silent_ids(correlations: Iterable[Correlation]) -> frozenset[str]:
    """Return what only feeds correlations: used by one, and asked for by none."""
    used = {rule for one in correlations for rule in one.rules}
    asked = {rule for one in correlations if one.generate for rule in one.rules}
    return frozenset(used - asked)


def _filtered(rule: Rule, filters: Iterable[Filter], silent: frozenset[str]) -> Rule:
    applied = [one for one in filters if _applies(one, rule)]
    if not applied and rule.id not in silent:
        return rule
    conditions = [substitute(one.condition, one.selections) for one in applied]
    return msgspec.structs.replace(
        rule,
        tree=all_of([rule.tree, *conditions]) if conditions else rule.tree,
        filters=tuple(one.id for one in applied),
        silent=rule.id in silent,
    )


def _applies(one: Filter, rule: Rule) -> bool:
    named = one.rules is None or rule.id in one.rules or (rule.name and rule.name in one.rules)
    return bool(named) and _covers(one.logsource, rule.logsource)


def _covers(wide: LogSource, narrow: LogSource) -> bool:
    """Say whether everything that ``wide`` asks for is what ``narrow`` says."""
    return all(
        getattr(wide, key) in {None, getattr(narrow, key)}
        for key in ("category", "product", "service")
    )
