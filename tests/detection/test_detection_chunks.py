"""A large EVTX file read by its chunks gives what the whole file gives, damaged or not."""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.plan import make_plan
from sekisho.detection.hunting.processes import spread
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event
from sekisho.detection.sources.bulk import Hunter
from sekisho.detection.sources.chunks import cut_chunks, read_chunks
from sekisho.detection.sources.limits import Trouble
from sekisho.detection.sources.stretches import CHUNK, EVTX_HEAD
from sekisho.detection.sources.walking import Found

SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"
pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared EVTX files are not beside this checkout"
)
EVERYTHING = b"""
title: Everything
logsource: {product: windows}
detection: {s: {EventID|exists: true}, condition: s}
"""
Result = tuple[list[tuple[str, int, int | None]], list[tuple[str, int | None]], int]


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    loaded = load_rules([RuleText("rules.yml", EVERYTHING)])
    return Matcher(make_plan(loaded.rules, own_routing()))


@pytest.fixture(scope="module")
def content() -> bytes:
    whole = next(SHARED.rglob("PanacheSysmon_vs_AtomicRedTeam01.evtx")).read_bytes()
    return whole[: EVTX_HEAD + 7 * CHUNK]


def hunted(matcher: Matcher, read: Callable[[Hunter], None]) -> Result:
    """Hunt, and return every record found with its number and time, troubles, and the count."""
    found: list[tuple[str, int, int | None]] = []
    troubles: list[Trouble] = []

    def keep(event: Event, _ids: tuple[str, ...]) -> None:
        found.append((event.file, event.record, event.time))

    hunter = Hunter(matcher, keep, troubles.append)
    read(hunter)
    hunter.finish()
    told = [(one.file, one.record) for one in troubles]
    return found, told, sum(hunter.tally.by.values())


def by_chunks(hunter: Hunter, path: Path, target: int) -> None:
    for stretch in cut_chunks(path, path.stat().st_size, target):
        with path.open("rb") as file:
            hunter.evtx(read_chunks(file, stretch), "log", stretch.first)


def damaged(content: bytes) -> Iterator[bytes]:
    """Yield the file with chunks torn, cut off, emptied, or with records of which none is read."""
    yield content
    yield content[: EVTX_HEAD + 3 * CHUNK + 30_000]
    yield content[: EVTX_HEAD + CHUNK] + bytes(CHUNK) + content[EVTX_HEAD + CHUNK :]
    yield content + bytes(5 * CHUNK)
    some = random.Random(4)  # noqa: S311 # the same places on every run
    for at in (0, 8, 40, 48, 124, 200, 512, 520, 540, 700, 30_000):
        torn = bytearray(content)
        for chunk in some.sample(range((len(content) - EVTX_HEAD) // CHUNK), 2):
            place = EVTX_HEAD + chunk * CHUNK + at
            torn[place : place + 9] = some.randbytes(9)
        yield bytes(torn)


@pytest.mark.parametrize("target", [1, 3 * CHUNK])
def test_runs_of_chunks_give_what_the_whole_does(
    tmp_path: Path, matcher: Matcher, content: bytes, target: int
) -> None:
    path = tmp_path / "log.evtx"
    troubles = 0
    for torn in damaged(content):
        path.write_bytes(torn)
        whole = hunted(matcher, lambda hunter: hunter.evtx(path, "log"))
        assert hunted(matcher, lambda hunter: by_chunks(hunter, path, target)) == whole
        troubles += len(whole[1])
    assert troubles


def test_a_large_file_is_spread_and_one_beyond_repair_is_not(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "log.evtx"
    path.write_bytes(content)
    size = len(content)
    parts = spread(Found(path, size), 4 * CHUNK)
    assert len(parts) > 2
    assert sum(one.size for one in parts) == size - EVTX_HEAD
    assert [one.stretch is not None and one.stretch.is_first for one in parts].count(True) == 1
    assert spread(Found(path, size), size + 1) == [Found(path, size)]
    torn = content[:EVTX_HEAD] + b"ElfChnk\x00".ljust(CHUNK, b"\xff") * 100
    path.write_bytes(torn)
    assert spread(Found(path, len(torn)), CHUNK) == [Found(path, len(torn))]
    path.write_bytes(b"ElfFilX\x00" + bytes(len(torn) - 8))
    assert spread(Found(path, len(torn)), CHUNK) == [Found(path, len(torn))]


def test_what_is_written_meanwhile_belongs_to_the_last_part(
    tmp_path: Path, matcher: Matcher, content: bytes
) -> None:
    path = tmp_path / "log.evtx"
    path.write_bytes(content)
    stretches = cut_chunks(path, len(content) - 2 * CHUNK, CHUNK)
    whole = hunted(matcher, lambda hunter: hunter.evtx(io.BytesIO(content), "log"))

    def read(hunter: Hunter) -> None:
        for stretch in stretches:
            with path.open("rb") as file:
                hunter.evtx(read_chunks(file, stretch), "log", stretch.first)

    assert hunted(matcher, read) == whole


@pytest.mark.parametrize("leads_to", [132, 0xFFFFFFF0])
@pytest.mark.parametrize("as_path", [True, False])
def test_tables_that_lead_in_circles_or_out_cost_no_record(
    tmp_path: Path, matcher: Matcher, content: bytes, *, leads_to: int, as_path: bool
) -> None:
    torn = bytearray(content)
    place = EVTX_HEAD + CHUNK + 132  # an entry of the second chunk's strings: the list is itself
    torn[place : place + 4] = leads_to.to_bytes(4, "little")
    path = tmp_path / "log.evtx"
    path.write_bytes(torn)
    whole = hunted(matcher, lambda hunter: hunter.evtx(io.BytesIO(content), "log"))
    source = path if as_path else io.BytesIO(torn)
    assert hunted(matcher, lambda hunter: hunter.evtx(source, "log")) == whole
    assert hunted(matcher, lambda hunter: by_chunks(hunter, path, CHUNK)) == whole
