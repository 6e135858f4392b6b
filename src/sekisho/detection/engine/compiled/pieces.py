r"""Texts that stand in a record's JSON whenever a test holds: what a search goes by (pure).

A miss must be certain. So a piece is text that every JSON writer writes alike, runs of printable
ASCII (``\`` and ``"`` escaped), or stands for one letter beyond, as it is or escaped. Records in
which ASCII is written or folded otherwise are told apart elsewhere (``keywords``).
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache

from sekisho.detection.engine.compiled.literals import required_run, required_texts
from sekisho.detection.engine.compiled.ordinary import NAMES, ORDINARY
from sekisho.detection.engine.compiled.terms import IN_SYSTEM, Column, Piece, Term
from sekisho.detection.engine.compiled.usual import USUAL
from sekisho.detection.model import Derivation, Glob, Regex, Test, Wildcard

DOTTED = "\u0130\u0131"
"""The two letters that an expression without case may take for an i, and casefolding does not."""

_RUN = re.compile(r"[ -~\t\n\r]+")
_WORD = re.compile(r"[a-z0-9_.\-]+")
_PLAIN_RUN = re.compile(r"[a-z0-9_. \-]+")
_NUMBER = re.compile(r"[-+]?[0-9]*(?:\.[0-9]*)?(?:e[-+]?[0-9]*)?")
_NO_TEXT = ("true", "false", "none", "null", "-inf", "nan", "infinity")
"""What a value may say in JSON or in Python without being a text."""

_MADE_OF_NUMBERS = frozenset((
    Derivation.INTEGER, Derivation.REGISTRY_OPERATION, Derivation.DIRECTION, Derivation.PROTOCOL,
))  # fmt: skip
_MADE = {
    Derivation.DEVICE_PATH: ("c",),
    Derivation.INTEGRITY: ("untrusted", "low", "medium", "high", "system"),
    Derivation.REGISTRY_PATH: ("hklm", "hku", "currentcontrolset"),
}
_MADE_DETAILS = frozenset("binary data qword (0x)0123456789abcdef")
_QUOTE = '"'
_FIRST_BEYOND, _LAST_CASED = 0x80, 0x1FFFF
"""Letters with case lie between these in Unicode."""

_SHORT = (8.0, 4.0, 1.0, 0.3, 0.1, 0.04)
"""How often a text of so many letters is guessed to stand in a record by chance."""

_RARELY = 0.02
_IN_A_NAME = 400.0
_COMMON = 4.0
_SELDOM = 3.0
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_\-]+")
_RENAMED = IN_SYSTEM | {"Data", "Security"}
"""Names that stand otherwise in a record: those of System, that of data without a name, and what
is taken out before a record without a channel is searched (``bulk``).
"""

_MANY_DIGITS = re.compile(r"[0-9]{4,}")
_LEAST_RUN, _MOST_RUN = 32, 512
"""Shorter runs of letters are too common, longer ones more than a search takes."""

_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,14}")


def pieces_of(term: Term) -> tuple[Piece, ...]:
    """Return pieces one of which is in the JSON of every record where ``term`` holds; () if none.

    Their texts are in lower case and hold in text in any case.
    """
    column, test = term.column, term.test
    if column.other is not None or column.how in _MADE_OF_NUMBERS:
        return ()
    name = _name_of(column)
    if name and (alone := _alone(test)):
        return (Piece(alone, name, alone=True),)
    if name and (digits := _digits_in(test)):
        return (Piece(digits, name, loose=True),)
    return tuple(dict.fromkeys(_within(text, name) for text in _texts_of(column, test)))


def run_of(term: Term) -> tuple[Piece, ...]:
    """Return the run of letters that is in every value where ``term`` holds; () if none is known.

    Digests and other long words are such runs, so it is for fields that seldom hold any.
    """
    if term.column.how is not None or not isinstance(term.test, Regex):
        return ()
    letters, least = required_run(term.test.pattern)
    return (Piece(letters, run=least),) if _LEAST_RUN <= least <= _MOST_RUN else ()


def _name_of(column: Column) -> str:
    """Return the name under which a column's values stand in a record, "" if that is not sure."""
    if column.how is not None or len(column.sources) != 1:
        return ""
    (name,) = column.sources
    return name if _PLAIN_NAME.fullmatch(name) and name not in _RENAMED else ""


def _alone(test: Test) -> str:
    """Return the number or truth that a value has to be, "" if it need not be one."""
    if not isinstance(test, Glob) or len(test.parts) != 1 or isinstance(test.parts[0], Wildcard):
        return ""
    text = test.parts[0].casefold()
    return text if _WHOLE_NUMBER.fullmatch(text) or text in {"true", "false"} else ""


def _digits_in(test: Test) -> str:
    """Return the digits that a text has to hold of which no other piece is known."""
    if not isinstance(test, Glob) or len(test.parts) == 1:
        return ""
    texts = [part for part in test.parts if not isinstance(part, Wildcard)]
    return texts[0] if len(texts) == 1 and _MANY_DIGITS.fullmatch(texts[0]) else ""


def _within(text: str, name: str) -> Piece:
    """Return the piece of a text; where it is common, it is looked for in its own field alone."""
    common = _rarity(text) >= _COMMON or text in _all_usual()
    return Piece(text, name) if name and common else Piece(text)


def _texts_of(column: Column, test: Test) -> tuple[str, ...]:
    if isinstance(test, Glob):
        best, letters = _best(_runs_of_glob(test, column)), _letter_of(test)
        rarer = letters and (not best or sum(map(_rarity, letters)) < _rarity(best))
        return letters if rarer else (best,) if best else ()
    if isinstance(test, Regex):
        found = [_best(_runs(text, column)) for text in required_texts(test.pattern)]
        return tuple(found) if all(found) else ()
    return ()


def _best(pieces: Iterable[str]) -> str:
    return min(pieces, key=_rarity, default="")


def _letter_of(test: Glob) -> tuple[str, ...]:
    """Return every way to write one letter beyond ASCII that the value must hold in some case."""
    texts = [part.casefold() for part in test.parts if not isinstance(part, Wildcard)]
    letter = max(filter(_is_beyond, "".join(texts)), default="")
    forms = dict.fromkeys((letter, *_unfolded().get(letter, ()))) if letter else ()
    return tuple(way for form in forms for way in (form, json.dumps(form)[1:-1]))


def _is_beyond(letter: str) -> bool:
    return not letter.isascii() and not "\ud800" <= letter <= "\udfff"


@lru_cache(maxsize=1)
def _unfolded() -> dict[str, list[str]]:
    """Return for each letter the others that casefolding turns into it, or into more with it."""
    found: dict[str, list[str]] = {}
    for letter in map(chr, range(_FIRST_BEYOND, _LAST_CASED)):
        for folded in letter.casefold():
            if folded != letter:
                found.setdefault(folded, []).append(letter)
    return found


def _runs_of_glob(test: Glob, column: Column) -> list[str]:
    runs: list[str] = []
    last = len(test.parts) - 1
    for at, part in enumerate(test.parts):
        if not isinstance(part, Wildcard):
            runs += _runs(part.casefold(), column, starts=at == 0, ends=at == last)
    return runs


def _runs(text: str, column: Column, *, starts: bool = False, ends: bool = False) -> list[str]:
    if column.how is not None and column.how is not Derivation.SAME:
        # Arguments stand one by one in the record, whatever is between them in the value.
        plain = _WORD if column.how is Derivation.ARGUMENTS else _PLAIN_RUN
        return [run for run in plain.findall(text) if _stays(run, column.how)]
    runs: list[str] = []
    for found in _RUN.finditer(text):
        run = found.group()
        if _may_be_no_text(run):
            continue
        piece = json.dumps(run)[1:-1]
        before = _QUOTE if starts and found.start() == 0 else ""
        after = _QUOTE if ends and found.end() == len(text) else ""
        runs.append(before + piece + after)
    return runs


def _stays(run: str, how: Derivation) -> bool:
    """Say whether a derived value can only have ``run`` out of the record itself."""
    if how is Derivation.REGISTRY_DETAILS and _MADE_DETAILS.issuperset(run):
        return False
    return not _may_be_no_text(run) and not any(run in made for made in _MADE.get(how, ()))


def _may_be_no_text(run: str) -> bool:
    return _NUMBER.fullmatch(run) is not None or any(run in word for word in _NO_TEXT)


@lru_cache(maxsize=1 << 16)
def rarity(piece: Piece) -> float:
    """Guess how many of a thousand ordinary records hold ``piece``; the less the better."""
    if piece.run:
        return _RARELY
    if not piece.name:
        return _rarity(piece.text)
    values = _usual_of(piece.name)
    if not values:
        return _SELDOM if piece.alone else _rarity_in_values(piece.text)
    wanted = f'"{piece.text}"' if piece.alone else piece.text
    return _chance(piece.text) + 1000.0 * sum(wanted in value for value in values) / len(values)


@lru_cache(maxsize=1024)
def _usual_of(name: str) -> list[str]:
    return [json.dumps(value, ensure_ascii=False) for value in USUAL.get(name, ())]


@lru_cache(maxsize=1)
def _all_usual() -> str:
    return "\n".join(value for name in USUAL for value in _usual_of(name))


@lru_cache(maxsize=1 << 16)
def _rarity(text: str) -> float:
    return _rarity_in_values(text) + (_IN_A_NAME if text in _names() else 0.0)


def _rarity_in_values(text: str) -> float:
    ordinary, lines = _ordinary()
    return _chance(text) + 1000.0 * ordinary.count(text) / lines


def _chance(text: str) -> float:
    size = len(text)
    return _SHORT[size - 1] if size <= len(_SHORT) and text.isascii() else _RARELY


@lru_cache(maxsize=1)
def _names() -> str:
    return "".join(f'"{name}"' for name in NAMES.lower().split()).replace("#", " ")


@lru_cache(maxsize=1)
def _ordinary() -> tuple[str, int]:
    lines = ORDINARY.strip().lower().replace("\\", "\\\\").replace(_QUOTE, '\\"').splitlines()
    return "".join(f'"{line}"\n' for line in lines), len(lines)
