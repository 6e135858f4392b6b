"""Windows events as XML: exports of wevtutil and Get-WinEvent, under ``<Events>`` or bare.

Read piece by piece with expat. Definitions of entities are refused, so nothing can be made to
grow and nothing outside the file is opened. Each ``<Event>`` becomes a value in the shape of the
EVTX readers.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from sekisho.detection.sources.lines import TooLong

_BLOCK = 256 * 1024
_OPEN = re.compile(r"<(?:\w+:)?Event(?=[\s>])")
_CLOSE = re.compile(r"</(?:\w+:)?Event\s*>")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class BadXml(str):
    """Why one event could not be read."""

    __slots__ = ()


def read_events(
    stream: BinaryIO, encoding: str, longest: int
) -> Iterator[dict[str, Any] | BadXml | TooLong]:
    """Yield every ``<Event>`` in order; each is parsed by itself, so one bad one harms no other."""
    for text in _cut(stream, encoding, longest):
        yield text if isinstance(text, TooLong) else parse_event(text)


def _cut(stream: BinaryIO, encoding: str, longest: int) -> Iterator[str | TooLong]:
    """Cut the stream into the texts of its events."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text, ended = "", False
    while not ended:
        block = stream.read(_BLOCK)
        ended = not block
        text += decoder.decode(block, final=ended)
        at = 0
        start = _OPEN.search(text)
        while start and (end := _CLOSE.search(text, start.end())):
            yield text[start.start() : end.end()]
            at = end.end()
            start = _OPEN.search(text, at)
        if start is None:
            text = text[max(at, len(text) - 64) :]  # an opening tag may be cut in the middle
        elif len(text) - start.start() > longest:
            yield TooLong(len(text) - start.start())
            text = text[-64:]
        elif ended:
            yield text[start.start() :]
        else:
            text = text[start.start() :]


def parse_event(text: str) -> dict[str, Any] | BadXml:
    """Return one ``<Event>`` in the EVTX shape, or why it is no XML."""
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.words
    parser.EntityDeclHandler = _refuse
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(_ILLEGAL.sub("\ufffd", text), True)
    except (expat.ExpatError, RecursionError, _RefusedError) as error:
        return BadXml(str(error))
    return {"Event": builder.root}


class _RefusedError(Exception):
    """The text defines entities or a document type."""


def _refuse(*_: object) -> None:
    raise _RefusedError("document type definitions are refused")


_DEEPEST = 64


class _Builder:
    """Builds nested mappings: text, children by name, attributes under ``#attributes``."""

    def __init__(self) -> None:
        self.root: Any = {}
        self._stack: list[tuple[str, dict[str, str], dict[str, Any], list[str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        if len(self._stack) > _DEEPEST:
            raise _RefusedError("elements lie too deep")
        self._stack.append((name.rpartition(":")[2], attributes, {}, []))

    def words(self, text: str) -> None:
        """Take text in."""
        if self._stack:
            self._stack[-1][3].append(text)

    def end(self, _: str) -> None:
        """Close the element and put it into the one around it."""
        name, attributes, children, words = self._stack.pop()
        value = _shape(name, attributes, children, "".join(words))
        if not self._stack:
            self.root = value
            return
        around_name, _attributes, siblings, _words = self._stack[-1]
        if name == "Data" and "Name" in attributes and around_name == "EventData":
            siblings[attributes["Name"]] = value
        else:
            _add(siblings, name, value)


def _shape(name: str, attributes: dict[str, str], children: dict[str, Any], words: str) -> Any:
    kept = {n: v for n, v in attributes.items() if n != "xmlns" and not n.startswith("xmlns:")}
    if name == "Data":
        return words
    if children:
        return {"#attributes": kept, **children} if kept else children
    text = words.strip()
    if kept:
        return {"#attributes": kept, "#text": text} if text else {"#attributes": kept}
    return text


def _add(siblings: dict[str, Any], name: str, value: Any) -> None:
    """Put a child in; several of one name become a list."""
    if name not in siblings:
        siblings[name] = value
    elif isinstance(siblings[name], list):
        siblings[name].append(value)
    else:
        siblings[name] = [siblings[name], value]
