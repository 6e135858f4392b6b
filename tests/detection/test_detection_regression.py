"""SigmaHQ's regression samples: each must be found by its rule, as SigmaHQ's own check has it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from evtx import PyEvtxParser

from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.windows import shape_windows
from sekisho.detection.language.loading import load_folder
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event, LogSource, Rule
from support.sigma_cases import SHARED

SIGMA = SHARED / "sigma"
_FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
_ID = re.compile(r"^id: *([0-9a-f-]{36})", re.MULTILINE)
_WINDOWS = LogSource(product="windows")


def _samples() -> list[tuple[str, Path, int]]:
    """Return (rule id, EVTX file, least number of hits) of every sample that is there."""
    found = []
    for info in sorted((SIGMA / "regression_data").rglob("info.yml")):
        said: dict[str, Any] = yaml.safe_load(info.read_text("utf-8"))
        for test in said.get("regression_tests_info") or []:
            sample = SIGMA / str(test["path"])
            if test["type"] == "evtx" and sample.is_file():
                rule_id = str(said["rule_metadata"][0]["id"])
                found.append((rule_id, sample, int(test.get("match_count") or 1)))
    return found


def _events(sample: Path) -> list[Event]:
    events = []
    for number, record in enumerate(PyEvtxParser(str(sample)).records_json(), 1):
        assert record is not None
        fields = shape_windows(json.loads(record["data"])["Event"])
        channel, event_id = fields["Channel"], fields["EventID"]
        events.append(Event(fields, channel, event_id, _WINDOWS, None, str(sample), number))
    return events


@pytest.mark.skipif(not SIGMA.is_dir(), reason="SigmaHQ's rules are not beside this checkout")
def test_every_sample_is_found_by_its_rule() -> None:
    samples = _samples()
    assert len(samples) > 130
    wanted = {rule_id for rule_id, _, _ in samples}
    files = [
        path
        for folder in _FOLDERS
        for path in sorted((SIGMA / folder).rglob("*.yml"))
        if (told := _ID.search(path.read_text("utf-8"))) and told[1] in wanted
    ]
    rules: dict[str, Rule] = {rule.id: rule for rule in load_folder(files).rules}
    missed = [
        (rules[rule_id].title, found, least)
        for rule_id, sample, least in samples
        if (found := sum(matches(rules[rule_id], one, own_routing()) for one in _events(sample)))
        < least
    ]
    assert not missed
