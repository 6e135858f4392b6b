"""What kind of log a file is, judged by its first bytes (pure).

The name of a file is a hint where the bytes leave a choice and never more: a ``.csv`` full of
JSON is JSON.
"""

import csv
import io
import json
import re
from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """The shapes of logs that can be read."""

    EVTX = "evtx"
    JSONL = "jsonl"  # one value a line
    JSON = "json"  # an array, values over several lines, or one beside the other
    XML = "xml"
    TABLE = "table"  # CSV, TSV and kin with a header
    W3C = "w3c"  # IIS and kin, "#Fields:"
    TEXT = "text"  # lines of a system or a program
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Shape:
    """A format with what is needed to read it: the text's encoding, a table's delimiter."""

    format: Format
    encoding: str = "utf-8"
    delimiter: str = ","


_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_EVTX_MAGIC = (b"ElfFile\x00", b"ElfChnk\x00")
_PAGE = 4096
"""Bytes before the first chunk of an EVTX file; the first page may have been overwritten."""

_PRIORITY = re.compile(r"<\d{1,3}>")
_TAG = re.compile(r"<(\?xml|!|[A-Za-z_:])")
_ARRAY = re.compile(r"\[\s*([{\]]|$)")
_NAME = re.compile(r"[A-Za-z_@#\"'぀-ヿ一-鿿][^={}]{0,80}$")
_SYSLOG = re.compile(r"(<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
_DELIMITERS = "\t,;|"
_LINES_OF_JSON = (".jsonl", ".ndjson")
_SAMPLE_LINES = 20
_FEWEST_COLUMNS = 2
_MOST_CONTROLS = 0.05
_MOST_ZEROS = 0.01


def sniff(head: bytes, name: str = "") -> Shape:
    """Return the shape of the file that begins with ``head``."""
    if not head.strip(b"\x00 \t\r\n"):
        return Shape(Format.EMPTY)
    if (
        head.startswith(_EVTX_MAGIC)
        or head.startswith(_EVTX_MAGIC[1], _PAGE)
        or (name.lower().endswith(".evtx") and b"\x00" in head[:_PAGE])
    ):
        return Shape(Format.EVTX)
    encoding = guess_encoding(head)
    if encoding is None:
        return Shape(Format.UNKNOWN)
    text = decode_head(head, encoding)
    found = _sniff_text(text.lstrip("\ufeff \t\r\n"), name)
    return Shape(found.format, encoding, found.delimiter)


def guess_encoding(head: bytes) -> str | None:
    """Return the encoding of ``head`` as Python names it, or None where it is no text.

    A byte order mark decides; then zero bytes tell UTF-16 without one; then UTF-8, code page 932
    (what Japanese Windows writes), EUC-JP (what older Unix does) and Latin-1 in that order, the
    first that fits.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if b"\x00" in head:
        wide = _guess_wide(head)
        if wide or head.count(0) > len(head) * _MOST_ZEROS:
            return wide
        head = head.replace(b"\x00", b"")  # what a scanner sent stands in the log as it came
    narrow = next((name for name in _in_order(head) if _fits(head, name)), None)
    return narrow or ("latin-1" if _looks_like_text(head.decode("latin-1")) else None)


def _in_order(head: bytes) -> tuple[str, ...]:
    """Return the encodings to try; what would be half-width kana is rather EUC-JP."""
    foreign = [c for c in head.decode("cp932", "replace") if not c.isascii()]
    is_narrow = 2 * sum("｡" <= c <= "ﾟ" for c in foreign) > len(foreign)
    return ("utf-8", "euc_jp", "cp932") if is_narrow else ("utf-8", "cp932", "euc_jp")


def _guess_wide(head: bytes) -> str | None:
    """UTF-16 of mostly Latin text has its zero bytes all on the same side of each pair."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.05:
        return "utf-16-be"
    return None


def _fits(head: bytes, encoding: str) -> bool:
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else the head ends inside a character
            return False
        text = head[: error.start].decode(encoding)
    return _looks_like_text(text)


def _looks_like_text(text: str) -> bool:
    odd = sum(
        1 for c in text if (c < " " and c not in "\t\r\n\x0b\x0c\x1b") or "\x7f" <= c < "\xa0"
    )
    return odd <= len(text) * _MOST_CONTROLS


def decode_head(head: bytes, encoding: str) -> str:
    """Decode a head that may end in the middle of a character."""
    return head.decode(encoding, "replace")


def _sniff_text(text: str, name: str) -> Shape:
    if text.startswith("{"):
        return Shape(Format.JSONL if _is_whole_value(text) else Format.JSON)
    if (below := _goes_on_as_objects(text)) or _ARRAY.match(text):
        return Shape(Format.JSONL if below else Format.JSON)
    if _TAG.match(text) and not _PRIORITY.match(text):
        return Shape(Format.XML)
    if text.startswith("#") and re.search(r"^#Fields:", text, re.MULTILINE | re.IGNORECASE):
        return Shape(Format.W3C)
    delimiter = "" if _SYSLOG.match(text) else find_delimiter(PREAMBLE.sub("", text, 1), name)
    lines = Format.JSONL if name.lower().endswith(_LINES_OF_JSON) else Format.TEXT
    return Shape(Format.TABLE, delimiter=delimiter) if delimiter else Shape(lines)


def _goes_on_as_objects(text: str) -> bool:
    """Say whether below a first line that is none, as where a log was cut, objects stand."""
    lines = [line for line in text.split("\n", _SAMPLE_LINES)[1:_SAMPLE_LINES] if line.strip()]
    return bool(lines) and 2 * sum(map(_is_object, lines)) > len(lines)


def _is_object(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_whole_value(text: str) -> bool:
    """Say whether the first line is a JSON value by itself, or too long to see its end."""
    line, newline, _ = text.partition("\n")
    if not newline and len(line) > 1000:  # noqa: PLR2004 - cut by the head: one huge value a line
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        # A first line that is damaged says nothing; the second one does.
        return bool(re.match(r"\{.*\}\s*$", line)) or text[len(line) :].lstrip().startswith('{"')
    return True


PREAMBLE = re.compile(r'(#TYPE [^\r\n]*|"?sep=[^\r\n]?"?)(\r?\n|$)', re.IGNORECASE)
"""What PowerShell (Export-Csv) and Excel write above the header of a table."""


def find_delimiter(text: str, name: str) -> str:
    """Return what parts the columns of a table with a header, or "" where it is none.

    The header must look like names, and the lines below must have as many columns.
    """
    lines = text.splitlines()
    sample = lines[:_SAMPLE_LINES] if len(lines) <= _SAMPLE_LINES else lines[: _SAMPLE_LINES - 1]
    named = name.lower().endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz"))
    best = ""
    for delimiter in _DELIMITERS:
        rows = list(_read_rows(sample, delimiter))
        if not rows or len(rows[0]) < _FEWEST_COLUMNS or not _is_header(rows[0]):
            continue
        even = sum(len(row) == len(rows[0]) for row in rows[1:])
        if (even >= 0.6 * (len(rows) - 1) and len(rows) > 1) or named:
            best = max(best, delimiter, key=lambda d: len(rows[0]) if d == delimiter else 0)
            break
    return best


def _read_rows(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    except csv.Error:
        return []


def _is_header(row: list[str]) -> bool:
    cells = [cell.strip() for cell in row]
    filled = [cell for cell in cells if cell]
    return len(set(filled)) == len(filled) >= _FEWEST_COLUMNS and all(map(_NAME.match, filled))
