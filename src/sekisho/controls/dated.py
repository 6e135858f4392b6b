"""How old the dated lists are that rules lean on (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sekisho.controls.model import Catalogue, DataSet
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import ControlID

SOON = timedelta(days=21)
WORDS_OF_LIST: Mapping[str, Text] = {
    "minimum_versions": msg("Minimum versions"),
    "endoflife": msg("End of support"),
    "windows_builds": msg("Builds of Windows"),
    "xprotect": msg("Versions of XProtect"),
    "software": msg("Names of software"),
    "meetings": msg("Meeting programs"),
    "organisation": msg("The organisation's own lists"),
}


@dataclass(frozen=True, slots=True)
class DatedList:
    """One list, of which day it is, until when a pass may lean on it, and the rules that do.

    ``state`` is a verdict mark: pass while fresh, unknown from three weeks before the end, fail
    once it is stale and its rules are unknown. ``platforms`` are those whose devices are asked by
    it: to whom else is it no matter how old it is?
    """

    name: str
    words: Text | str
    as_of: datetime
    stale_after: datetime
    rules: tuple[ControlID, ...]
    state: str
    platforms: frozenset[str]


def list_dated(catalogue: Catalogue, now: datetime) -> list[DatedList]:
    """Return every list that grows old, the one that is stale first."""
    leaning: dict[DataSet, set[ControlID]] = {}
    for control in catalogue.controls.values():
        for data in control.data:
            leaning.setdefault(data, set()).add(control.id)
    found = [
        DatedList(
            data.name, WORDS_OF_LIST.get(data.name, data.name), data.as_of, data.stale_after,
            tuple(sorted(rules)), _judge(data, now), _platforms(catalogue, data),
        )
        for data, rules in leaning.items()
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each.stale_after, each.name))


def _judge(data: DataSet, now: datetime) -> str:
    if now >= data.stale_after:
        return "fail"
    return "unknown" if now >= data.stale_after - SOON else "pass"


def _platforms(catalogue: Catalogue, data: DataSet) -> frozenset[str]:
    return frozenset(
        platform.value
        for control in catalogue.controls.values()
        for platform, check in control.checks.items()
        if any(data in probe.data for probe in check.probes)
    )
