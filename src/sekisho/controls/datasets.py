"""Dated lists that checks lean on: end-of-life dates, minimum versions, names of software.

SQL names them as ``{{file.set}}``, which becomes the rows of a ``VALUES`` clause, or as
``{{file.as_of}}``, which becomes the file's date. The same files always give the same SQL.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources.abc import Traversable

from sekisho.controls.model import DataSet
from sekisho.controls.reading import Place, Source
from sekisho.kernel.i18n import msg

OWN_LIST = "organisation"  # what an organisation says of itself; no update knows it better
_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+)\.([a-z0-9_]+)\s*\}\}")
_Cell = str | int | None
_PAIR = 2


@dataclass(frozen=True, slots=True)
class DataFile:
    """One dated list: its sets of rows, and until when a pass may lean on it.

    ``sources`` says for a set, where it does, from what and of which day each row is.
    """

    name: str
    as_of: datetime
    stale_after: datetime | None
    source: str
    sets: Mapping[str, tuple[tuple[_Cell, ...], ...]]
    sources: Mapping[str, tuple[tuple[datetime, str], ...]]

    @property
    def data_set(self) -> DataSet | None:
        """Return what a control has to know of it, ``None`` if it never grows too old."""
        if self.stale_after is None:
            return None
        return DataSet(self.name, self.as_of, self.stale_after)


def read_data_file(name: str, text: str, source: Source) -> DataFile | None:
    """Read one dated list; faults are noted in ``source``."""
    root = source.parse(text)
    if root is None:
        return None
    fields = root.fields(("as_of", "source", "sets"), ("stale_after_days",))
    if not {"as_of", "source", "sets"} <= fields.keys():
        return None
    as_of = _read_date(fields["as_of"])
    days = fields["stale_after_days"].integer(1, 3650) if "stale_after_days" in fields else None
    return DataFile(
        name=name,
        as_of=as_of,
        stale_after=as_of + timedelta(days=days) if days is not None else None,
        source=fields["source"].text(),
        sets={key: _read_set(place) for key, place in fields["sets"].entries().items()},
        sources={key: _read_sources(place) for key, place in fields["sets"].entries().items()},
    )


def read_data_folder(folder: Traversable, faults: list[Source]) -> dict[str, DataFile]:
    """Read every dated list of a folder by name; the sources with their faults are added."""
    found: dict[str, DataFile] = {}
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".yaml"):
            continue
        source = Source(f"data/{entry.name}")
        faults.append(source)
        made = read_data_file(entry.name.removesuffix(".yaml"), entry.read_text("utf-8"), source)
        if made is not None:
            found[made.name] = made
    return found


def render(sql: str, data: Mapping[str, DataFile], place: Place) -> str:
    """Put the rows of the named sets into ``sql``; an unknown name is noted."""

    def replace(found: re.Match[str]) -> str:
        file, name = data.get(found[1]), found[2]
        if file is not None and name == "as_of":
            return _literal(file.as_of.date().isoformat())
        if file is None or name not in file.sets:
            place.note(msg("There is no list “%(name)s”.", name=f"{found[1]}.{name}"))
            return "(NULL)"
        return ",".join(_row(row) for row in file.sets[name])

    return _PLACEHOLDER.sub(replace, sql)


def named_files(sql: str) -> Iterable[str]:
    """Return the names of the data files that ``sql`` leans on, in order."""
    return sorted({found[1] for found in _PLACEHOLDER.finditer(sql)})


def _read_date(place: Place) -> datetime:
    try:
        return datetime.strptime(place.text(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        place.note(msg("Expected a date such as 2026-11-23."))
        return datetime(2000, 1, 1, tzinfo=UTC)


def _read_set(place: Place) -> tuple[tuple[_Cell, ...], ...]:
    fields = place.fields(("columns", "rows"), ("sources",))
    if not {"columns", "rows"} <= fields.keys():
        return ()
    width = len(list(fields["columns"].items()))
    rows = []
    for row in fields["rows"].items():
        cells = tuple(cell.plain() for cell in row.items())
        if len(cells) != width:
            row.note(msg("Expected %(want)s values, got %(got)s.", want=width, got=len(cells)))
        rows.append(cells)
    if not rows:
        fields["rows"].note(msg("The list is empty."))
    return tuple(rows)


def _read_sources(place: Place) -> tuple[tuple[datetime, str], ...]:
    """Read ``[as_of, source]`` for each row of a set, in the order of its rows."""
    fields = place.fields(("columns", "rows"), ("sources",))
    if not {"columns", "rows", "sources"} <= fields.keys():
        return ()
    found = [list(one.items()) for one in fields["sources"].items()]
    want = len(list(fields["rows"].items()))
    wrong = next((len(pair) for pair in found if len(pair) != _PAIR), None)
    if wrong is not None or len(found) != want:
        want, got = (_PAIR, wrong) if wrong is not None else (want, len(found))
        fields["sources"].note(msg("Expected %(want)s values, got %(got)s.", want=want, got=got))
        return ()
    return tuple((_read_date(as_of), source.text()) for as_of, source in found)


def _row(cells: Iterable[_Cell]) -> str:
    return f"({','.join(_literal(cell) for cell in cells)})"


def _literal(cell: _Cell) -> str:
    if cell is None:
        return "NULL"
    return str(cell) if isinstance(cell, int) else "'" + cell.replace("'", "''") + "'"
