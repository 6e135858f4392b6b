"""Writes the present state as the files that ``apply`` reads; secrets stay where they are."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import msg
from sekisho.notices.model import ChannelKind
from sekisho.server.apply.model import (
    FILES,
    Item,
    Kind,
    fold,
    plain,
    read_path,
    read_role,
    write_path,
)
from sekisho.server.apply.policies import Block, can_be_written, write_policy
from sekisho.server.apply.resources import write_resource
from sekisho.server.apply.sections import LIST_OF
from sekisho.server.apply.state import State

_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9]+")


def write_folder(folder: Path, state: State) -> list[str]:
    """Write all files into ``folder``, readable for their owner alone; return their names.

    Raises ConflictError, before anything is written, if one of them exists.
    """
    texts = write_texts(state)
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise ConflictError(
            msg("%(path)s exists already.", path=folder / there[0]),
            hint=msg("Name an empty folder."),
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    return list(texts)


def write_texts(state: State) -> dict[str, str]:
    """Return file name → its text, for every kind."""
    shaped = {
        Kind.UNIT: _units(state),
        Kind.GROUP: [
            {"name": i.key[0], "note": i.fields["note"], "members": plain(i.fields["members"])}
            for i in state.items[Kind.GROUP]
        ],
        Kind.ROLES: _roles(state.items[Kind.ROLES]),
        Kind.SIGN_IN: {i.key[0]: i.fields["strength"] for i in state.items[Kind.SIGN_IN]},
        Kind.SELF_CHECK: [_schedule(i) for i in state.items[Kind.SELF_CHECK]],
        Kind.CHANNEL: _channels(state.items[Kind.CHANNEL]),
        Kind.RESOURCE: [write_resource(i) for i in state.items[Kind.RESOURCE]],
        Kind.POLICY: [write_policy(i) for i in state.items[Kind.POLICY] if can_be_written(i)],
    }
    whole = {FILES[kind]: _write(kind, listed) for kind, listed in shaped.items()}
    own = (item for item in state.items.get(Kind.CONTENT, ()) if item.version)
    return whole | {item.key[0]: item.text for item in own}


def _write(kind: Kind, listed: object) -> str:
    said = {"complete": False, LIST_OF[kind]: listed}
    return yaml.dump(said, Dumper=_Dumper, allow_unicode=True, sort_keys=False)


class _Dumper(yaml.SafeDumper):
    """Writes equal values twice instead of naming them: anchors are not read back."""

    def ignore_aliases(self, data: Any) -> bool:
        """Tell that nothing is ever written as an anchor."""
        del data
        return True


def _block(dumper: yaml.SafeDumper, text: Block) -> yaml.Node:
    """Write a text line by line where YAML reads each of them back as it is."""
    plain = all(c == "\n" or c.isprintable() for c in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|" if plain else '"')


_Dumper.add_representer(Block, _block)


def _units(state: State) -> list[dict[str, Any]]:
    """Return the tree of units, each above those below it."""
    made: dict[str, dict[str, Any]] = {}
    top: list[dict[str, Any]] = []
    for item in sorted(state.units.values(), key=lambda i: (len(read_path(i.key[0])), i.key)):
        node: dict[str, Any] = dict(item.fields)
        made[fold(item.key[0])] = node
        above = _above(item)
        (made[above].setdefault("units", []) if above else top).append(node)
    return top


def _above(item: Item) -> str:
    return fold(write_path(read_path(item.key[0])[:-1]))


def _roles(people: Iterable[Item]) -> list[dict[str, Any]]:
    found = []
    for person in people:
        roles = person.fields["roles"]
        if isinstance(roles, frozenset) and roles:
            found.append({"person": person.key[0], "has": [_role(r) for r in sorted(roles)]})
    return found


def _role(written: str) -> str | dict[str, str]:
    role, unit = read_role(written)
    return {"role": role, "unit": unit} if unit else role


def _schedule(item: Item) -> dict[str, Any]:
    check, audience, whom = item.key
    days = {n: int(str(v)) for n, v in item.fields.items() if n.endswith("_days")}
    return {"check": check, "to": {audience: whom} if whom else audience, **days}


def _channels(items: Iterable[Item]) -> list[dict[str, Any]]:
    taken: set[str] = set()
    return [_channel(item, taken) for item in items]


def _channel(item: Item, taken: set[str]) -> dict[str, Any]:
    fields, prefix = item.fields, "setup."
    setup = {n.removeprefix(prefix): v for n, v in fields.items() if n.startswith(prefix)}
    secrets = {name: {"environment": _variable(item, name, taken)} for name in item.secrets}
    return {
        "name": fields["name"],
        "kind": item.key[0],
        "language": fields["language"],
        "enabled": fields["enabled"] == "true",
        "topics": plain(fields["topics"]),
        **({"setup": setup} if setup else {}),
        **({"secrets": secrets} if secrets else {}),
    }


def _variable(item: Item, secret: str, taken: set[str]) -> str:
    """Return a name for the variable that would hold a secret, such as ``MAIL_PASSWORD``.

    No two secrets get the same, so that one that is set is never given to two channels.
    """
    name = item.key[1] if item.key[0] != ChannelKind.MAIL else ""
    words = "_".join(part for part in (item.key[0], name, secret) if part).upper()
    name, number = _NOT_IN_A_NAME.sub("_", words).strip("_"), 1
    while (found := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    taken.add(found)
    return found
