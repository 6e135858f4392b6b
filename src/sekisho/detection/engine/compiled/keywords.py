"""Keywords found in the text of many records at once, before any of them is taken apart.

A hit only says that a record is worth the exact way; a miss must be certain, here and in the
sieves of the kinds. So what a JSON writer may write differently (escapes) and letters that become
others by casefolding count as hits too.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import hyperscan

from sekisho.detection.engine.compiled.lines import Lines

_MOST_SEARCHES = 32
_FOLD_TO_ASCII = (
    "\u212a\u017f\u0130\u0131\u00df\u1e9e\u0149\u01f0\u1e96\u1e97\u1e98\u1e99\u1e9a"
    "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)


_Asked = tuple[frozenset[str] | None, bool, bool]
"""The channels asked for (None: all), whether all is ASCII, and whether none of it is escaped."""


class Keywords:
    """Looks for ``pieces`` (text → the channels it matters in, None: all) in batches of records."""

    def __init__(self, pieces: Mapping[str, frozenset[str] | None]) -> None:
        self._pieces = pieces
        self._told = frozenset[str]().union(*(told for told in pieces.values() if told))
        self._searches: dict[_Asked, _Search] = {}

    def find(
        self, lines: Lines, channels: Collection[str | None]
    ) -> dict[int, frozenset[str] | None]:
        """Return the records (by place) with a hit, and the channels in which it matters.

        ``channels`` are those of the records; what matters in no other is not looked for.
        """
        known = [channel.casefold() for channel in channels if channel]
        told = self._told.intersection(known) if len(known) == len(channels) else None
        asked = told, lines.ascii, lines.plain
        search = self._searches.get(asked)
        if search is None:
            if len(self._searches) >= _MOST_SEARCHES:
                asked = None, False, False
            search = self._searches[asked] = self._make(*asked)
        return search.find(lines)

    def _make(self, told: frozenset[str] | None, ascii_: bool, plain: bool) -> "_Search":
        doubts = [] if ascii_ else [letter.encode() for letter in _FOLD_TO_ASCII]
        return _Search(self._among(told), doubts if plain else [*doubts, _escapes()])

    def _among(self, asked: frozenset[str] | None) -> dict[str, frozenset[str] | None]:
        """Return the pieces that matter in these channels."""
        return {
            piece: told
            for piece, told in self._pieces.items()
            if told is None or asked is None or not asked.isdisjoint(told)
        }


class _Search:
    """Looks for all of its pieces in every record, and for what makes a record ``doubtful``."""

    def __init__(
        self, pieces: Mapping[str, frozenset[str] | None], doubtful: Sequence[bytes]
    ) -> None:
        self._channels = list(pieces.values())
        self._scan = _compile([re.escape(piece).encode() for piece in pieces], doubtful)

    def find(self, lines: Lines) -> dict[int, frozenset[str] | None]:
        """Return the records (by place) with a hit, and the channels in which it matters."""
        if self._scan is None:
            return {}
        hits: list[tuple[int, int]] = []
        database, scratch = self._scan
        database.scan(
            lines.whole,
            lambda number, _from, to, _flags, _context: hits.append((number, to)),
            scratch=scratch,
        )
        found: dict[int, frozenset[str] | None] = {}
        for number, to in hits:
            at = lines.at(to)
            channels = self._channels[number] if number < len(self._channels) else None
            before = found.get(at, frozenset())
            found[at] = None if channels is None or before is None else before | channels
        return found


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
