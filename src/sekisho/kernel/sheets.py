"""Spreadsheets in and out: CSV (RFC 4180) that Excel opens as it is and that runs nothing.

Text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV injection),
which is taken away again when the file comes back. The file begins with the UTF-8 mark by which
Excel tells Japanese from noise.
"""

import csv
import io
from collections.abc import Iterator, Sequence

MARK = "\ufeff"
# Also the full-width signs: a Japanese Excel takes them for the plain ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def start(names: Sequence[str]) -> str:
    """Return the first line of a file: the mark and the names of its columns."""
    return MARK + line(names)


def line(cells: Sequence[object]) -> str:
    """Return one line with its end."""
    out = io.StringIO()
    csv.writer(out).writerow([harmless(cell) for cell in cells])
    return out.getvalue()


def harmless(cell: object) -> object:
    """Return a cell that no spreadsheet runs."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def plain(cell: str) -> str:
    """Return what a cell was before ``harmless``, without blanks around it."""
    text = cell.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def read(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of every line that is not empty; commas, tabs or semicolons.

    Raises ``csv.Error`` for what is no CSV.
    """
    body = text.removeprefix(MARK)
    first = body.split("\n", 1)[0]
    mark = max(",\t;", key=first.count)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=mark, strict=True)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells
