"""Whom and what a Cedar text names: found, and put under other names (pure).

Ids are of one installation, names go everywhere: ``Group::"grp_…"`` in the store is
``Group::"在宅勤務"`` in a file. Only the string of a reference is ever replaced. Strings,
comments and spaces are told apart as in Cedar's own grammar
(https://docs.cedarpolicy.com/policies/syntax-grammar.html); whoever stores a text asks Cedar
itself with ``entities_of`` whether a reference was missed.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sekisho.access.engine.forms import parse_tree
from sekisho.access.engine.terms import quote

KINDS = frozenset({"Unit", "Group", "Role", "Person", "Resource", "Kind"})
"""The types of entities that a text may name, all but the action."""

_TOKEN = re.compile(
    r'(?P<gap>\s+|//[^\r\n]*)|(?P<string>"(?:[^"\\]|\\.)*(?:"|\Z))'
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<colons>::)|(?P<other>.)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-7][0-9A-Fa-f])|u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)
_SHAPE = ["word", "colons", "string"]
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Reference:
    """One ``Kind::"name"`` in a text; the string stands at ``start`` up to ``end``."""

    kind: str
    name: str
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        """Write it as Cedar does."""
        return f'{self.kind}::"{self.name}"'


def find_references(text: str) -> Iterator[Reference]:
    """Yield every reference to something of this organisation, in reading order."""
    last: deque[tuple[str | None, str]] = deque([("", "")] * 4, maxlen=4)
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "gap":
            continue
        last.append((token.lastgroup, token.group()))
        before, word, *reference = last
        shape = [word[0], *(each[0] for each in reference)]
        if shape == _SHAPE and before[0] != "colons" and word[1] in KINDS:
            name = _unescape(token.group()[1:-1])
            yield Reference(word[1], name, token.start(), token.end())


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    """Return what an escape stands for; one that Cedar does not know it refuses itself."""
    short, long, plain = found.groups()
    if plain is not None:
        return _PLAIN.get(plain, plain)
    number = int(short or long, 16)
    return chr(number) if number <= _LAST_CHARACTER else found.group()


def rename(text: str, called: Callable[[Reference], str]) -> str:
    """Return the text with each reference under the name that ``called`` gives it."""
    parts, at = [], 0
    for each in find_references(text):
        name = called(each)
        if name != each.name:
            parts += [text[at : each.start], quote(name)]
            at = each.end
    return "".join([*parts, text[at:]])


def entities_of(text: str) -> frozenset[tuple[str, str]]:
    """Return (type, id) of all entities but actions that Cedar reads in a text.

    Raises ValueError where Cedar cannot read it.
    """
    found = frozenset(_entities(parse_tree(text)))
    return frozenset(each for each in found if each[0] != "Action")


def _entities(tree: object) -> Iterator[tuple[str, str]]:
    if isinstance(tree, Mapping):
        if tree.keys() == {"type", "id"}:
            yield tree["type"], tree["id"]
        for part in tree.values():
            yield from _entities(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _entities(part)
