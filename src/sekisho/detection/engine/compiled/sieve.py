"""One search over the JSON of many records says which rules are worth trying on which of them.

Most records have no text that any rule cannot do without, and are done with here: nothing of them
is taken apart, however many values are in them that were never seen before.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import hyperscan
import msgspec
from ahocorasick_rs import BytesAhoCorasick, Implementation

from sekisho.detection.engine.compiled.pieces import DOTTED
from sekisho.detection.engine.compiled.terms import Piece, SievePlan

Search = Callable[[bytes], list[tuple[int, int]]]
"""From a text to (number of a piece, where it ends), for every place where a piece stands."""

_MOST_WORTHS = 4_096
_PIECES = msgspec.msgpack.Decoder(tuple[Piece, ...])
_DOTTED = re.compile(f"[{DOTTED}]")


class Sieve:
    """Finds the rules that a record may match; ``always`` are tried on every record."""

    def __init__(self, plan: SievePlan) -> None:
        self.always = frozenset(plan.always)
        self._plan = plan
        self._search: Search | None = None
        self._worths: dict[frozenset[int], frozenset[int]] = {}

    @property
    def searches(self) -> bool:
        """Say whether there is anything to look for."""
        return bool(self._plan.rules)

    def find(self, texts: Sequence[bytes]) -> dict[int, frozenset[int]]:
        """Return the rules (by position) to be tried, by the place of the text; no ``always``."""
        if not self._plan.rules:
            return {}
        if self._search is None:
            self._search = make_search(self._plan.pieces, self._plan.database)
        hits = self._search(b"\n".join(texts))
        if not hits:
            return {}
        worths, worth_of = self._worths, self._worth
        found: dict[int, frozenset[int]] = {}
        for at, seen in by_text(hits, texts).items():
            pieces = frozenset(seen)
            worth = worths.get(pieces)
            if worth is None:
                worth = worth_of(pieces)
            if worth:
                found[at] = worth
        return found

    def _worth(self, seen: frozenset[int]) -> frozenset[int]:
        """Return the rules to be tried where the pieces ``seen`` (by number) stand."""
        rules, besides = self._plan.rules, self._plan.besides
        worth = frozenset(
            [
                rule
                for number in seen
                for rule in rules[number]
                if rule not in besides or not seen.isdisjoint(besides[rule])
            ]
        )
        if len(self._worths) >= _MOST_WORTHS:
            self._worths.clear()
        self._worths[seen] = worth
        return worth


def by_text(hits: Sequence[tuple[int, int]], texts: Sequence[bytes]) -> dict[int, list[int]]:
    """Return the numbers of the pieces by the place of the text that they stand in."""
    ends = list(accumulate([len(text) + 1 for text in texts]))
    found: dict[int, list[int]] = {}
    low = high = 0
    add = ends.append
    for number, to in hits:
        if not low < to <= high:  # most hits lie in the text of the one before
            at = bisect_left(ends, to)
            low, high = ends[at - 1] if at else 0, ends[at]
            add = found.setdefault(at, []).append
        add(number)
    return found


def write_whole(fields: Mapping[str, Any]) -> bytes | None:
    """Write an event so that each piece in it can be found; None where that cannot be done."""
    try:
        text = msgspec.json.encode(fields).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        try:
            text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError):
            return None
    if text.isascii():
        return text.encode()
    folded = text.casefold()
    if _DOTTED.search(text):
        # An expression without case takes these for an i, casefolding does not.
        folded += "\n" + _DOTTED.sub("i", text).casefold()
    return folded.encode("utf-8", "surrogatepass")


def build_database(pieces: Sequence[Piece]) -> bytes:
    """Return a search for ``pieces`` that can be kept; b"" if there are none."""
    if not pieces:
        return b""
    plain = not any(piece.name or piece.run for piece in pieces)
    flags = hyperscan.HS_FLAG_CASELESS | (0 if plain else hyperscan.HS_FLAG_DOTALL)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[piece.text.encode() if plain else _expression(piece) for piece in pieces],
        ids=list(range(len(pieces))),
        elements=len(pieces),
        flags=[flags] * len(pieces),
        literal=plain,
    )
    return bytes(hyperscan.dumpb(database))


def _expression(piece: Piece) -> bytes:
    """Return the expression for a piece; a value of several parts counts as one that has it."""
    if piece.run:
        return b"[%b]{%d}" % (piece.text.encode(), piece.run)
    text = re.escape(piece.text).encode()
    if not piece.name:
        return text
    if piece.alone:
        # A number that is written as a fraction or with an exponent may be the same.
        value = b'"?' + text + rb'["\s,}\]]|-?[0-9]+[.e]'
    else:
        value = text if piece.text.startswith('"') else rb'"(?:[^"\\]|\\.)*' + text
    if piece.loose:
        value += b"|-?[0-9]"
    return rb'"%b"\s*:\s*(?:%b|[\[{])' % (re.escape(piece.name).encode(), value)


def make_search(packed: bytes, database: bytes) -> Search:
    """Return the search for packed pieces, that which was kept if there is one.

    Where none was, texts come from ``write_whole``; an automaton is made just now, which finds
    pieces in any field, and loose ones and runs in every text.
    """
    if database:
        try:
            return _kept_search(database)
        except hyperscan.error:  # kept by another machine or version
            return _kept_search(build_database(_PIECES.decode(packed)))
    pieces = _PIECES.decode(packed)
    automaton = BytesAhoCorasick(
        [piece.text.encode() for piece in pieces], implementation=Implementation.ContiguousNFA
    )
    find = automaton.find_matches_as_indexes
    loose = [at for at, piece in enumerate(pieces) if piece.loose or piece.run]

    def search(text: bytes) -> list[tuple[int, int]]:
        # bytes.lower() is about ASCII alone, as the pieces are.
        hits = [(at, to) for at, _, to in find(text.lower(), overlapping=True)]
        if loose:
            ends = accumulate([len(line) + 1 for line in text.split(b"\n")])
            hits += [(at, end - 1) for end in ends for at in loose]
        return hits

    return search


def _kept_search(kept: bytes) -> Search:
    database = hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
    scratch = hyperscan.Scratch(database)
    scan = database.scan

    def search(text: bytes) -> list[tuple[int, int]]:
        hits: list[tuple[int, int]] = []
        add = hits.append

        def hit(number: int, _from: int, to: int, _flags: int, _context: object) -> None:
            add((number, to))

        scan(text, hit, scratch=scratch)
        return hits

    return search
