"""Conditions: and, or, not, brackets, ``1 of x*``, ``all of them``, ``N of x*``.

Sigma rules specification, "Condition": not binds tighter than and, and tighter than or; several
conditions in a list are joined with or. The names of the result are those of selections.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from sekisho.detection.language.faults import LanguageError
from sekisho.detection.language.values import all_of, any_of
from sekisho.detection.model import AtLeast, Named, Node, Not
from sekisho.kernel.i18n import Text, msg

_TOKEN = re.compile(r"[()|]|[^\s()|]+")
MOST_TOKENS = 2000
DEEPEST = 40
_QUANTITIES = frozenset({"all", "any"})


def read_condition(text: object, names: Iterable[str]) -> Node:
    """Read a condition or a list of them over ``names``; raises LanguageError."""
    known = tuple(names)
    listed = [str(one) for one in (text if isinstance(text, list) else [text]) if _is_text(one)]
    if not listed:
        raise _wrong(msg("The condition is empty."))
    return any_of(_Reading(one, known).read() for one in listed)


def _is_text(one: object) -> bool:
    if not isinstance(one, str) or not one.strip():
        raise _wrong(msg("The condition is no text."))
    return True


def _wrong(got: Text, fix: Text | None = None) -> LanguageError:
    expected = msg("A condition joins the names of selections with and, or, not and “1 of x*”.")
    return LanguageError(got, expected) if fix is None else LanguageError(got, expected, fix)


class _Reading:
    """One condition, read from left to right."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.tokens: list[str] = _TOKEN.findall(text)
        self.names = names
        self.at = 0
        self.depth = 0
        if "|" in self.tokens:
            raise _wrong(
                msg("The condition counts with “|”, as Sigma 1 did."),
                msg("Write a correlation rule that counts the matches of this one."),
            )
        if len(self.tokens) > MOST_TOKENS:
            raise _wrong(msg("The condition has more than %(most)s words.", most=MOST_TOKENS))

    def read(self) -> Node:
        node = self._either()
        if self.at < len(self.tokens):
            raise _wrong(msg("“%(word)s” stands where and, or or the end is due.",
                             word=self.tokens[self.at]))  # fmt: skip
        return node

    def _peek(self) -> str:
        return self.tokens[self.at].lower() if self.at < len(self.tokens) else ""

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise _wrong(msg("The condition ends where a name is due."))
        self.at += 1
        return self.tokens[self.at - 1]

    def _joined(self, word: str, part: Callable[[], Node]) -> list[Node]:
        nodes = [part()]
        while self._peek() == word:
            self._next()
            nodes.append(part())
        return nodes

    def _either(self) -> Node:
        return any_of(self._joined("or", self._both))

    def _both(self) -> Node:
        return all_of(self._joined("and", self._one))

    def _one(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _wrong(msg("The condition is nested more than %(most)s deep.", most=DEEPEST))
        try:
            return self._term(self._next())
        finally:
            self.depth -= 1

    def _term(self, word: str) -> Node:
        if word.lower() == "not" and word not in self.names:
            return Not(self._one())
        if word == "(":
            node = self._either()
            if self._peek() != ")":
                raise _wrong(msg("A bracket is not closed."))
            self._next()
            return node
        if self._peek() == "of" and (word.isdecimal() or word.lower() in _QUANTITIES):
            return self._some(word)
        if word not in self.names:
            raise _wrong(msg("There is no selection “%(name)s”.", name=word))
        return Named(word)

    def _some(self, quantity: str) -> Node:
        self._next()
        pattern = self._next()
        found = tuple(Named(name) for name in self._matching(pattern))
        if not found:
            raise _wrong(msg("No selection fits “%(pattern)s”.", pattern=pattern))
        if quantity.lower() == "all":
            return all_of(found)
        count = 1 if quantity.lower() == "any" else int(quantity[:9])
        if not 1 <= count <= len(found):
            raise _wrong(
                msg("“%(count)s of %(pattern)s” is asked, but %(found)s fit.",
                    count=quantity, pattern=pattern, found=len(found))
            )  # fmt: skip
        if count == len(found):
            return all_of(found)
        return any_of(found) if count == 1 else AtLeast(count, found)

    def _matching(self, pattern: str) -> Iterable[str]:
        """``them`` leaves names with an underscore in front out, as the specification says."""
        if pattern.lower() == "them":
            return [name for name in self.names if not name.startswith("_")]
        parts = (re.escape(part) for part in pattern.split("*"))
        fits = re.compile(".*".join(parts))
        return [name for name in self.names if fits.fullmatch(name)]
