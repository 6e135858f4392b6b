"""From rows to devices and facts: which row is which device, and what it says. Pure.

- A serial number or a hardware UUID that one device alone has is that device. A name matches
  only where nothing else speaks against it. A person's address alone is a guess: somebody has to
  say so.
- Of several rows about one device the latest counts; where they were taken at the same time and
  differ, nothing is known.
- Rows about private devices that are not enrolled are left out: their owners consented to nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sekisho.controls.exports.dates import parse_date
from sekisho.controls.exports.grid import MOST_PROBLEMS, Grid, Problem
from sekisho.controls.exports.mapping import (
    ColumnMapping,
    FactRule,
    find_columns,
    find_facts,
    normal,
)
from sekisho.controls.model import Platform, VerdictKind
from sekisho.kernel.i18n import Text, msg
from sekisho.wire.kit import Ownership

_NO_SERIAL = re.compile(
    r"(?:to be filled.*|system serial number|default string|not (?:specified|available|applicable)"
    r"|none|n/?a|null|unknown|invalid|0+|1234567890?|-+|x+|\.+)"
)
_LONGEST = 200
_AHEAD = timedelta(days=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
_OS_WORDS = (("windows", "windows"), ("mac", "darwin"), ("os x", "darwin"), ("linux", "linux"),
             ("ubuntu", "linux"), ("debian", "linux"), ("red hat", "linux"))  # fmt: skip
_PHONES = ("ios", "ipados", "android", "chrome", "iphone", "ipad")


class Outcome(StrEnum):
    """What becomes of a row."""

    MATCHED = "matched"  # one enrolled device
    UNMATCHED = "unmatched"  # known by the export only
    AMBIGUOUS = "ambiguous"  # several devices fit, or only a person's address does
    LEFT_OUT = "left_out"  # private, a phone, or nothing to tell it by


class MatchedBy(StrEnum):
    """By what a row was matched, surest first."""

    SERIAL = "serial"
    UUID = "uuid"
    NAME = "name"
    EMAIL = "email"
    HAND = "hand"
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """An enrolled device as an export may name it."""

    id: str
    ownership: str
    platform: str
    serial: str = ""
    uuid: str = ""
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it names, what it says, and which device it is."""

    number: int
    name: str
    serial: str
    uuid: str
    email: str
    platform: str
    ownership: str
    seen_at: datetime | None
    facts: Mapping[str, str]
    outcome: Outcome = Outcome.UNMATCHED
    matched_by: MatchedBy = MatchedBy.NOTHING
    device_id: str | None = None
    candidates: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return what the export itself tells this device by; "" if by nothing."""
        named = (("s", self.serial), ("u", self.uuid), ("n", normal(self.name)))
        return next((f"{kind}:{text}" for kind, text in named if text), "")


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything an export says under a mapping, and what should be told about it."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    missing: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def read_export(
    grid: Grid, mapping: ColumnMapping, known: Iterable[KnownDevice], taken_at: datetime,
    now: datetime,
) -> Reading:  # fmt: skip
    """Read every row of ``grid``; ``taken_at`` counts for rows of an export without such a column.

    A row whose own time is missing or cannot be read says nothing.
    """
    places, facts = find_columns(mapping, grid.columns), find_facts(mapping, grid.columns)
    problems = list(grid.problems)
    rows: list[Row] = []
    for line, cells in grid.rows:
        row, trouble = _read_row(line, cells, places, facts, mapping, taken_at, now)
        rows.append(row)
        if trouble is not None:
            problems.append(Problem(line, trouble))
    index = Index(known)
    settled = _settle_twins([index.match(row) for row in rows], problems)
    missing = tuple(
        sorted({str(r.control_id) for r in mapping.facts} - {str(r.control_id) for r, _ in facts})
    )
    return Reading(tuple(settled), tuple(problems[:MOST_PROBLEMS]), missing, _count(settled))


def _count(rows: Sequence[Row]) -> dict[str, int]:
    counts = dict.fromkeys(map(str, Outcome), 0)
    for row in rows:
        counts[row.outcome.value] += 1
    return counts


def _read_row(
    line: int, cells: Sequence[str], places: Mapping[str, int],
    facts: Sequence[tuple[FactRule, int]], mapping: ColumnMapping, taken_at: datetime,
    now: datetime,
) -> tuple[Row, Text | None]:  # fmt: skip
    def cell(role: str) -> str:
        return cells[places[role]][:_LONGEST] if role in places else ""

    seen, trouble = _seen(cell("seen"), "seen" in places, mapping, taken_at, now)
    said = {str(rule.control_id): rule.judge(cells[place]).value for rule, place in facts}
    row = Row(
        number=line, name=cell("name"), serial=clean_serial(cell("serial")),
        uuid=clean_uuid(cell("uuid")), email=normal(cell("email")),
        platform=_platform(cell("platform"), mapping),
        ownership=mapping.values.get("ownership", {}).get(normal(cell("ownership")), ""),
        seen_at=seen, facts=said if seen is not None else dict.fromkeys(said, "unknown"),
    )  # fmt: skip
    return row, trouble


def _seen(
    text: str, has_column: bool, mapping: ColumnMapping, taken_at: datetime, now: datetime,
) -> tuple[datetime | None, Text | None]:  # fmt: skip
    if not has_column:
        return taken_at, None
    if not text:
        return None, msg("No time: what the row says counts as unknown.")
    found = parse_date(text, mapping.zone, mapping.order)
    if found is None:
        return None, msg("“%(got)s” is no time that can mean one thing only; unknown.",
                         got=text[:40])  # fmt: skip
    if found > now + _AHEAD:
        return None, msg("“%(got)s” is in the future; unknown.", got=text[:40])
    return min(found, now), None


def clean_serial(text: str) -> str:
    """Return a serial number as it is compared; "" for words that makers put in its place."""
    plain = re.sub(r"[\s-]", "", normal(text))
    return "" if _NO_SERIAL.fullmatch(normal(text)) or len(plain) < 4 else plain.upper()  # noqa: PLR2004 - no maker numbers as short


def clean_uuid(text: str) -> str:
    """Return a UUID as it is compared; "" for what is none or stands for none."""
    plain = re.sub(r"[^0-9a-f]", "", normal(text))
    fits = len(plain) == 32 and len(set(plain)) > 2  # noqa: PLR2004 - RFC 9562; not 0000… or ffff…
    return plain if fits else ""


def _platform(text: str, mapping: ColumnMapping) -> str:
    plain = normal(text)
    if not plain:
        return ""
    chosen = mapping.values.get("platform", {}).get(plain)
    if chosen:
        return chosen
    if plain.startswith(_PHONES):
        return "phone"
    return next((name for word, name in _OS_WORDS if word in plain), "")


class Index:
    """Finds enrolled devices by what an export names them by."""

    def __init__(self, known: Iterable[KnownDevice]) -> None:
        self._by: dict[str, dict[str, list[KnownDevice]]] = {
            name: defaultdict(list) for name in ("serial", "uuid", "name", "email")
        }
        for device in known:
            for name, text in (
                ("serial", clean_serial(device.serial)), ("uuid", clean_uuid(device.uuid)),
                ("name", short_name(device.name)), ("email", normal(device.email)),
            ):  # fmt: skip
                if text:
                    self._by[name][text].append(device)

    def match(self, row: Row) -> Row:
        """Return ``row`` with what became of it."""
        if row.platform == "phone" or not (row.key or row.email):
            return replace(row, outcome=Outcome.LEFT_OUT)
        for by, text in (
            (MatchedBy.SERIAL, row.serial), (MatchedBy.UUID, row.uuid),
            (MatchedBy.NAME, short_name(row.name)), (MatchedBy.EMAIL, row.email),
        ):  # fmt: skip
            found = self._fitting(by.value, text, row)
            if found:
                return self._decide(row, by, found)
        if row.ownership == Ownership.PRIVATE:
            nobody = replace(row, name="", serial="", uuid="", email="", facts={})
            return replace(nobody, outcome=Outcome.LEFT_OUT)
        if row.platform not in tuple(Platform) or not row.key:
            return replace(row, outcome=Outcome.LEFT_OUT)
        return row

    def _fitting(self, by: str, text: str, row: Row) -> list[KnownDevice]:
        found = self._by[by].get(text, []) if text else []
        if by in ("serial", "uuid"):
            return found
        return [device for device in found if not _speaks_against(device, row)]

    def _decide(self, row: Row, by: MatchedBy, found: Sequence[KnownDevice]) -> Row:
        ids = tuple(device.id for device in found)
        if len(found) > 1 or by is MatchedBy.EMAIL:
            return _without_names(
                replace(row, outcome=Outcome.AMBIGUOUS, matched_by=by, candidates=ids[:10]), found
            )
        matched = replace(row, outcome=Outcome.MATCHED, matched_by=by, device_id=ids[0])
        return _without_names(matched, found)


def _without_names(row: Row, found: Sequence[KnownDevice]) -> Row:
    """Drop what names a private device: it was needed to find it, and is not kept."""
    if row.ownership == Ownership.PRIVATE or any(
        device.ownership == Ownership.PRIVATE for device in found
    ):
        return replace(row, name="", serial="", uuid="")
    return row


def short_name(text: str) -> str:
    """Return a host name without its domain, as it is compared."""
    return normal(text).split(".", 1)[0]


def _speaks_against(device: KnownDevice, row: Row) -> bool:
    """Return whether something else that both tell is different."""
    pairs = (
        (clean_serial(device.serial), row.serial), (clean_uuid(device.uuid), row.uuid),
        (device.platform, row.platform), (device.ownership, row.ownership),
    )  # fmt: skip
    return any(one and other and one != other for one, other in pairs)


def _settle_twins(rows: Sequence[Row], problems: list[Problem]) -> list[Row]:
    """Keep one row a device: the latest; where two differ at one time, nothing is known."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.outcome in (Outcome.MATCHED, Outcome.UNMATCHED):
            groups[row.device_id or row.key].append(row)
    kept: dict[int, Row] = {}
    for twins in groups.values():
        best = max(twins, key=lambda row: (row.seen_at or _NEVER, -row.number))
        kept[best.number] = _join(best, [t for t in twins if t.seen_at == best.seen_at])
        told = msg("The same device as on line %(line)s; the latest counts.", line=best.number)
        problems.extend(Problem(twin.number, told) for twin in twins if twin is not best)
    return [
        kept.get(row.number, replace(row, outcome=Outcome.LEFT_OUT))
        if row.outcome in (Outcome.MATCHED, Outcome.UNMATCHED)
        else row
        for row in rows
    ]


def _join(best: Row, same: Sequence[Row]) -> Row:
    facts = {
        control: said
        if all(row.facts.get(control) == said for row in same)
        else VerdictKind.UNKNOWN.value
        for control, said in best.facts.items()
    }
    return replace(best, facts=facts)
