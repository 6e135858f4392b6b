"""What an organisation decided about single rules, laid over the rules as they were written."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from sekisho.detection.library import Tuning
from sekisho.detection.model import Correlation, Rule, RuleSet

_Judged = TypeVar("_Judged", Rule, Correlation)


def apply_tunings(rule_set: RuleSet, tunings: Mapping[str, Tuning]) -> RuleSet:
    """Return the rules at the organisation's levels, without those that are off.

    A rule that is off but feeds a correlation stays, silently: the correlation was not turned
    off. The digest follows the tunings, so that what was compiled before is not used.
    """
    if not tunings:
        return rule_set
    fed = {
        id_
        for correlation in rule_set.correlations
        if not _is_off(correlation.id, tunings)
        for id_ in correlation.rules
    }
    rules = tuple(r for each in rule_set.rules if (r := _tuned(each, tunings, fed)))
    correlations = tuple(c for each in rule_set.correlations if (c := _tuned(each, tunings, fed)))
    said = [rule_set.digest, *(f"{t.rule_id}={t.level}" for _, t in sorted(tunings.items()))]
    digest = hashlib.sha256("\n".join(said).encode()).hexdigest()
    return RuleSet(rules, correlations, rule_set.filters, rule_set.faults, digest)


def _is_off(rule_id: str, tunings: Mapping[str, Tuning]) -> bool:
    tuning = tunings.get(rule_id)
    return tuning is not None and tuning.level is None


def _tuned(rule: _Judged, tunings: Mapping[str, Tuning], fed: set[str]) -> _Judged | None:
    tuning = tunings.get(rule.id)
    if tuning is None:
        return rule
    if tuning.level is not None:
        return msgspec.structs.replace(rule, level=tuning.level)
    return msgspec.structs.replace(rule, silent=True) if rule.id in fed else None
