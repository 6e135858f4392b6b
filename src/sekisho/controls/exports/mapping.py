"""What the columns of an export mean: read from YAML, written as YAML, or proposed. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

import yaml

from sekisho.controls.exports.dates import Order
from sekisho.controls.faults import CatalogueError
from sekisho.controls.model import Localized, VerdictKind
from sekisho.controls.reading import Place, Source
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID

ROLES = ("name", "serial", "uuid", "email", "platform", "ownership", "seen")
"""What a column can tell of the device itself."""
_REQUIRED = ("id", "title", "columns", "max_age", "facts")
_OPTIONAL = ("version", "product", "source", "rows", "dates", "time_zone", "values")
_PLATFORMS = {"windows": "windows", "darwin": "darwin", "linux": "linux"}
_OWNERSHIP = {"company": "company", "private": "private"}
_ID = re.compile(r"[a-z][a-z0-9-]{1,59}")
_USUAL: Mapping[str, Sequence[str]] = {
    "name": ("computer name", "device name", "host name", "hostname", "コンピューター名",
             "コンピュータ名", "端末名", "ホスト名", "機器名", "pc名", "名称", "name"),
    "serial": ("serial number", "serial", "serial no", "シリアル番号", "シリアルno", "製造番号",
               "シリアルナンバー", "bios serial number", "biosシリアル番号"),
    "uuid": ("uuid", "udid", "hardware uuid", "system uuid"),
    "email": ("email", "e-mail", "email address", "mail", "メールアドレス", "メール",
              "利用者メールアドレス", "user", "primary user upn", "owner"),
    "platform": ("os", "operating system", "os名", "platform", "device type", "osの種類"),
    "ownership": ("ownership", "owner type", "所有", "所有区分", "所有者の種類"),
    "seen": ("last check-in", "last seen", "last contact", "last sync", "最終通信日時",
             "最終確認日時", "最終接続日時", "最終稼働日時", "更新日時", "最終更新日時",
             "インベントリ収集日時", "資産情報収集日時"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FactRule:
    """How one column answers one rule; any other value is unknown."""

    control_id: ControlID
    headings: tuple[str, ...]
    passing: frozenset[str]
    failing: frozenset[str]

    def judge(self, value: str) -> VerdictKind:
        """Return what a cell says."""
        plain = normal(value)
        if plain in self.passing:
            return VerdictKind.PASS
        return VerdictKind.FAIL if plain in self.failing else VerdictKind.UNKNOWN


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which columns of an export tell what, and how long what they say counts."""

    id: str
    version: int
    title: Localized
    product: str
    source: str
    columns: Mapping[str, tuple[str, ...]]
    values: Mapping[str, Mapping[str, str]]
    facts: tuple[FactRule, ...]
    max_age: timedelta
    rows_at: str = ""
    order: Order = Order.AUTO
    time_zone: str = "Asia/Tokyo"
    yaml: str = field(default="", compare=False)

    @property
    def zone(self) -> ZoneInfo:
        """Return where times without a zone were written."""
        return ZoneInfo(self.time_zone)

    @property
    def digest(self) -> str:
        """Return what names this very text."""
        return hashlib.sha256(self.yaml.encode()).hexdigest()


@lru_cache(maxsize=8192)
def normal(text: str) -> str:
    """Return a heading or a value as it is compared: width, case and spaces do not matter."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@lru_cache(maxsize=1)
def own_mappings() -> Mapping[str, ColumnMapping]:
    """Return the mappings that came with the program, by id; raises CatalogueError."""
    found: dict[str, ColumnMapping] = {}
    sources = []
    for entry in sorted(files("sekisho").joinpath("content/mappings").iterdir(), key=str):
        source = Source(f"mappings/{entry.name}")
        sources.append(source)
        made = read_mapping(entry.read_text("utf-8"), source)
        if made is not None:
            found[made.id] = made
    faults = [fault for source in sources for fault in source.faults]
    if faults:
        raise CatalogueError(faults)
    return found


def read_mapping(text: str, source: Source) -> ColumnMapping | None:
    """Read a mapping; every fault is noted in ``source`` with its line."""
    root = source.parse(text)
    fields = root.fields(_REQUIRED, _OPTIONAL) if root is not None else {}
    if not set(_REQUIRED) <= fields.keys():
        return None
    made_id = fields["id"].text()
    if not _ID.fullmatch(made_id):
        fields["id"].note(msg("An id is lower-case words with hyphens, such as rdp-off."))
    return ColumnMapping(
        id=made_id,
        version=fields["version"].integer(1, 1_000_000) if "version" in fields else 1,
        title=fields["title"].localized(),
        product=fields["product"].text() if "product" in fields else "",
        source=fields["source"].text() if "source" in fields else "",
        columns=_read_columns(fields["columns"]),
        values=_read_values(fields["values"]) if "values" in fields else {},
        facts=tuple(f for f in map(_read_fact, fields["facts"].items()) if f is not None),
        max_age=fields["max_age"].duration(),
        rows_at=fields["rows"].text() if "rows" in fields else "",
        order=fields["dates"].choice(Order) if "dates" in fields else Order.AUTO,
        time_zone=_read_zone(fields["time_zone"]) if "time_zone" in fields else "Asia/Tokyo",
        yaml=text,
    )


def _read_columns(place: Place) -> dict[str, tuple[str, ...]]:
    fields = place.fields((), ROLES)
    if not {"name", "serial", "uuid", "email"} & fields.keys():
        place.note(msg("At least one of name, serial, uuid and email must be named."))
    return {role: _texts(found) for role, found in fields.items()}


def _texts(place: Place) -> tuple[str, ...]:
    if isinstance(place.node, yaml.ScalarNode):
        return (place.text(),)
    return tuple(item.text() for item in place.items())


def _read_values(place: Place) -> dict[str, dict[str, str]]:
    known = {"platform": _PLATFORMS, "ownership": _OWNERSHIP}
    found: dict[str, dict[str, str]] = {}
    for role, entry in place.fields((), known).items():
        found[role] = {}
        for word, values in entry.fields((), known[role]).items():
            for value in _texts(values):
                found[role][normal(value)] = word
    return found


def _read_fact(place: Place) -> FactRule | None:
    fields = place.fields(("control", "column"), ("pass", "fail"))
    if not {"control", "column"} <= fields.keys():
        return None
    passing = frozenset(map(normal, _texts(fields["pass"]))) if "pass" in fields else frozenset()
    failing = frozenset(map(normal, _texts(fields["fail"]))) if "fail" in fields else frozenset()
    if passing & failing or not passing | failing:
        place.note(msg("A value must mean pass or fail, not both, and at least one must be named."))
    headings = _texts(fields["column"])
    return FactRule(ControlID(fields["control"].text()), headings, passing, failing)


def _read_zone(place: Place) -> str:
    name = place.text()
    if name not in available_timezones():
        place.note(msg("“%(got)s” is no time zone such as Asia/Tokyo.", got=name[:60]))
        return "Asia/Tokyo"
    return name


def find_columns(mapping: ColumnMapping, columns: Sequence[str]) -> dict[str, int]:
    """Return which column each role has; the first heading that is there counts."""
    places = _places(columns)
    found = {}
    for role, headings in mapping.columns.items():
        place = next((places[normal(h)] for h in headings if normal(h) in places), None)
        if place is not None:
            found[role] = place
    return found


def find_facts(mapping: ColumnMapping, columns: Sequence[str]) -> list[tuple[FactRule, int]]:
    """Return the rules whose column is there, with its place."""
    places = _places(columns)
    found = []
    for rule in mapping.facts:
        place = next((places[normal(h)] for h in rule.headings if normal(h) in places), None)
        if place is not None:
            found.append((rule, place))
    return found


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Return heading → place; of a heading that stands twice the first counts."""
    return {normal(name): place for place, name in reversed(list(enumerate(columns)))}


def rank_mappings(
    mappings: Mapping[str, ColumnMapping], columns: Sequence[str]
) -> list[ColumnMapping]:
    """Return the mappings that fit these headings, the best first."""

    def fit(mapping: ColumnMapping) -> tuple[int, int]:
        return len(find_facts(mapping, columns)), len(find_columns(mapping, columns))

    return sorted((m for m in mappings.values() if min(fit(m)) > 0), key=fit, reverse=True)


def propose_columns(columns: Sequence[str]) -> dict[str, int]:
    """Guess which column tells what by its heading: exactly first, then by part of it."""
    places = _places(columns)
    found: dict[str, int] = {}
    for role, usual in _USUAL.items():
        exact = next((places[word] for word in usual if word in places), None)
        near = (p for word in usual[:4] for name, p in places.items() if word in name)
        place = exact if exact is not None else next(near, None)
        if place is not None and place not in found.values():
            found[role] = place
    return found


def write_mapping(
    made_id: str, title: str, columns: Mapping[str, str], facts: Sequence[FactRule], *,
    max_age_days: int, time_zone: str, order: Order,
    values: Mapping[str, Mapping[str, Sequence[str]]],
) -> str:  # fmt: skip
    """Write the YAML of a mapping that a person made in the page."""
    text = {
        "id": made_id, "version": 1, "title": {"ja": title, "en": title},
        "time_zone": time_zone, "dates": order.value, "max_age": f"{max_age_days}d",
        "columns": dict(columns),
        "values": {r: {k: list(v) for k, v in by.items() if v} for r, by in values.items() if by},
        "facts": [
            {"control": str(rule.control_id), "column": list(rule.headings),
             "pass": sorted(rule.passing), "fail": sorted(rule.failing)}
            for rule in facts
        ],
    }  # fmt: skip
    return yaml.safe_dump(text, allow_unicode=True, sort_keys=False)
