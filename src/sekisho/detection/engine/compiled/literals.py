"""The plain texts that an expression cannot be found without, and how long it has to be."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_RARE = frozenset("`^{}+$|<>~;#@[]")
_MOST = 64


def required_texts(pattern: str) -> tuple[str, ...]:
    """Return casefolded texts one of which is in whatever ``pattern`` matches; () if unknown.

    Holds for values in ASCII; outside it a regex's idea of case differs from casefolding.
    """
    parsed = _parse(pattern)
    if parsed is None:
        return ()
    walk = _Walk()
    try:
        walk.sequence(parsed)
    except Exception:  # noqa: BLE001 # as below
        return ()
    return tuple(sorted(walk.finish()))


def least_width(pattern: str) -> int:
    """Return how many characters a text has at least in which ``pattern`` is found; 0 unknown."""
    parsed = _parse(pattern)
    return 0 if parsed is None else int(parsed.getwidth()[0])


def required_run(pattern: str) -> tuple[str, int]:
    """Return letters and digits of which so many in a row are in whatever ``pattern`` matches.

    ("", 0) if none are known. The letters are in lower case and stand for both.
    """
    best = ("", 0)
    for operation, argument in _parse(pattern) or ():
        if not str(operation).endswith("_REPEAT") or len(argument[2]) != 1:
            continue
        least, (kind, members) = argument[0], argument[2][0]
        letters = _letters_of(members) if str(kind) == "IN" else ""
        if letters and least > best[1]:
            best = (letters, int(least))
    return best


def _letters_of(members: Iterable[tuple[Any, Any]]) -> str:
    """Return what a set of single letters holds, "" if it holds others than letters and digits."""
    found: set[str] = set()
    for kind, value in members:
        match str(kind):
            case "LITERAL":
                found.add(chr(value))
            case "RANGE":
                found |= set(map(chr, range(value[0], value[1] + 1)))
            case _:
                return ""
    text = "".join(sorted({letter.lower() for letter in found}))
    return text if text.isascii() and text.isalnum() else ""


def _parse(pattern: str) -> Any:
    """Return what Python makes of an expression, None where that may not be what is meant."""
    if "[:" in pattern:  # a class of RE2 within a set, which Python takes for single letters
        return None
    try:
        # Python has no public parser of expressions. Whatever goes wrong in this one, or is new
        # in it, means that the expression is tested on each value.
        from re import _parser  # type: ignore[attr-defined] # noqa: PLC0415

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _parser.parse(pattern)
    except Exception:  # noqa: BLE001 # any failure leads to the exact way
        return None


@dataclass(slots=True)
class _Walk:
    """Goes along a parsed expression and keeps the best set of texts found."""

    run: str = ""
    best: frozenset[str] = field(default_factory=frozenset)

    def sequence(self, items: Iterable[tuple[Any, Any]]) -> None:
        for operation, argument in items:
            name = str(operation)
            step = getattr(self, f"_{name.lower()}", None)
            if step is None:
                self.offer()
            else:
                step(argument)

    def finish(self) -> frozenset[str]:
        self.offer()
        return self.best

    def offer(self, texts: frozenset[str] | None = None) -> None:
        """Take the texts (or the run that just ended) if they say more than the best so far."""
        if texts is None:
            texts, self.run = frozenset((self.run.casefold(),)), ""
        if all(map(_telling, texts)) and _worth(texts) > _worth(self.best):
            self.best = texts

    def _literal(self, argument: int) -> None:
        self.run += chr(argument)

    def _in(self, argument: list[tuple[Any, Any]]) -> None:
        if any(str(kind) != "LITERAL" for kind, _ in argument):
            self.offer()
            return
        folded = {chr(value).casefold() for _, value in argument}
        if len(folded) == 1:
            self.run += folded.pop()
            return
        before, self.run = self.run.casefold(), ""
        self.offer(frozenset(before + letter for letter in folded))

    def _at(self, argument: object) -> None:
        """Pass a place that takes no character."""

    _assert = _assert_not = _at

    def _subpattern(self, argument: tuple[Any, Any, Any, Any]) -> None:
        self.sequence(argument[3])

    def _atomic_group(self, argument: Any) -> None:
        self.sequence(argument)

    def _repeat(self, argument: tuple[int, int, Any]) -> None:
        if argument[:2] == (1, 1):
            self.sequence(argument[2])
            return
        self.offer()
        if argument[0] >= 1:
            self.sequence(argument[2])
            self.offer()

    _max_repeat = _min_repeat = _possessive_repeat = _repeat

    def _branch(self, argument: tuple[Any, list[Any]]) -> None:
        self.offer()
        union: set[str] = set()
        for alternative in argument[1]:
            walk = _Walk()
            walk.sequence(alternative)
            found = walk.finish()
            if not found:
                return
            union |= found
        if len(union) <= _MOST:
            self.offer(frozenset(union))


def _telling(text: str) -> bool:
    return text.isascii() and (len(text) > 1 or text in _RARE)


def _worth(texts: frozenset[str]) -> float:
    return min(map(len, texts)) - len(texts) / _MOST if texts else 0.0
