"""Reads the ATT&CK table that travels with Sekisho (``content/detection/attack.yaml``)."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from sekisho.detection.engine.attack import AttackTable, Tactic, Technique


@lru_cache(maxsize=1)
def own_attack_table() -> AttackTable:
    """Return the table of this version of Sekisho, read once for each process."""
    text = files("sekisho").joinpath("content/detection/attack.yaml").read_text(encoding="utf-8")
    return read_attack_table(yaml.load(text, Loader=yaml.CSafeLoader))


def read_attack_table(root: Mapping[str, Any]) -> AttackTable:
    """Make the table of its parsed file; a broken file raises KeyError or TypeError."""
    tactics = tuple(Tactic(t["id"], dict(t["name"])) for t in root["tactics"])
    found = (each for tactic in root["tactics"] for each in _techniques(tactic))
    aliases = {str(old): str(new) for old, new in root["aliases"].items()}
    splits = {old: tuple(new) for old, new in root["tactic_aliases"].items()}
    return AttackTable(str(root["version"]), tactics, {t.id: t for t in found}, aliases, splits)


def _techniques(tactic: Mapping[str, Any]) -> Iterator[Technique]:
    for id_, said in tactic["techniques"].items():
        tactics = (tactic["id"], *said.get("also", ()))
        yield Technique(id_, str(said["name"]), tactics)
        for number, name in _parts(said.get("parts", ())):
            yield Technique(f"{id_}.{number}", str(name), tactics)


def _parts(parts: Any) -> Iterator[tuple[str, str]]:
    """Parts are numbered one after the other, unless some numbers are no longer in use."""
    if isinstance(parts, Mapping):
        yield from parts.items()
    else:
        for number, name in enumerate(parts, 1):
            yield f"{number:03}", name
