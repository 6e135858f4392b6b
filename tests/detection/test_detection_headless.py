"""EVTX files without a head are read by their chunks, whatever stands where the head was."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.detection.sources.evtx import read_batches
from sekisho.detection.sources.headless import put_head
from sekisho.detection.sources.limits import Trouble, UnreadableError
from sekisho.detection.sources.sniffing import Format, sniff
from sekisho.detection.sources.stretches import CHUNK, EVTX_HEAD

SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"
needs_evtx = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared EVTX files are not beside this checkout"
)
SAMPLE = "attack-samples/PanacheSysmon_vs_AtomicRedTeam01.evtx"
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "carved": lambda whole: whole[EVTX_HEAD:],
    "zeros": lambda whole: bytes(EVTX_HEAD) + whole[EVTX_HEAD:],
    "overwritten": lambda whole: os.urandom(EVTX_HEAD) + whole[EVTX_HEAD:],
    "text": lambda whole: b"pay to 1abc!".ljust(EVTX_HEAD, b" ") + whole[EVTX_HEAD:],
}


def read(source: Path | io.BytesIO) -> tuple[list[str], list[Trouble]]:
    troubles: list[Trouble] = []
    batches = list(read_batches(source, "a.evtx", troubles.append))
    return [record for _, records in batches for record in records], troubles


@pytest.fixture
def whole() -> bytes:
    return next(SHARED.rglob(Path(SAMPLE).name)).read_bytes()


@needs_evtx
@pytest.mark.parametrize("damage", DAMAGES)
def test_all_records_are_read_and_the_head_is_told(
    whole: bytes, damage: str, tmp_path: Path
) -> None:
    wanted, _ = read(io.BytesIO(whole))
    damaged = DAMAGES[damage](whole)
    path = tmp_path / "a.evtx"
    path.write_bytes(damaged)

    for source in (path, io.BytesIO(damaged)):
        records, troubles = read(source)
        assert records == wanted
        assert [(one.record, one.lost) for one in troubles] == [(1, False)]
        assert "head" in str(troubles[0].what)
    assert sniff(damaged[:CHUNK], "carved.bin").format is Format.EVTX


@needs_evtx
def test_a_chunk_that_ends_early_is_read_as_far_as_it_goes(whole: bytes) -> None:
    records, troubles = read(io.BytesIO(whole[EVTX_HEAD : EVTX_HEAD + CHUNK // 2]))

    assert len(records) > 1
    assert [one.lost for one in troubles].count(False) == 1


@needs_evtx
def test_a_piece_that_begins_within_a_chunk_is_read_from_the_next_one_on(whole: bytes) -> None:
    second = EVTX_HEAD + CHUNK
    wanted, _ = read(io.BytesIO(whole[:EVTX_HEAD] + whole[second:]))

    records, troubles = read(io.BytesIO(whole[second - 5_000 :]))

    assert wanted
    assert records == wanted
    assert [one.lost for one in troubles].count(False) == 1


def test_what_has_no_chunk_is_refused_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.evtx"
    path.write_bytes(bytes(3 * CHUNK))

    with pytest.raises(UnreadableError, match="no EVTX file"):
        read(path)
    assert put_head(path) is None  # an open file would fail this run as a warning


@given(st.binary(max_size=300), st.integers(0, 3))
def test_whatever_follows_a_chunks_name_ends(rest: bytes, before: int) -> None:
    """Nothing hangs and nothing but UnreadableError comes out."""
    content = bytes(EVTX_HEAD) * min(before, 1) + b"ElfChnk\x00" + rest * 200
    with contextlib.suppress(UnreadableError):
        read(io.BytesIO(content))


def test_the_file_behind_a_made_head_is_read_wherever_one_looks() -> None:
    chunk = b"ElfChnk\x00" + bytes(range(256)) * 3
    headed = put_head(io.BytesIO(chunk))
    assert headed is not None
    everything = headed.read()

    assert everything[:8] == b"ElfFile\x00"
    assert everything[EVTX_HEAD:] == chunk
    assert headed.seek(0, io.SEEK_END) == EVTX_HEAD + len(chunk)
    for at in (0, 7, EVTX_HEAD - 3, EVTX_HEAD, EVTX_HEAD + 500):
        headed.seek(at)
        assert headed.read(11) == everything[at : at + 11]
