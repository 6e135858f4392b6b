"""Tables with a header: CSV, TSV and kin, and the W3C form of IIS (``#Fields:``).

A quoted cell may hold line feeds, within the bound of one record; a row with more cells than the
header keeps them under ``extra``, one with fewer leaves the last names out.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sekisho.detection.sources.lines import TooLong
from sekisho.detection.sources.sniffing import PREAMBLE

_EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (the header is none), and what stands under which name."""

    number: int
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and why."""

    number: int
    why: str | TooLong


def read_table(
    lines: Iterable[tuple[int, str | TooLong]], delimiter: str, longest: int
) -> Iterator[Row | BadRow]:
    """Yield the rows below the header."""
    names: list[str] = []
    number = 0
    for joined in _join_quoted(_without_preamble(lines), delimiter, longest):
        if isinstance(joined, TooLong):
            number += bool(names)
            yield BadRow(number, joined)
            continue
        try:
            cells = _cut(joined, delimiter)
        except csv.Error as error:
            number += 1
            yield BadRow(number, str(error))
            continue
        if not any(cells):
            continue
        if not names:
            names = _name_columns(cells)
            continue
        number += 1
        yield Row(number, _put_together(names, cells))


def _without_preamble(
    lines: Iterable[tuple[int, str | TooLong]],
) -> Iterator[tuple[int, str | TooLong]]:
    for number, line in lines:
        if number > 1 or isinstance(line, TooLong) or not PREAMBLE.fullmatch(line):
            yield number, line


def _cut(row: str, delimiter: str) -> list[str]:
    """Cut a row, whose length is bounded already, into its cells."""
    usual = csv.field_size_limit()
    if len(row) <= usual:
        return next(csv.reader([row], delimiter=delimiter), [])
    csv.field_size_limit(len(row))  # of the whole process, so it is put back at once
    try:
        return next(csv.reader([row], delimiter=delimiter), [])
    finally:
        csv.field_size_limit(usual)


def _join_quoted(
    lines: Iterable[tuple[int, str | TooLong]], delimiter: str, longest: int
) -> Iterator[str | TooLong]:
    """Join lines while a quotation mark is open (a cell of several lines)."""
    parts: list[str] = []
    size = 0
    open_quote = False
    for _, line in lines:
        if isinstance(line, TooLong):
            parts, size, open_quote = [], 0, False
            yield line
            continue
        parts.append(line)
        size += len(line)
        open_quote = _ends_open(line, delimiter, within=open_quote)
        if open_quote and size <= longest:
            continue
        yield TooLong(size) if open_quote else "\n".join(parts)
        parts, size, open_quote = [], 0, False
    if parts:
        yield from parts  # the last quotation mark never closes: each line for itself


_REST_OF_CELL = re.compile(r'(?:[^"]|"")*+"(?!")')


def _ends_open(line: str, delimiter: str, *, within: bool) -> bool:
    """Say whether a cell in quotation marks goes on after ``line``; ``within`` one it begins.

    A mark opens a cell only where it begins one: any other is text, as the reader has it.
    """
    at = 0
    while True:
        if within or line.startswith('"', at):
            found = _REST_OF_CELL.match(line, at if within else at + 1)
            if found is None:
                return True
            at, within = found.end(), False
        at = line.find(delimiter, at) + 1
        if not at:
            return False


def _name_columns(cells: list[str]) -> list[str]:
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        name = cell.strip().lstrip("#").strip() or f"column{place}"
        names.append(name if name not in names else f"{name}.{place}")
    return names


def _put_together(names: list[str], cells: list[str]) -> dict[str, str]:
    fields = dict(zip(names, cells, strict=False))
    if len(cells) > len(names):
        fields[_EXTRA] = " ".join(cells[len(names) :])
    return fields


def read_w3c(lines: Iterable[tuple[int, str | TooLong]]) -> Iterator[Row | BadRow]:
    """Yield the rows of a W3C log; ``-`` is an empty cell, and ``+`` a blank in the agent."""
    names: list[str] = []
    for number, line in lines:
        if isinstance(line, TooLong):
            yield BadRow(number, line)
        elif line.startswith("#"):
            label, _, rest = line.partition(":")
            names = rest.split() if label.strip().lower() == "#fields" else names
        elif line.strip() and names:
            cells = line.split()
            yield Row(number, {n: c for n, c in zip(names, cells, strict=False) if c != "-"})
