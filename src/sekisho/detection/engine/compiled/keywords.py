"""Keywords found in the text of many records at once, before any of them is taken apart.

A hit only says that a record is worth the exact way; a miss must be certain. So what a JSON writer
may write differently (escapes) and what casefolding makes of letters outside ASCII count as hits.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate

import hyperscan

from sekisho.detection.engine.compiled.literals import required_texts
from sekisho.detection.model import Glob, Regex, Test, Wildcard

_PLAIN = re.compile(r"[A-Za-z0-9_. :\-(){}=,;@#$%&*+!?|~^\[\]`']+")
_CASELESS = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]+")
_ENOUGH = 2
_FOLD_TO_ASCII = (
    "\u212a\u017f\u0130\u00df\u1e9e\u0149\u01f0\u1e96\u1e97\u1e98\u1e99\u1e9a"
    "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)
_ESCAPED = rb"[^\\](?:\\\\)*\\u(?:0[1-9a-f]|[1-9a-f]|00[2-9a-f])"


def piece_of(test: Test) -> str:
    """Return a text that is in every record with this keyword however it is written, or ""."""
    if isinstance(test, Regex):
        texts: tuple[str, ...] = required_texts(test.pattern)
        texts = texts if len(texts) == 1 else ()
    elif isinstance(test, Glob):
        texts = tuple(part for part in test.parts if not isinstance(part, Wildcard))
    else:
        texts = ()
    found = [run for text in texts for form in (_PLAIN, _CASELESS) for run in form.findall(text)]
    best = max(found, key=len, default="")
    return best.lower() if len(best) >= _ENOUGH else ""


class Keywords:
    """Looks for ``pieces`` (text → the channels it matters in, None: all) in batches of records."""

    def __init__(self, pieces: Mapping[str, frozenset[str] | None]) -> None:
        self._channels = [pieces[piece] for piece in pieces if piece]
        self._blind = pieces.get("", frozenset())
        patterns = [re.escape(piece).encode() for piece in pieces if piece]
        self._scan = _compile(patterns) if patterns else None
        self._ends: list[int] = []

    def blind(self, channel: str) -> bool:
        """Say whether a keyword matters in ``channel`` (lower case) that cannot be looked for."""
        return self._blind is None or channel in self._blind

    def find(self, texts: Sequence[bytes]) -> dict[int, frozenset[str] | None]:
        """Return the records (by place) with a hit, and the channels in which it matters."""
        if self._scan is None or not texts:
            return {}
        hits: list[tuple[int, int]] = []
        database, scratch = self._scan
        database.scan(
            b"\n".join(texts),
            lambda number, _from, to, _flags, _context: hits.append((number, to)),
            scratch=scratch,
        )
        if not hits:
            return {}
        ends = list(accumulate(len(text) + 1 for text in texts))
        found: dict[int, frozenset[str] | None] = {}
        for number, to in hits:
            at = bisect_left(ends, to)
            channels = self._channels[number] if number < len(self._channels) else None
            before = found.get(at, frozenset())
            found[at] = None if channels is None or before is None else before | channels
        return found


def _compile(patterns: list[bytes]) -> tuple[hyperscan.Database, hyperscan.Scratch]:
    patterns = [*patterns, *(letter.encode() for letter in _FOLD_TO_ASCII), _ESCAPED]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=patterns,
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[hyperscan.HS_FLAG_CASELESS] * len(patterns),
    )
    return database, hyperscan.Scratch(database)
