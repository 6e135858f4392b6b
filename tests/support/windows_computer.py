"""A recorded Windows computer."""

import json
from pathlib import Path

from sekisho.agent.table import Row, UnreadableError, Where
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.windows import registry, tables
from sekisho.agent.tables.windows.powershell import Answer, parse
from sekisho.agent.tables.windows.registry import Key

RECORDED = Path(__file__).parents[1] / "agent/tables/recorded/windows"


def recorded(name: str) -> list[Answer]:
    return parse((RECORDED / name).read_text("utf-8"))


def recorded_registry() -> registry.Registry:
    """A registry from the recording: keys found without regard to case."""
    raw = json.loads((RECORDED / "registry.json").read_text("utf-8"))
    keys = {}
    for name, entry in raw.items():
        values = tuple(
            (n, kind, bytes.fromhex(data) if kind == 3 else data)
            for n, kind, data in entry.get("values", [])
        )
        keys[name.lower()] = Key(values, tuple(entry.get("subkeys", [])), 1_700_000_000)

    def read(key: str) -> Key | None:
        if "refused" in key:
            raise UnreadableError(f"the registry key {key} could not be read")
        return keys.get(key.lower())

    return read


def read(name: str, where: Where | None = None) -> list[Row]:
    made = {table.name: table for table in tables(Host(), recorded_registry())}
    return list(made[name].rows(where or {}))
