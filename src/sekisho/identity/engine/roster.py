"""A roster: people as a CSV says them, read, compared with who is known, and written.

Pure. Reading finds out encoding (UTF-8 with or without a mark, UTF-16 with one, else Windows-31J,
which Excel in Japan writes as "CSV"), separator and columns by their Japanese or English heads.
Comparing gives a plan: who is new, who changes how, who is missing, and every fault by its line.
Nothing is done by it.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

from sekisho.identity.engine.fields import clean_email, clean_language, clean_name
from sekisho.kernel import sheets
from sekisho.kernel.errors import InvalidInputError, SekishoError, TooLargeError
from sekisho.kernel.i18n import Text, msg

LARGEST_FILE = 10_000_000  # bytes; 50,000 people are about 5 MB
MOST_LINES = 50_000
LONGEST_ID = 200
BETWEEN = " / "  # between the names of a unit's path
# A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection).


class Column(StrEnum):
    """What a column of a roster says."""

    NAME = "name"
    EMAIL = "email"
    UNIT = "unit"
    MANAGER = "manager"
    LANGUAGE = "language"
    EXTERNAL_ID = "external_id"


WORDS_OF_COLUMN: Mapping[Column, Text] = {
    Column.NAME: msg("Name"),
    Column.EMAIL: msg("E-mail address"),
    Column.UNIT: msg("Unit"),
    Column.MANAGER: msg("Manager's e-mail address"),
    Column.LANGUAGE: msg("Language"),
    Column.EXTERNAL_ID: msg("Employee number"),
}
# Heads by which columns are known, in the form of ``_fold``; both languages and common exports.
_HEADS: Mapping[Column, frozenset[str]] = {
    Column.NAME: frozenset({"name", "fullname", "displayname", "氏名", "名前", "表示名"}),
    Column.EMAIL: frozenset(
        {"email", "emailaddress", "mail", "userprincipalname", "username"}
        | {"メールアドレス", "メール", "電子メール", "eメール"}
    ),
    Column.UNIT: frozenset({"unit", "department", "部署", "所属", "部門", "組織"}),
    Column.MANAGER: frozenset(
        {"manager", "manageremail", "manager'semailaddress", "上長", "上司", "上長のメールアドレス"}
    ),
    Column.LANGUAGE: frozenset({"language", "preferredlanguage", "lang", "言語", "表示言語"}),
    Column.EXTERNAL_ID: frozenset(
        {"externalid", "employeeid", "employeenumber", "社員番号", "職員番号", "従業員番号"}
    ),
}
_LANGUAGES = {"日本語": "ja", "japanese": "ja", "ja-jp": "ja", "english": "en", "英語": "en"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a roster says of one person; None where it has no such column, "" where it is empty."""

    name: str
    email: str
    unit: str | None = None
    manager: str | None = None
    language: str | None = None
    external_id: str | None = None


_FIELDS = tuple(item.name for item in fields(Entry))


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody known already, in the words of a roster; ``state`` is theirs here."""

    id: str
    entry: Entry
    state: str = "active"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line cannot be taken; lines count from 1 with the head."""

    line: int
    why: Text | str


@dataclass(frozen=True, slots=True)
class Roster:
    """What was read: entries by line, faults, and which columns the file has."""

    entries: tuple[tuple[int, Entry], ...]
    faults: tuple[Fault, ...]
    columns: tuple[Column, ...]
    encoding: str


@dataclass(frozen=True, slots=True)
class Change:
    """How somebody known becomes what the file says."""

    line: int
    known: Known
    after: Entry
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What bringing a roster in would do; ``missing`` are those known that it does not name."""

    added: tuple[tuple[int, Entry], ...] = ()
    changed: tuple[Change, ...] = ()
    same: int = 0
    missing: tuple[Known, ...] = ()
    units: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = field(default=())


def read_roster(content: bytes) -> Roster:
    """Read a CSV; raise InvalidInputError or TooLargeError for one that is none, or too large."""
    if len(content) > LARGEST_FILE:
        raise TooLargeError(
            msg("The file has %(n)s bytes; at most %(most)s are read.",
                n=len(content), most=LARGEST_FILE),
            hint=msg("Split it into two files."),
        )  # fmt: skip
    text, encoding = decode(content)
    lines = _lines(text)
    number, head = next(lines, (1, []))
    places = _find_columns(head)
    entries: list[tuple[int, Entry]] = []
    faults: list[Fault] = []
    for number, cells in lines:
        if len(entries) + len(faults) >= MOST_LINES:
            raise TooLargeError(
                msg("The file has more than %(most)s lines.", most=MOST_LINES),
                hint=msg("Split it into two files."),
            )
        try:
            entries.append((number, _read_entry(cells, places)))
        except SekishoError as error:
            faults.append(Fault(number, error.message))
    return Roster(tuple(entries), tuple(faults), tuple(places), encoding)


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    Raises InvalidInputError for bytes that are neither. UTF-8 is tried first: text in Windows-31J
    with Japanese in it is almost never valid UTF-8.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates: tuple[str, ...] = ("utf-16",)
    else:
        candidates = ("utf-8-sig", "cp932")
    for encoding in candidates:
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise InvalidInputError(
        msg("The encoding of the file is not known."),
        hint=msg("Save it as “CSV UTF-8” in Excel."),
    )


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the lines that say something, with their numbers; one cell over lines counts once."""
    if "\0" in text:
        raise InvalidInputError(
            msg("The file is not a CSV."), hint=msg("Save it as “CSV UTF-8” in Excel.")
        )
    first = text.split("\n", 1)[0]
    separator = max(",\t;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InvalidInputError(
            msg("Line %(line)s cannot be read: %(why)s", line=reader.line_num, why=str(error)),
            hint=msg("Look for a quotation mark that is not closed."),
        ) from error


def _find_columns(head: Sequence[str]) -> dict[Column, int]:
    places: dict[Column, int] = {}
    for place, cell in enumerate(head):
        known = next((c for c, heads in _HEADS.items() if _fold(cell) in heads), None)
        if known is not None and known in places:
            raise InvalidInputError(
                msg("Two columns say the same: %(name)s.", name=WORDS_OF_COLUMN[known]),
                hint=msg("Keep one of them."),
            )
        if known is not None:
            places[known] = place
    lacking = [WORDS_OF_COLUMN[c] for c in (Column.NAME, Column.EMAIL) if c not in places]
    if lacking:
        raise InvalidInputError(
            msg("The file has no column “%(name)s”.", name=lacking[0]),
            hint=msg("The first line names the columns: Name, E-mail address, Unit and so on."),
        )
    return places


def _fold(cell: str) -> str:
    return "".join(c for c in cell.casefold() if c not in " \u3000_-　()（）")


def _read_entry(cells: Sequence[str], places: Mapping[Column, int]) -> Entry:
    def cell(column: Column) -> str | None:
        place = places.get(column)
        if place is None:
            return None
        return sheets.plain(cells[place]) if place < len(cells) else ""

    language, external_id = cell(Column.LANGUAGE), cell(Column.EXTERNAL_ID)
    manager = cell(Column.MANAGER)
    if external_id and (len(external_id) > LONGEST_ID or not external_id.isprintable()):
        raise InvalidInputError(msg("The employee number is too long or not readable."))
    return Entry(
        name=clean_name(cell(Column.NAME) or ""),
        email=clean_email(cell(Column.EMAIL) or ""),
        unit=_clean_path(cell(Column.UNIT)),
        manager=clean_email(manager) if manager else manager,
        language=_read_language(language) if language else language,
        external_id=external_id,
    )


def _read_language(word: str) -> str:
    return clean_language(_LANGUAGES.get(word.casefold(), word.casefold()))


def _clean_path(path: str | None) -> str | None:
    """Return a unit's path with one kind of separator; every name in it is a good name."""
    if not path:
        return path
    parts = path.replace("／", "/").replace(">", "/").split("/")
    return BETWEEN.join(clean_name(part) for part in parts)


def make_plan(roster: Roster, known: Iterable[Known], units: Iterable[str]) -> Plan:
    """Compare a roster with everybody known (without those who left) and every unit's path.

    Somebody is found by their employee number, else by their address.
    """
    people = list(known)
    by_email = {person.entry.email: person for person in people}
    by_number = {p.entry.external_id or "": p for p in people if p.entry.external_id}
    once = _refuse_twice(roster)
    faults, named = [*roster.faults, *once.faults], {e.email for _, e in roster.entries}
    added, changed, same, met = [], [], 0, set[str]()
    for line, entry in once.entries:
        why = _misfit(entry, by_email, by_number, named)
        if why is not None:
            faults.append(Fault(line, why))
            continue
        person = by_number.get(entry.external_id or "") or by_email.get(entry.email)
        if person is None:
            added.append((line, entry))
            continue
        met.add(person.id)
        names = () if entry == person.entry else _differences(person.entry, entry)
        same += not names
        if names:
            changed.append(Change(line, person, entry, names))
    missing = tuple(p for p in people if p.id not in met and p.entry.email not in named)
    wanted = {e.unit for _, e in added if e.unit} | {c.after.unit for c in changed if c.after.unit}
    return Plan(
        tuple(added), tuple(changed), same, missing, tuple(sorted(wanted - set(units))),
        tuple(sorted(faults, key=lambda fault: fault.line)),
    )  # fmt: skip


def _refuse_twice(roster: Roster) -> Roster:
    """Leave out lines about somebody whom an earlier line was about."""
    seen: dict[str, int] = {}
    entries, faults = [], []
    for line, entry in roster.entries:
        keys = [f"e:{entry.email}"] + ([f"n:{entry.external_id}"] if entry.external_id else [])
        earlier = next((seen[key] for key in keys if key in seen), None)
        if earlier is not None:
            faults.append(Fault(line, msg("Line %(line)s is about the same person.", line=earlier)))
            continue
        seen.update(dict.fromkeys(keys, line))
        entries.append((line, entry))
    return Roster(tuple(entries), tuple(faults), roster.columns, roster.encoding)


def _misfit(
    entry: Entry,
    by_email: Mapping[str, Known],
    by_number: Mapping[str, Known],
    named: set[str],
) -> Text | None:
    """Say why an entry fits nobody: its address or manager is not what it should be."""
    mine, theirs = by_number.get(entry.external_id or ""), by_email.get(entry.email)
    if mine is not None and theirs is not None and mine.id != theirs.id:
        return msg("%(email)s is already the address of somebody here.", email=entry.email)
    if theirs is not None and entry.external_id and theirs.entry.external_id not in {
        "", entry.external_id,
    }:  # fmt: skip
        return msg("%(email)s belongs to another employee number here.", email=entry.email)
    if entry.manager and entry.manager == entry.email:
        return msg("Nobody leads themselves.")
    if entry.manager and entry.manager not in by_email and entry.manager not in named:
        return msg("Nobody has the manager's address %(email)s.", email=entry.manager)
    return None


def _differences(before: Entry, after: Entry) -> tuple[str, ...]:
    """Name the fields that a line changes; a column that the file lacks changes nothing.

    An empty language leaves the language: there always is one.
    """
    return tuple(
        name
        for name in _FIELDS
        if (new := getattr(after, name)) is not None
        and not (name == "language" and new == "")
        and (new or "") != (getattr(before, name) or "")
    )


def write_roster(known: Iterable[Known], heads: Mapping[Column, str]) -> str:
    """Write people as a CSV that Excel opens as it is (UTF-8 with a mark, RFC 4180)."""
    rows = ([getattr(person.entry, column.value) or "" for column in Column] for person in known)
    first = sheets.start([heads[column] for column in Column])
    return first + "".join(sheets.line(row) for row in rows)
