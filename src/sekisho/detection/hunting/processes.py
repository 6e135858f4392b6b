"""A hunt over several processes: each reads some of the files, the parts become one.

Interrupting (Ctrl-C, SIGTERM) keeps what was found until then. The others ignore it: the first
process decides, so that no half-written part is lost or counted twice.
"""

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.terms import Plan
from sekisho.detection.engine.correlation.plan import make_plan as plan_correlations
from sekisho.detection.engine.logons import WATCHED
from sekisho.detection.engine.moments import EPOCH
from sekisho.detection.engine.regexes import count_unfinished
from sekisho.detection.engine.suppressing import Suppressor
from sekisho.detection.hunting.collecting import Collector, HitMaker, Part, Wanted
from sekisho.detection.hunting.crew import Crew, Work
from sekisho.detection.hunting.working import Worker
from sekisho.detection.language.conditions_alone import read_condition
from sekisho.detection.library import Suppression
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import RuleSet
from sekisho.detection.sources.bulk import Hunter
from sekisho.detection.sources.chunks import cut_chunks
from sekisho.detection.sources.reading import Reading
from sekisho.detection.sources.sniffing import Format, Shape, sniff
from sekisho.detection.sources.streams import HEAD
from sekisho.detection.sources.stretches import Stretch, cut_lines
from sekisho.detection.sources.walking import Found

SMALL = 4 * 1024 * 1024
"""Below this many bytes in all a second process costs more than it brings."""
_SHARE = 16 * 1024 * 1024
_DEARER = 4
_MADE = 100_000
"""So many objects more than before are made before cycles are looked for."""
Told = Callable[[int, int], None]
"""Told (bytes read, events seen) as a hunt goes on."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """Everything a process needs to hunt."""

    rule_set: RuleSet
    plan: Plan
    reading: Reading
    wanted: Wanted = field(default_factory=Wanted)
    suppressions: tuple[Suppression, ...] = ()
    moment: datetime = EPOCH


class Tools(NamedTuple):
    """What a process hunts with; what it opens and remembers serves one share after the other."""

    collector: Collector
    hunter: Hunter
    reading: Reading


def hunt_files(hunt: Hunt, files: Sequence[Found], jobs: int, told: Told) -> Part:
    """Hunt through ``files``; on Ctrl-C return what was found, with ``read.interrupted`` set."""
    size = sum(found.size for found in files)
    if jobs > 1:
        files = [part for found in files for part in spread(found)]
    alone = jobs <= 1 or len(files) <= 1 or size < SMALL or any(f.path is None for f in files)
    with _stopping_as_asked():
        if alone:
            return _hunt_alone(_prepare(hunt), files, told)
        return _hunt_together(hunt, files, jobs, told)


@contextmanager
def _stopping_as_asked() -> Iterator[None]:
    """Let the signal by which services and ``timeout`` end a process count as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _hunt_alone(tools: Tools, files: Sequence[Found], told: Told) -> Part:
    collector, hunter, reading = tools
    collector.part = Part()
    hunter.begin()
    before = count_unfinished()
    worker = Worker(hunter, collector, reading, lambda size: told(size, _count_events(hunter)))
    with _seldom_collecting():
        try:
            worker.run(files)
        except KeyboardInterrupt:
            collector.part.read.interrupted = True
            hunter.finish()  # what was read and waited for its batch counts too
    collector.part.read.unfinished = count_unfinished() - before
    return _close(collector, hunter)


def spread(found: Found, share: int = _SHARE) -> list[Found]:
    """Return the stretches of a large file of JSON lines or EVTX, and any other file as it is."""
    if found.path is None or found.size < share:
        return [found]
    try:
        stretches = _cut(found.path, found, share)
    except OSError:
        return [found]  # whoever reads it says what is wrong
    return [
        replace(found, size=(one.end or found.size) - one.begin, stretch=one) for one in stretches
    ] or [found]


def _cut(path: Path, found: Found, share: int) -> list[Stretch]:
    with path.open("rb") as file:
        shape = sniff(file.read(HEAD), found.name)
    if shape == Shape(Format.JSONL) and found.size >= 2 * share:
        return list(cut_lines(path, found.size, share))
    if shape.format is Format.EVTX:  # an event of these costs several times as much as a line
        return cut_chunks(path, found.size, share // _DEARER)
    return []


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Look for cycles seldom: a hunt makes next to none, and looking goes over all it keeps."""
    before = gc.get_threshold()
    gc.set_threshold(_MADE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def suppressor_of(hunt: Hunt) -> Suppressor | None:
    """Return what tells matches that are known and harmless, None if none are."""
    suppressor = Suppressor(hunt.suppressions, hunt.moment, read_condition)
    return None if suppressor.is_empty else suppressor


def _prepare(hunt: Hunt) -> Tools:
    rules = {rule.id: rule for rule in hunt.rule_set.rules}
    table = own_routing()
    needs = plan_correlations(hunt.rule_set).needs if hunt.rule_set.correlations else {}
    makers = {rule_id: HitMaker(rules[rule_id], names, table) for rule_id, names in needs.items()}
    collector = Collector(rules, makers, hunt.wanted, suppressor_of(hunt))
    hunter = Hunter(
        Matcher(hunt.plan),
        collector.found,
        collector.report,
        shaping=hunt.reading.shaping,
        watched=WATCHED,
        limits=hunt.reading.limits,
    )
    return Tools(collector, hunter, hunt.reading)


def _close(collector: Collector, hunter: Hunter) -> Part:
    read, tally = collector.part.read, hunter.tally
    read.events = _count_events(hunter)
    read.first, read.last = tally.span()
    read.by.update({(channel or "", host or ""): n for (channel, host), n in tally.by.items()})
    return collector.part


def _count_events(hunter: Hunter) -> int:
    return sum(hunter.tally.by.values())


def _make_work(hunt: Hunt) -> Work:
    """Set a process up; what it opens and remembers serves all of its shares."""
    tools = _prepare(hunt)
    return lambda files, told: _hunt_alone(tools, files, lambda size, _events: told(size))


def _hunt_together(hunt: Hunt, files: Sequence[Found], jobs: int, told: Told) -> Part:
    whole = Part()
    crew = Crew(partial(_make_work, hunt), lambda size: told(size, whole.read.events))
    try:
        with closing(crew.run(share(files, jobs), jobs)) as parts:
            for part in parts:
                whole.add(part)
                told(0, whole.read.events)
    except KeyboardInterrupt:
        whole.read.interrupted = True
    whole.troubles.sort(key=lambda one: (one.file, one.record is None, one.record or 0))
    return whole


def share(files: Sequence[Found], jobs: int) -> list[list[Found]]:
    """Cut the files into shares of about equal size, large ones first, more shares than jobs."""
    whole = sum(found.size for found in files)
    target = min(_SHARE, max(SMALL // 4, whole // (jobs * 4)))
    shares: list[list[Found]] = []
    filled = target
    for found in sorted(files, key=lambda f: -f.size):
        if filled >= target:
            shares.append([])
            filled = 0
        shares[-1].append(found)
        filled += max(found.size, 1)
    return shares


def default_jobs() -> int:
    """Return how many processes this machine has cores for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
