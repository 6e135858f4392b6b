"""Reading exceptions that so far existed on paper, from a CSV file. Pure; errors name their line.

Columns (English or Japanese head line, in any order): rule, scope, for, ownership, reason,
measure, until, since, asked by, source. RFC 4180; UTF-8, or Shift_JIS as Japanese Excel writes.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sekisho.controls.exceptions import ScopeKind
from sekisho.kernel.i18n import Text, msg
from sekisho.wire.kit import Ownership

MOST_LINES = 2000
MOST_BYTES = 1_000_000
REQUIRED = ("rule", "scope", "for", "reason", "measure", "until")
HEADS: Mapping[str, tuple[str, ...]] = {
    "rule": ("rule", "control", "ルール"),
    "scope": ("scope", "対象の種類"),
    "for": ("for", "対象"),
    "ownership": ("ownership", "端末の区分"),
    "reason": ("reason", "理由"),
    "measure": ("measure", "代わりの対策"),
    "until": ("until", "期限"),
    "since": ("since", "開始日"),
    "asked_by": ("asked by", "申請者"),
    "source": ("source", "記載元"),
}
_SCOPES = {
    "device": ScopeKind.DEVICE, "端末": ScopeKind.DEVICE,
    "person": ScopeKind.PERSON, "個人": ScopeKind.PERSON,
    "group": ScopeKind.GROUP, "グループ": ScopeKind.GROUP,
    "unit": ScopeKind.UNIT, "部署": ScopeKind.UNIT,
}  # fmt: skip
_OWNERSHIPS = {
    "": None, "both": None, "すべて": None,
    "company": Ownership.COMPANY, "会社支給": Ownership.COMPANY,
    "private": Ownership.PRIVATE, "私物": Ownership.PRIVATE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PaperFault:
    """What is wrong with one line (counted from 1, the head line included)."""

    line: int
    message: Text


@dataclass(frozen=True, slots=True)
class PaperLine:
    """One exception as it is written; ``rule`` and ``target`` are still words.

    ``until`` is None where no end is written; that is refused once the rule says what it allows.
    """

    line: int
    rule: str
    scope: ScopeKind
    target: str
    ownership: Ownership | None
    reason: str
    measure: str
    until: date | None
    since: date | None
    asked_by: str
    source: str


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8 with or without a mark, else Shift_JIS.

    Raises UnicodeDecodeError if it is neither.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp932")


def read_paper(text: str) -> tuple[list[PaperLine], list[PaperFault]]:
    """Return the lines that can be read and what is wrong with the others, in their order."""
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    lines: list[PaperLine] = []
    faults: list[PaperFault] = []
    try:
        places, missing = _read_head(next(reader, []))
        if missing is not None:
            return [], [PaperFault(1, missing)]
        for cells in reader:
            if len(lines) + len(faults) >= MOST_LINES:
                faults.append(PaperFault(reader.line_num, _too_many()))
                break
            if any(cell.strip() for cell in cells):
                _read_line(reader.line_num, cells, places, lines, faults)
    except csv.Error as error:
        faults.append(PaperFault(reader.line_num, msg("This is no CSV: %(why)s", why=str(error))))
    return lines, faults


def _too_many() -> Text:
    return msg("Only the first %(most)s lines are read; cut the file in two.", most=MOST_LINES)


def _read_head(cells: Sequence[str]) -> tuple[Mapping[str, int], Text | None]:
    known = {head.casefold(): name for name, heads in HEADS.items() for head in heads}
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = known.get(cell.strip().casefold())
        if name is not None:
            places.setdefault(name, place)
    missing = [HEADS[name][0] for name in REQUIRED if name not in places]
    if not missing:
        return places, None
    return places, msg(
        "The head line lacks these columns: %(missing)s.", missing=", ".join(missing)
    )


def _read_line(
    number: int,
    cells: Sequence[str],
    places: Mapping[str, int],
    lines: list[PaperLine],
    faults: list[PaperFault],
) -> None:
    values = {
        name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()
    }
    fault = _find_fault(values)
    if fault is not None:
        faults.append(PaperFault(number, fault))
        return
    until, since = _read_day(values["until"]), _read_day(values.get("since", ""))
    lines.append(
        PaperLine(
            number, values["rule"], _SCOPES[values["scope"].casefold()], values["for"],
            _OWNERSHIPS[values.get("ownership", "").casefold()], values["reason"],
            values["measure"], until, since, values.get("asked_by", "")[:200],
            values.get("source", "")[:300],
        )
    )  # fmt: skip


def _find_fault(values: Mapping[str, str]) -> Text | None:
    for name in REQUIRED:
        if not values[name] and name != "until":
            return msg("The column “%(name)s” is empty.", name=HEADS[name][0])
    if values["scope"].casefold() not in _SCOPES:
        return msg(
            "“%(got)s” is no scope; expected one of: %(known)s.",
            got=values["scope"][:40], known=", ".join(kind.value for kind in ScopeKind),
        )  # fmt: skip
    if values.get("ownership", "").casefold() not in _OWNERSHIPS:
        return msg(
            "“%(got)s” is no kind of device; expected company, private or nothing.",
            got=values["ownership"][:40],
        )
    for name in ("until", "since"):
        day = values.get(name, "")
        if day and _read_day(day) is None:
            return msg("“%(got)s” is no date; expected one such as 2026-11-23.", got=day[:40])
    return None


def _read_day(text: str) -> date | None:
    """Read ``2026-11-23``, or ``2026/11/23`` as spreadsheets write it."""
    try:
        year, month, day = (int(part) for part in text.replace("/", "-").split("-"))
        return date(year, month, day)
    except ValueError:
        return None
