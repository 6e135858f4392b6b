"""Files one after the other: whatever goes wrong with one, the others are hunted through."""

import os
import threading
from pathlib import Path

import pytest

from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.plan import make_plan
from sekisho.detection.engine.logons import WATCHED
from sekisho.detection.hunting.collecting import Collector, Wanted
from sekisho.detection.hunting.working import Worker
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.sources.bulk import Hunter
from sekisho.detection.sources.reading import Reading
from sekisho.detection.sources.streams import Readable
from sekisho.detection.sources.walking import Found
from support.logs import json_lines, windows_event

SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"
FAILED = b"""
title: Failed
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
"""


class Faulty(Hunter):
    """A hunter with a fault of its own in files of one name."""

    def jsonl(self, stream: Readable, name: str, begin: int = 1) -> None:
        """Fail, or read on."""
        if "bad" in name:
            raise ZeroDivisionError
        super().jsonl(stream, name, begin)


def hunt_through(files: list[Found]) -> Collector:
    loaded = load_rules([RuleText("rules.yml", FAILED)])
    collector = Collector({rule.id: rule for rule in loaded.rules}, {}, Wanted())
    matcher = Matcher(make_plan(loaded.rules, own_routing()))
    hunter = Faulty(matcher, collector.found, collector.report, watched=WATCHED)
    Worker(hunter, collector, Reading(), lambda _: None).run(files)
    return collector


def test_a_file_that_the_system_does_not_give_out_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(json_lines([windows_event(4625)]))
    files = [Found(tmp_path / name, 1) for name in ("gone.jsonl", "b.jsonl")]
    collector = hunt_through(files)
    assert len(collector.part.sightings) == 1
    (trouble,) = collector.part.troubles
    assert str(trouble.what) == "It cannot be opened: No such file or directory."
    assert "read it" in str(trouble.hint)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_evtx_through_a_pipe_is_read_like_the_file(tmp_path: Path) -> None:
    sample = next(SHARED.rglob("DE_RDP_Tunneling_4624.evtx"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(sample.read_bytes()), daemon=True)
    writer.start()
    through = hunt_through([Found(pipe)])
    writer.join()
    straight = hunt_through([Found(sample, sample.stat().st_size)])
    assert not through.part.troubles
    assert through.part.read.files == straight.part.read.files == 1
    assert len(through.part.logons) == len(straight.part.logons) > 0


def test_a_fault_of_ours_in_one_file_costs_no_other(tmp_path: Path) -> None:
    files = []
    for name in ("a.jsonl", "bad.jsonl", "c.jsonl"):
        (tmp_path / name).write_bytes(json_lines([windows_event(4625)]))
        files.append(Found(tmp_path / name, 1))
    collector = hunt_through(files)
    found = [Path(one.match.record.file).name for one in collector.part.sightings]
    assert found == ["a.jsonl", "c.jsonl"]
    (trouble,) = collector.part.troubles
    assert "ZeroDivisionError" in str(trouble.what)
