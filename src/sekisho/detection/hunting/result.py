"""From the parts of all processes to one timeline, with correlations, in the order of time."""

from collections.abc import Iterator

from sekisho.detection.engine.correlation.correlator import Correlator, replay
from sekisho.detection.engine.correlation.plan import Fired, make_plan
from sekisho.detection.engine.reference import View, holds
from sekisho.detection.engine.sightings import Sighting, at_least, see_correlation
from sekisho.detection.engine.suppressing import Suppressor
from sekisho.detection.hunting.collecting import Part, Wanted
from sekisho.detection.model import Correlation, Match, RuleSet


def make_timeline(
    part: Part, rule_set: RuleSet, wanted: Wanted, suppressor: Suppressor | None = None
) -> list[Sighting]:
    """Return every match to show, correlations too, sorted by time, file and record."""
    found = [*part.sightings, *_correlate(part, rule_set, wanted, suppressor)]
    return sorted(found, key=lambda one: one.order)


def _correlate(
    part: Part, rule_set: RuleSet, wanted: Wanted, suppressor: Suppressor | None
) -> Iterator[Sighting]:
    if not rule_set.correlations or not part.hits:
        return
    known = {one.id: one for one in rule_set.correlations}
    correlator = Correlator(make_plan(rule_set), lateness=0)
    found = replay(correlator, part.hits)
    part.read.let_go = correlator.dropped
    for fired in found:
        match = _match(known[fired.correlation_id], fired)
        if match is None or not at_least(match.level, wanted.level):
            continue
        if suppressor is not None and _is_held_back(suppressor, match):
            part.read.held_back += 1
        else:
            yield see_correlation(known[fired.correlation_id], match, part.seen)


def _is_held_back(suppressor: Suppressor, match: Match) -> bool:
    """Say whether a correlation is known and harmless; conditions see the values of its group."""
    view = View(match.group, {}, blank_is_null=False)
    return suppressor.find(match.rule_id, lambda node: holds(node, view)) is not None


def _match(rule: Correlation, fired: Fired) -> Match | None:
    if rule.silent:
        return None
    return Match(
        rule.id, rule.title, rule.level, fired.time, fired.record, tuple(fired.records), fired.group
    )
