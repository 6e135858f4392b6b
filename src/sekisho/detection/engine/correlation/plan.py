"""What correlations need of the matches of other rules, and the values they work with."""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from sekisho.detection.model import Correlation, Record, RuleSet


class Hit(msgspec.Struct, frozen=True):
    """A match of a single-event rule; ``values`` holds the fields that the plan asks for.

    ``time`` is in microseconds since 1970, UTC. A field that the event does not have is left out.
    """

    rule_id: str
    time: int
    record: Record
    values: dict[str, str] = {}


Order = tuple[int, Record, str]
"""What orders entries, and makes a repeated one the same: time, record and rule."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A match as one correlation sees it: its group's values as written, and what is measured."""

    time: int
    record: Record
    rule_id: str
    labels: tuple[str, ...]
    measured: tuple[str, ...] | None
    records: tuple[Record, ...]

    @property
    def order(self) -> Order:
        """Return what orders it among others."""
        return (self.time, self.record, self.rule_id)


class Fired(msgspec.Struct, frozen=True):
    """A correlation came true: with this event, of these (in order), for this group."""

    correlation_id: str
    time: int
    record: Record
    records: tuple[Record, ...]
    group: dict[str, str]


class Plan(msgspec.Struct, frozen=True):
    """Correlations, those that others use first, and what asks for the matches of which rule."""

    correlations: tuple[Correlation, ...]
    users: dict[str, tuple[Correlation, ...]]
    needs: dict[str, tuple[str, ...]]
    digests: dict[str, str]

    @property
    def empty(self) -> bool:
        """Say whether there is nothing to correlate."""
        return not self.correlations


def make_plan(rules: RuleSet) -> Plan:
    """Work out what each single-event rule must give to correlations."""
    singles = {rule.id for rule in rules.rules}
    users: dict[str, list[Correlation]] = {}
    for one in rules.correlations:
        for rule_id in one.rules:
            users.setdefault(rule_id, []).append(one)
    return Plan(
        correlations=rules.correlations,
        users={rule_id: tuple(found) for rule_id, found in users.items()},
        needs={
            rule_id: _needed(rule_id, found)
            for rule_id, found in users.items()
            if rule_id in singles
        },
        digests={one.id: _digest(one) for one in rules.correlations},
    )


def _needed(rule_id: str, users: Iterable[Correlation]) -> tuple[str, ...]:
    asked = (name for one in users for name in (*group_fields(one, rule_id), *one.measured))
    return tuple(dict.fromkeys(asked))


def _digest(one: Correlation) -> str:
    """Tell a correlation whose meaning changed from one that only says more about itself."""
    meaning = (
        one.kind, one.rules, one.timespan, one.group_by, one.aliases, one.bounds, one.measured,
        one.percentile, one.expression,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(meaning, order="sorted")).hexdigest()


def group_fields(one: Correlation, rule_id: str) -> tuple[str, ...]:
    """Return which fields of a rule's matches make the group."""
    return tuple(one.aliases.get(name, {}).get(rule_id, name) for name in one.group_by)


def entry_for(
    one: Correlation, rule_id: str, values: Mapping[str, str], at: tuple[int, Record],
    records: tuple[Record, ...],
) -> Entry | None:  # fmt: skip
    """Make what a correlation keeps of a match; None if it lacks a field of the group."""
    labels = [values.get(name) for name in group_fields(one, rule_id)]
    if any(label is None for label in labels):
        return None
    said = [values.get(name) for name in one.measured]
    measured = None if any(value is None for value in said) else tuple(map(str, said))
    time, record = at
    return Entry(time, record, rule_id, tuple(map(str, labels)), measured, records)
