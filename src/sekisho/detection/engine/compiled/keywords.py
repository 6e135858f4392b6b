"""Keywords found in the text of many records at once, before any of them is taken apart.

A hit only says that a record is worth the exact way; a miss must be certain, here and in the
sieves of the kinds. So what a JSON writer may write differently (escapes) and letters that become
others by casefolding count as hits too.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import hyperscan

from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.sieve import by_text

_MOST_CHANNELS = 4096
_FEW = 8
"""Up to so many pieces of a channel cost less among those of all than a search of their own."""

_FOLD_TO_ASCII = (
    "\u212a\u017f\u0130\u0131\u00df\u1e9e\u0149\u01f0\u1e96\u1e97\u1e98\u1e99\u1e9a"
    "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)
Kinds = Mapping[tuple[str | None, int], Sequence[int]]
"""Places of records by channel and event id."""


class Keywords:
    """Looks for ``pieces`` (text → the channels it matters in, None: all) in batches of records.

    All records are searched at once; where a channel has many pieces that matter in no other one
    with few, they are looked for in its records alone.
    """

    def __init__(self, pieces: Mapping[str, frozenset[str] | None]) -> None:
        counts = Counter(chain.from_iterable(told for told in pieces.values() if told))
        few = {channel for channel, count in counts.items() if count <= _FEW}
        self._common = {p: c for p, c in pieces.items() if c is None or not few.isdisjoint(c)}
        self._told = list(self._common.values())
        self._rest = {p: c for p, c in pieces.items() if c and p not in self._common}
        self._whole: dict[tuple[bool, bool], _Search] = {}
        self._by_channel: dict[str | None, _Search | None] = {}

    def find(self, lines: Lines, kinds: Kinds) -> dict[int, frozenset[str] | None]:
        """Return the records (by place) with a hit, and the channels in which it matters."""
        found: dict[int, frozenset[str] | None] = {}
        for number, to in self._of_all(lines).look(lines.whole):
            at = lines.at(to)
            told = self._told[number] if number < len(self._told) else None
            before = found.get(at, frozenset())
            found[at] = None if told is None or before is None else before | told
        for (channel, _), places in kinds.items():
            search = self._of(channel)
            if search is not None:
                texts = [lines[at] for at in places]
                hits = by_text(search.look(b"\n".join(texts)), texts)
                found.update({places[number]: None for number in hits})
        return found

    def _of_all(self, lines: Lines) -> "_Search":
        key = lines.ascii, lines.plain
        if key not in self._whole:
            doubtful = [] if lines.ascii else [letter.encode() for letter in _FOLD_TO_ASCII]
            if not lines.plain:
                doubtful.append(_escapes())
            self._whole[key] = _Search(list(self._common), doubtful)
        return self._whole[key]

    def _of(self, channel: str | None) -> "_Search | None":
        """Return the search for the rest of what matters in a channel; None if nothing does."""
        if channel not in self._by_channel:
            if len(self._by_channel) >= _MOST_CHANNELS:
                self._by_channel.clear()
            folded = channel.casefold() if channel else None
            own = [piece for piece, told in self._rest.items() if folded is None or folded in told]
            self._by_channel[channel] = _Search(own, []) if own else None
        return self._by_channel[channel]


class _Search:
    """Looks for texts in any case of ASCII, and for expressions that make a record doubtful."""

    def __init__(self, pieces: Sequence[str], doubtful: Sequence[bytes]) -> None:
        self._scan = _compile([re.escape(piece).encode() for piece in pieces], doubtful)

    def look(self, text: bytes) -> list[tuple[int, int]]:
        """Return (number, where it ends) for each place where something was found."""
        hits: list[tuple[int, int]] = []
        if self._scan is not None:
            database, scratch = self._scan
            database.scan(
                text,
                lambda number, _from, to, _flags, _context: hits.append((number, to)),
                scratch=scratch,
            )
        return hits


def _escapes() -> bytes:
    """Return an expression for ASCII, and letters that fold to it, written as escapes.

    Line breaks and tabs have short ones of their own; only the long ones count.
    """
    codes = [f"{ord(letter):04x}" for letter in _FOLD_TO_ASCII]
    either = [re.sub("[a-f]", lambda found: f"[{found[0]}{found[0].upper()}]", c) for c in codes]
    return rf"[^\\](?:\\\\)*\\(?:/|u(?:00[2-7]|000[9aAdD]|{'|'.join(either)}))".encode()


def _compile(
    patterns: Sequence[bytes], doubtful: Sequence[bytes]
) -> tuple[hyperscan.Database, hyperscan.Scratch] | None:
    count = len(patterns) + len(doubtful)
    if not count:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[*patterns, *doubtful],
        ids=list(range(count)),
        elements=count,
        # Letters beyond ASCII have no case here, and escapes tell theirs apart.
        flags=[hyperscan.HS_FLAG_CASELESS] * len(patterns) + [0] * len(doubtful),
    )
    return database, hyperscan.Scratch(database)
