"""From the bytes of an export to rows of text, whatever wrote them.

UTF-8, UTF-16 and CP932 (what Japanese Windows programs write), comma, tab or semicolon, or JSON.
A file that is something else is refused with what it is; a mistake inside is told by line and
column. Nothing is ever evaluated: a formula is text.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sekisho.kernel.errors import InvalidInputError, TooLargeError
from sekisho.kernel.i18n import Text, msg

LARGEST_FILE = 60_000_000
MOST_ROWS = 200_000
MOST_COLUMNS = 500
LONGEST_CELL = 10_000
MOST_PROBLEMS = 200
# Python's own limit, which others in the process may have raised: a quotation mark that is missing
# swallows the rest of the file into one cell.
_LONGEST_FIELD = 131_072
_MOST_DEPTH = 8
_KINDS: Sequence[tuple[bytes, Text]] = (
    (b"PK\x03\x04", msg("an Excel workbook or a ZIP archive")),
    (b"\xd0\xcf\x11\xe0", msg("an old Excel workbook")),
    (b"%PDF", msg("a PDF")),
    (b"\x1f\x8b", msg("a compressed file")),
    (b"\x89PNG", msg("a picture")),
    (b"\xff\xd8\xff", msg("a picture")),
    (b"MZ", msg("a program")),
    (b"\x7fELF", msg("a program")),
    (b"SQLite format 3", msg("a database")),
)
_WRAPPED = re.compile(r'=\s*"([^"]*)"')  # how some programs keep Excel from eating leading zeros


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one line that a person should know; lines count from 1."""

    line: int
    message: Text


@dataclass(frozen=True, slots=True)
class Grid:
    """The headings, and each row with the line it stands on; ``problems`` are lines left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    encoding: str
    form: str
    problems: tuple[Problem, ...] = field(default=())


def read_grid(content: bytes, rows_at: str = "") -> Grid:
    """Read an export; ``rows_at`` is the key under which JSON keeps its rows.

    Raises TooLargeError, and InvalidInputError with what the file is or where it is broken.
    """
    if len(content) > LARGEST_FILE:
        raise TooLargeError(
            msg("The file has %(got)s bytes; at most %(most)s are read.",
                got=len(content), most=LARGEST_FILE),
            hint=msg("Export fewer columns, or in parts."),
        )  # fmt: skip
    _refuse_other_kinds(content)
    text, encoding = decode(content)
    head = text.lstrip()[:1]
    if head in ("{", "["):
        return _read_json(text, encoding, rows_at)
    if head == "<":
        raise _wrong_kind(msg("a web page or XML"))
    return _read_csv(text, encoding)


def _refuse_other_kinds(content: bytes) -> None:
    for sign, kind in _KINDS:
        if content.startswith(sign):
            raise _wrong_kind(kind)


def _wrong_kind(kind: Text) -> InvalidInputError:
    return InvalidInputError(
        msg("This is %(kind)s; a CSV or JSON file is expected.", kind=kind),
        hint=msg("Export as CSV (in Excel: “Save as”, “CSV UTF-8”) and choose that file."),
    )


def decode(content: bytes) -> tuple[str, str]:
    """Return the text and the name of its encoding; raise InvalidInputError with line and column.

    Only strict decoding: a half-read name would match the wrong device.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):  # fmt: skip
        if content.startswith(mark):
            return _decode(content[len(mark) :], name), name
    names = ["utf-8", "cp932"]
    sample = content[:400]
    if len(sample) > 3 and sample.count(0) * 4 >= len(sample):  # noqa: PLR2004 - ASCII is half NUL in UTF-16
        names = ["utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"]
    for name in names[:-1]:
        try:
            return content.decode(name), name
        except UnicodeDecodeError:
            continue
    return _decode(content, names[-1]), names[-1]


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(name, "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise InvalidInputError(
            msg("Line %(line)s, column %(column)s: these bytes are neither UTF-8 nor %(name)s.",
                line=line, column=column, name=name.upper()),
            hint=msg("Two encodings seem to be mixed. Export again as UTF-8."),
        ) from error  # fmt: skip


def _read_csv(text: str, encoding: str) -> Grid:
    _refuse_nul(text)
    delimiter = _find_delimiter(text)
    csv.field_size_limit(LARGEST_FILE)  # of the whole process: our own limit holds, nobody else's
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = _lines(reader)
    columns: tuple[str, ...] = ()
    for _, cells in lines:
        if sum(bool(cell) for cell in cells) > 1:  # a title above the headings is passed over
            columns = tuple(cells)
            break
    if not columns:
        raise InvalidInputError(
            msg("The file has no line with headings; at least two columns are expected."),
            hint=msg("The first line names the columns, separated by commas, tabs or semicolons."),
        )
    _check_columns(columns)
    rows, problems = _take_rows(lines, len(columns))
    return Grid(columns, rows, encoding, "csv", problems)


def _refuse_nul(text: str) -> None:
    place = text.find("\x00")
    if place >= 0:
        raise InvalidInputError(
            msg("Line %(line)s holds bytes that no text has.", line=text.count("\n", 0, place) + 1),
            hint=msg("The file may be damaged or something else than CSV. Export again."),
        )


def _find_delimiter(text: str) -> str:
    for line in text.splitlines()[:20]:
        outside = re.sub(r'"[^"]*"', "", line)
        found = max(",\t;", key=outside.count)
        if outside.count(found):
            return found
    return ","


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield each line with its number; blank ones are passed over."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _no_csv(line, str(error)) from error
        if max(map(len, cells), default=0) > _LONGEST_FIELD:
            raise _no_csv(line, msg("one cell has more than %(most)s characters",
                                    most=f"{_LONGEST_FIELD:,}"))  # fmt: skip
        cleaned = [_clean(cell) for cell in cells]
        if any(cleaned):
            yield line, cleaned


def _no_csv(line: int, why: Text | str) -> InvalidInputError:
    return InvalidInputError(
        msg("From line %(line)s on this is no CSV: %(why)s", line=line, why=why),
        hint=msg("Often a quotation mark is missing. Correct the line or export again."),
    )


def _clean(cell: str) -> str:
    found = _WRAPPED.fullmatch(cell) if cell.startswith("=") else None
    return (found[1] if found else cell).strip()


def _take_rows(
    lines: Iterator[tuple[int, list[str]]], width: int
) -> tuple[tuple[tuple[int, tuple[str, ...]], ...], tuple[Problem, ...]]:
    rows: list[tuple[int, tuple[str, ...]]] = []
    problems: list[Problem] = []
    for line, cells in lines:
        if len(rows) >= MOST_ROWS:
            raise _too_many_rows()
        if len(cells) != width:
            text = msg("%(got)s cells where %(want)s are expected; the line is left out.",
                       got=len(cells), want=width)  # fmt: skip
            problems.append(Problem(line, text))
        elif max(map(len, cells)) > LONGEST_CELL:
            problems.append(Problem(line, msg("A cell is too long; the line is left out.")))
        else:
            rows.append((line, tuple(cells)))
    return tuple(rows), tuple(problems[:MOST_PROBLEMS])


def _too_many_rows() -> TooLargeError:
    return TooLargeError(
        msg("The file has more than %(most)s rows.", most=MOST_ROWS),
        hint=msg("Export computers only, or in parts."),
    )


def _check_columns(columns: Sequence[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise TooLargeError(
            msg("The file has %(got)s columns; at most %(most)s are read.",
                got=len(columns), most=MOST_COLUMNS)
        )  # fmt: skip


def _read_json(text: str, encoding: str, rows_at: str) -> Grid:
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            msg("Line %(line)s, column %(column)s: this is no JSON.",
                line=error.lineno, column=error.colno),
            hint=msg("The file may have been cut off. Export again."),
        ) from error  # fmt: skip
    except RecursionError as error:
        raise InvalidInputError(msg("This JSON is nested too deeply.")) from error
    found = _find_rows(loaded, rows_at)
    if len(found) > MOST_ROWS:
        raise _too_many_rows()
    flat = [dict(_flatten(row)) for row in found]
    columns = tuple(dict.fromkeys(name for row in flat for name in row))
    _check_columns(columns)
    rows = tuple(
        (number, tuple(row.get(name, "") for name in columns)) for number, row in enumerate(flat, 1)
    )
    return Grid(columns, rows, encoding, "json")


def _find_rows(loaded: Any, rows_at: str) -> list[Mapping[str, Any]]:
    """Return the list of objects: the file itself, or under a key such as ``value``."""
    held = loaded
    if isinstance(loaded, dict):
        keys = [rows_at] if rows_at else ["value", "results", "devices", "computers"]
        held = next((loaded[key] for key in keys if isinstance(loaded.get(key), list)), None)
    if not isinstance(held, list) or not held or not all(isinstance(r, dict) for r in held):
        raise InvalidInputError(
            msg("The JSON holds no list of devices."),
            hint=msg("A list of objects is expected, or one under “value” or “results”."),
        )
    return held


def _flatten(row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < _MOST_DEPTH:
            yield from _flatten(value, f"{name}.", depth + 1)
        elif not isinstance(value, dict | list):
            yield name, _say_json(value)[:LONGEST_CELL]


def _say_json(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()
