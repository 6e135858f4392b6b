"""Keywords in many records at once: a hit where it matters, and no miss however it is written."""

import io
import json
import re
from pathlib import Path

import pytest

from sekisho.detection.engine.compiled.keywords import Keywords, Kinds
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.sources.evtx import read_batches

SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"
needs_evtx = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared EVTX files are not beside this checkout"
)
MANY = {f"word{number}": frozenset({"application"}) for number in range(20)}
PIECES = {
    "sekurlsa::": None, "kirbi": frozenset({"system", "application"}),
    "few": frozenset({"system"}), **MANY,
}  # fmt: skip
TEXTS = ["SEKURLSA::x", "a Word7 b", "nothing", "kirbi", "few", "ｓekurlsa::", "\u017fekurlsa::"]
ALL = range(len(TEXTS))
_UTF16 = re.compile(rb"(?:[\x20-\x7e]\x00){300,}")
_ESCAPE = re.compile(r"(?:^|[^\\])(?:\\\\)*(\\(?:u[0-9a-fA-F]{4}|[^u\\]))")


def written(*texts: str) -> list[str]:
    return [json.dumps({"a": text}, ensure_ascii=False) for text in texts]


def find(lines: Lines, channel: str | None) -> set[int]:
    """Return the places where a hit matters in this channel."""
    kinds: Kinds = {(channel, 1): list(ALL)}
    found = Keywords(PIECES).find(lines, kinds)
    folded = channel.casefold() if channel else None
    return {at for at, told in found.items() if told is None or not folded or folded in told}


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        ("Application", {0, 1, 3, 6}),
        ("System", {0, 3, 4, 6}),
        ("Security", {0, 6}),
        (None, {0, 1, 3, 4, 6}),
    ],
)
def test_a_hit_counts_in_the_channels_it_matters_in(channel: str | None, wanted: set[int]) -> None:
    for lines in (Lines.of(written(*TEXTS)), Lines("\n".join(written(*TEXTS)).encode())):
        assert find(lines, channel) == wanted


def test_a_piece_of_one_channel_is_not_looked_for_in_the_records_of_others() -> None:
    lines = Lines.of(written("word1", "word1", "word1"))
    kinds: Kinds = {("Security", 1): [0], ("Application", 2): [1], ("APPLICATION", 3): [2]}

    assert set(Keywords(PIECES).find(lines, kinds)) == {1, 2}


def test_ascii_that_another_writer_escaped_is_doubtful() -> None:
    text = '{"a":"\\u0073ekurlsa::"}\n{"a":"sekurlsa:\\u003a"}\n{"a":"\\u3042"}'
    kinds: Kinds = {("Security", 1): [0, 1, 2]}

    assert set(Keywords(PIECES).find(Lines(text.encode()), kinds)) == {0, 1}


@pytest.mark.parametrize(
    "records", [["{}"], ['{"a":"é"}', '{"b":1}', '{"c":"日本"}'], ["{}"] * 300]
)
def test_lines_of_records_are_those_records(records: list[str]) -> None:
    lines = Lines.of(records)

    assert [lines[at] for at in range(len(lines))] == [record.encode() for record in records]
    begin = 0
    for at, record in enumerate(records):
        size = len(record.encode())
        assert lines.whole[begin : begin + size] == record.encode()
        assert lines.at(begin + 1) == lines.at(begin + size) == at
        begin += size + 1
    assert lines.ascii is all(map(str.isascii, records))


@needs_evtx
def test_the_reader_of_evtx_escapes_no_ascii_but_what_has_to_be() -> None:
    """``Lines.of`` rests on it: should a version of the package write otherwise, this tells."""
    content, begin, size = next(
        (path.read_bytes(), *at) for path in sorted(SHARED.rglob("*.evtx")) if (at := _long(path))
    )
    escaped: set[str] = set()
    for first in range(1, 0x300, size // 2):
        letters = map(chr, range(first, min(first + size // 2, 0x300)))
        text = "B".join(letters)[:size].ljust(size, "z").encode("utf-16-le")
        changed = content[:begin] + text + content[begin + len(text) :]
        for _, records in read_batches(io.BytesIO(changed), "a.evtx", lambda _: None):
            escaped.update(*(_ESCAPE.findall(record) for record in records))

    assert {'\\"', "\\u0001", "\\u001F"} <= escaped
    has_to_be = {'\\"', "\\b", "\\f", "\\n", "\\r", "\\t"}
    assert escaped <= has_to_be | {f"\\u00{code:02X}" for code in range(0x20)}


def _long(path: Path) -> tuple[int, int] | None:
    """Return where a long text begins in a file, and how many letters it has."""
    found = _UTF16.search(path.read_bytes())
    return (found.start(), len(found.group()) // 2) if found else None
