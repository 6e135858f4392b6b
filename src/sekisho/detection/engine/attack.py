"""ATT&CK as data: tactics, techniques and retired ids, and how far a set of rules reaches in it.

Pure: the table is read by ``detection.attack``. Rules of other makers still carry ids of older
versions, so every tag is followed to the id under which the technique lives on.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sekisho.detection.model import Level

_TECHNIQUE = re.compile(r"^attack\.(t\d{4}(?:\.\d{3})?)$", re.IGNORECASE)
_TACTIC = re.compile(r"^attack\.([a-z][a-z_-]+[a-z])$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or, with a dot in its id, a part of one; ``tactics`` are ids."""

    id: str
    name: str
    tactics: tuple[str, ...]

    @property
    def parent(self) -> str:
        """Return the id of the technique of which this is a part; its own if it is none."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Tactic:
    """What an attacker wants to reach; ``name`` by language."""

    id: str
    name: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AttackTable:
    """One version of ATT&CK for Enterprise, and which ids of older ones became which."""

    version: str
    tactics: tuple[Tactic, ...]
    techniques: Mapping[str, Technique]
    aliases: Mapping[str, str]
    tactic_aliases: Mapping[str, tuple[str, ...]]

    def find_technique(self, id: str) -> Technique | None:  # noqa: A002 - ATT&CK's own word
        """Return the technique that this id, of whatever version, means today."""
        wanted = id.upper()
        return self.techniques.get(self.aliases.get(wanted, wanted))

    def resolve_technique(self, id: str) -> str:  # noqa: A002 - ATT&CK's own word
        """Return the id under which this one is known today; what nobody knows stays itself."""
        found = self.find_technique(id)
        return found.id if found else id.upper()

    def find_tactics(self, name: str) -> tuple[str, ...]:
        """Return the ids of the tactics that this name, of whatever version, means today."""
        wanted = name.lower().replace("_", "-")
        if wanted in self.tactic_aliases:
            return self.tactic_aliases[wanted]
        return tuple(t.id for t in self.tactics if t.id == wanted)


@dataclass(frozen=True, slots=True)
class Tagged:
    """What the tags of one rule mean: techniques, tactics, and technique ids nobody knows."""

    techniques: tuple[Technique, ...]
    tactics: tuple[str, ...]
    unknown: tuple[str, ...]


def read_tags(tags: Iterable[str], table: AttackTable) -> Tagged:
    """Follow a rule's ``attack.…`` tags; other tags (groups, software, CVE) are left alone."""
    techniques: dict[str, Technique] = {}
    tactics: dict[str, None] = {}
    unknown: list[str] = []
    for tag in tags:
        if found := _TECHNIQUE.match(tag):
            technique = table.find_technique(found[1])
            if technique is None:
                unknown.append(found[1].upper())
            else:
                techniques[technique.id] = technique
        elif found := _TACTIC.match(tag):
            tactics |= dict.fromkeys(table.find_tactics(found[1]))
    for technique in techniques.values() if not tactics else ():
        tactics |= dict.fromkeys(technique.tactics)
    return Tagged(tuple(techniques.values()), tuple(tactics), tuple(unknown))


@dataclass(frozen=True, slots=True)
class Cell:
    """How many rules look for a technique itself and for its parts; ``worst`` is their level."""

    technique: Technique
    rules: int
    worst: Level | None
    parts: tuple["Cell", ...] = ()

    @property
    def total(self) -> int:
        """Return how many rules look for it or for one of its parts."""
        return self.rules + sum(part.rules for part in self.parts)

    @property
    def covered_parts(self) -> int:
        """Return how many of its parts have a rule."""
        return sum(1 for part in self.parts if part.rules)


@dataclass(frozen=True, slots=True)
class Column:
    """A tactic with its techniques in the order of their ids."""

    tactic: Tactic
    cells: tuple[Cell, ...]

    @property
    def covered(self) -> int:
        """Return how many techniques have a rule, for themselves or for a part."""
        return sum(1 for cell in self.cells if cell.total)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far rules reach: columns of techniques, ids nobody knows and rules that say nothing."""

    version: str
    columns: tuple[Column, ...]
    unknown: Mapping[str, int]
    untagged: int
    rules: int

    @property
    def techniques(self) -> int:
        """Return how many techniques there are, each counted once."""
        return len({cell.technique.id for column in self.columns for cell in column.cells})

    @property
    def covered(self) -> int:
        """Return how many techniques have a rule, each counted once."""
        cells = (cell for column in self.columns for cell in column.cells)
        return len({cell.technique.id for cell in cells if cell.total})


def measure_coverage(rules: Iterable[tuple[Sequence[str], Level]], table: AttackTable) -> Coverage:
    """Count rules (their tags and level in force) under each technique.

    A rule with several techniques counts under each. That a rule exists says that the technique
    is looked for, not that the logs for it arrive.
    """
    counts: Counter[str] = Counter()
    worst: dict[str, Level] = {}
    unknown: Counter[str] = Counter()
    untagged = total = 0
    for tags, level in rules:
        total += 1
        tagged = read_tags(tags, table)
        unknown.update(tagged.unknown)
        untagged += not tagged.techniques
        for technique in tagged.techniques:
            counts[technique.id] += 1
            worst[technique.id] = _worse(worst.get(technique.id), level)
    columns = tuple(_column(tactic, table, counts, worst) for tactic in table.tactics)
    return Coverage(table.version, columns, dict(unknown), untagged, total)


def _worse(one: Level | None, other: Level) -> Level:
    order = list(Level)
    return other if one is None or order.index(other) > order.index(one) else one


def _column(
    tactic: Tactic, table: AttackTable, counts: Counter[str], worst: Mapping[str, Level]
) -> Column:
    here = [t for t in table.techniques.values() if tactic.id in t.tactics]
    parts: dict[str, list[Cell]] = {}
    for technique in here:
        if technique.id != technique.parent:
            cell = Cell(technique, counts[technique.id], worst.get(technique.id))
            parts.setdefault(technique.parent, []).append(cell)
    cells = (
        Cell(t, counts[t.id], worst.get(t.id), tuple(parts.get(t.id, ())))
        for t in here
        if t.id == t.parent
    )
    return Column(tactic, tuple(sorted(cells, key=lambda cell: cell.technique.id)))
