"""The recorded samples of the SigmaHQ rules: the command finds each by its rule.

They are third-party data beside this checkout and never part of it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sekisho.cli.main import main

SIGMA = Path(__file__).parents[3] / "shared" / "data" / "sigma"
pytestmark = pytest.mark.skipif(
    not SIGMA.is_dir(), reason="the SigmaHQ rules and samples are not beside this checkout"
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled rules out of the home of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def samples() -> Iterator[tuple[str, Path, int]]:
    """Yield (rule id, sample, least number of matches) of every live positive test."""
    for info in sorted((SIGMA / "regression_data").rglob("info.yml")):
        said = yaml.safe_load(info.read_text(encoding="utf-8"))
        for test in said.get("regression_tests_info") or ():
            sample = SIGMA / test["path"]
            if test["type"] == "evtx" and sample.is_file():
                yield said["rule_metadata"][0]["id"], sample, test.get("match_count") or 1


def rules_of(ids: set[str]) -> Iterator[Path]:
    for folder in ("rules", "rules-emerging-threats", "rules-threat-hunting"):
        for path in (SIGMA / folder).rglob("*.yml"):
            head = path.read_text(encoding="utf-8")[:600]
            if any(f"id: {rule_id}" in head for rule_id in ids if rule_id in head):
                yield path


def test_every_sample_is_found_by_its_rule(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = list(samples())
    assert len(wanted) > 100
    arguments = [a for path in rules_of({w[0] for w in wanted}) for a in ("--rules", str(path))]
    main(["hunt", str(SIGMA / "regression_data"), *arguments, "--format", "json", "--quiet"])
    found = Counter(
        (line["rule_id"], line["file"])
        for line in map(json.loads, capsys.readouterr().out.splitlines())
    )
    missing = [(rule, str(path)) for rule, path, count in wanted if found[rule, str(path)] < count]
    assert not missing


def test_json_twins_of_samples_are_found_too(capsys: pytest.CaptureFixture[str]) -> None:
    twins = [(rule, path.with_suffix(".json")) for rule, path, _ in samples()]
    twins = [(rule, path) for rule, path in twins if path.is_file()]
    arguments = [a for path in rules_of({t[0] for t in twins}) for a in ("--rules", str(path))]
    files = [str(path) for _, path in twins]
    main(["hunt", *files, *arguments, "--format", "json", "--quiet"])
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    found = {(line["rule_id"], line["file"]) for line in lines}
    missing = [(rule, str(path)) for rule, path in twins if (rule, str(path)) not in found]
    assert not missing
