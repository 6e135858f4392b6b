"""From the parts of all processes to one timeline, with correlations, in the order of time."""

from collections.abc import Sequence

from sekisho.detection.engine.correlation.correlator import run
from sekisho.detection.engine.correlation.plan import Fired, make_plan
from sekisho.detection.engine.sightings import Sighting, at_least, see_correlation
from sekisho.detection.hunting.collecting import Part, Wanted
from sekisho.detection.model import Correlation, Match, RuleSet


def make_timeline(part: Part, rule_set: RuleSet, wanted: Wanted) -> list[Sighting]:
    """Return every match to show, correlations too, sorted by time, file and record."""
    found = [*part.sightings, *_correlate(part, rule_set, wanted)]
    return sorted(found, key=lambda one: one.order)


def _correlate(part: Part, rule_set: RuleSet, wanted: Wanted) -> Sequence[Sighting]:
    if not rule_set.correlations or not part.hits:
        return ()
    known = {one.id: one for one in rule_set.correlations}
    return [
        see_correlation(known[fired.correlation_id], match, part.seen)
        for fired in run(make_plan(rule_set), part.hits)
        if (match := _match(known[fired.correlation_id], fired)) is not None
        and at_least(match.level, wanted.level)
    ]


def _match(rule: Correlation, fired: Fired) -> Match | None:
    if rule.silent:
        return None
    return Match(
        rule.id, rule.title, rule.level, fired.time, fired.record, tuple(fired.records), fired.group
    )
