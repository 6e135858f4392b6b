"""Reading a spreadsheet that came back: which lines, which columns, what is wrong with them.

Nothing is guessed: the columns are those of the file that the list gives out, by their names. A
column that is not there changes nothing; an empty cell empties what it stands for, except a note
on a finding, which is added and never taken away.
"""

import csv
import hashlib
from collections.abc import Mapping

from sekisho.kernel import sheets
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.worklists.model import Listing, SheetChange, SheetFault, SheetLine

MOST_LINES = 30_000
LARGEST = 10_000_000
COLUMNS: Mapping[Listing, frozenset[str]] = {
    Listing.DEVICES: frozenset({"owner_email", "tags", "note", "ownership", "version"}),
    Listing.FINDINGS: frozenset({"assignee_email", "note", "version"}),
}


def read_sheet(listing: Listing, content: bytes) -> tuple[list[SheetLine], list[SheetFault]]:
    """Return the lines of a file and what is wrong with it; raise InvalidInputError for no CSV."""
    if len(content) > LARGEST:
        raise InvalidInputError(
            msg("The file is larger than %(most)s MB.", most=LARGEST // 1_000_000),
            hint=msg("Narrow the list before saving it, and bring the parts in one by one."),
        )
    try:
        rows = list(sheets.read(_decode(content)))
    except csv.Error as error:
        raise InvalidInputError(
            msg("The file cannot be read as CSV: %(why)s.", why=str(error)),
            hint=msg("Save it as “CSV UTF-8” in the spreadsheet."),
        ) from None
    names = [sheets.plain(cell).lower() for cell in rows[0][1]] if rows else []
    if "id" not in names or not COLUMNS[listing] & set(names) - {"version"}:
        raise InvalidInputError(
            msg("The first line must name the column “id” and one that can be changed: %(known)s.",
                known=", ".join(sorted(COLUMNS[listing] - {"version", "ownership"}))),
            hint=msg("Start from the CSV that the list gives out."),
        )  # fmt: skip
    if len(rows) - 1 > MOST_LINES:
        raise InvalidInputError(
            msg("The file has more than %(most)s lines.", most=f"{MOST_LINES:,}"),
            hint=msg("Narrow the list before saving it, and bring the parts in one by one."),
        )
    return _read_lines(names, rows[1:], COLUMNS[listing])


def _decode(content: bytes) -> str:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInputError(
        msg("The file is neither UTF-8 nor Shift_JIS text."),
        hint=msg("Save it as “CSV UTF-8” in the spreadsheet."),
    )


def _read_lines(
    names: list[str], rows: list[tuple[int, list[str]]], known: frozenset[str]
) -> tuple[list[SheetLine], list[SheetFault]]:
    lines, faults = [], []
    seen: dict[str, int] = {}
    for number, cells in rows:
        if len(cells) != len(names):
            faults.append(SheetFault(
                number, msg("The line has %(got)s cells; %(want)s are expected.",
                            got=len(cells), want=len(names))))  # fmt: skip
            continue
        found = dict(zip(names, map(sheets.plain, cells), strict=True))
        name = found["id"]
        if not name or name in seen:
            faults.append(SheetFault(number, _no_id(name, seen)))
            continue
        seen[name] = number
        lines.append(SheetLine(number, name, {k: v for k, v in found.items() if k in known}))
    return lines, faults


def _no_id(name: str, seen: Mapping[str, int]) -> Text:
    if not name:
        return msg("The column “id” is empty.")
    return msg("The same id stands in line %(line)s already.", line=seen[name])


def stamp_changes(changes: tuple[SheetChange, ...]) -> str:
    """Return a mark of what a plan would change: the one that was shown is the one that is done."""
    said = "\0".join(f"{c.id}\1{c.column}\1{c.before}\1{c.after}" for c in changes)
    return hashlib.sha256(said.encode()).hexdigest()[:16]
