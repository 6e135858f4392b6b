"""Tests of one column, put together so that many cost little more than one."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from ahocorasick_rs import AhoCorasick

from sekisho.detection.engine.compiled.literals import least_width, required_texts
from sekisho.detection.engine.reference import value_passes
from sekisho.detection.engine.regexes import compile_regex
from sekisho.detection.engine.values import addresses_in, leaves, network_of, quad_in
from sekisho.detection.model import Glob, InNetwork, Regex, Test, Wildcard

ABSENT = msgspec.UNSET
"""A field that an event does not have, as msgspec's decoders say it."""

_FEW = 8
"""Up to so many texts are looked for one by one; beyond, an automaton is built."""

_OFTEN = 32
"""How often many texts are looked for one by one before the automaton is worth building."""

DEAR, DEAREST = 8, 9
_ONLY_TEXT = frozenset((str,))

Holds = Callable[[Any], bool]
"""Says of an exhibit (see ``trial``) whether something holds there."""


class Part(NamedTuple):
    """A part of a rule; of several, the one of least ``weight`` is asked first."""

    weight: int
    holds: Holds


def passes(tests: Sequence[Test], value: Any) -> bool:
    """Say whether any value at all passes one of ``tests``, as the reference has it."""
    if value is ABSENT:
        return False
    return any(value_passes(test, one) for one in leaves(value) for test in tests)


def joins(test: Test) -> bool:
    """Say whether ``join`` takes a test."""
    return isinstance(test, InNetwork) or (isinstance(test, Glob) and _is_plain(test))


def join(column: int, tests: Sequence[Test]) -> Part:
    """Return the part that holds where one of ``tests`` does."""
    networks = [test for test in tests if isinstance(test, InNetwork)]
    globs = [test for test in tests if isinstance(test, Glob)]
    parts = [_of_globs(column, globs)] if globs else []
    if networks:
        parts.append(Part(DEAR, _in_networks(column, networks)))
    return any_of(parts)


def one_test(column: int, test: Test) -> Part:
    """Return the part for a single test of a value."""
    if joins(test):
        return join(column, (test,))
    if isinstance(test, Regex):
        return Part(DEAREST, _regex(column, test))
    tests = (test,)
    if isinstance(test, Glob) and (found := _in_turn(test)):
        return Part(4, _of_text(column, tests, found))
    return Part(DEAR, lambda event: passes(tests, event.value(column)))


def _in_turn(test: Glob) -> Callable[[str], object] | None:
    """Return the test of a casefolded text for texts with stars between, None for other patterns.

    Each is taken where it first stands; that is right, since a star takes whatever is between.
    """
    texts = [part.casefold() for part in test.parts if isinstance(part, str)]
    if test.cased or not texts or Wildcard.ONE in test.parts:
        return None
    first = "" if test.parts[0] is Wildcard.MANY else texts.pop(0)
    last = "" if test.parts[-1] is Wildcard.MANY else texts.pop()
    least, most = len(first), len(last)

    def found(text: str) -> bool:
        at, end = least, len(text) - most
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for one in texts:
            at = text.find(one, at, end)
            if at < 0:
                return False
            at += len(one)
        return True

    return found


def _regex(column: int, test: Regex) -> Holds:
    found, tests = compile_regex(test.pattern, test.flags).found, (test,)
    least, texts = least_width(test.pattern), required_texts(test.pattern)
    needed = _any_within(texts) if 0 < len(texts) <= _FEW else None

    def holds(event: Any) -> bool:
        value = event.value(column)
        if type(value) is not str:
            return value is not ABSENT and passes(tests, value)
        if len(value) < least:
            return False
        # To look for a text costs a tenth of what the expression does.
        if needed is not None and value.isascii() and not needed(event[column]):
            return False
        return found(value)

    return holds


def _in_networks(column: int, tests: Sequence[InNetwork]) -> Holds:
    """Return the test for several networks: an address is looked up by the length of prefixes."""
    by_mask: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
    for test in tests:
        network = network_of(test.network)
        masks = by_mask[network.version]
        masks.setdefault(int(network.netmask), set()).add(int(network.network_address))

    def holds(event: Any) -> bool:
        value = event.value(column)
        if type(value) is not str:
            return value is not ABSENT and passes(tests, value)
        quad = quad_in(value)
        if quad is not None:
            return _is_within(quad, by_mask[4])
        return any(_is_within(int(one), by_mask[one.version]) for one in addresses_in(value))

    return holds


def _is_within(number: int, by_mask: Mapping[int, Container[int]]) -> bool:
    for mask, networks in by_mask.items():  # noqa: SIM110 # a generator would cost more
        if number & mask in networks:
            return True
    return False


def _is_plain(glob: Glob) -> bool:
    """Say whether a pattern is one text, in any case, with or without stars around it."""
    inner = glob.parts[bool(glob.parts and glob.parts[0] is Wildcard.MANY) :]
    inner = inner[: -1 if inner and inner[-1] is Wildcard.MANY else None]
    return not glob.cased and len(inner) == 1 and isinstance(inner[0], str)


def _of_globs(column: int, tests: Sequence[Glob]) -> Part:
    """Return the test for several plain patterns by what each asks of the casefolded text."""
    whole: set[str] = set()
    starting: list[str] = []
    ending: list[str] = []
    within: list[str] = []
    for test in tests:
        open_start, open_end = test.parts[0] is Wildcard.MANY, test.parts[-1] is Wildcard.MANY
        text = next(part for part in test.parts if isinstance(part, str)).casefold()
        if open_start:
            (within if open_end else ending).append(text)
        elif open_end:
            starting.append(text)
        else:
            whole.add(text)
    if len(within) == len(tests):
        return Part(2, _of_text(column, tests, _any_within(within)))
    if not starting and not ending and not within:
        return Part(0, _of_text(column, tests, frozenset(whole).__contains__))
    starts, ends = tuple(starting), tuple(ending)
    some = _any_within(within) if within else None

    def found(text: str) -> object:
        if text.endswith(ends) or text.startswith(starts) or text in whole:
            return True
        return some is not None and some(text)

    return Part(3 if within else 1, _of_text(column, tests, found))


def _of_text(column: int, tests: Sequence[Test], found: Callable[[str], object]) -> Holds:
    """Return the test that asks ``found`` about the casefolded text of a value."""

    def holds(event: Any) -> bool:
        text = event[column]
        if text is not None:
            return bool(found(text))
        value = event.value(column)
        if type(value) is list and _ONLY_TEXT.issuperset(map(type, value)):
            return any(found(one.casefold()) for one in value)
        return value is not ABSENT and passes(tests, value)

    return holds


def _any_within(texts: Sequence[str]) -> Callable[[str], object]:
    """Return what tells whether one of ``texts`` is in a text."""
    if len(texts) == 1:
        (only,) = texts
        return lambda text: only in text
    if len(texts) > _FEW:
        return _Many(texts)

    def found(text: str) -> bool:
        for one in texts:  # noqa: SIM110 # a generator would cost more than what it goes over
            if one in text:
                return True
        return False

    return found


class _Many:
    """Tells whether one of many texts is in a text.

    Lists of thousands of digests take a tenth of a second to become an automaton, and most hunts
    ask for them once or twice.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts, self._asked = texts, 0
        self._find: Callable[[str], Sequence[object]] | None = None

    def __call__(self, text: str) -> bool:
        """Say whether one of the texts is in ``text``."""
        if self._find is not None:
            return bool(self._find(text))
        self._asked += 1
        if self._asked >= _OFTEN:
            self._find = AhoCorasick(self._texts, store_patterns=False).find_matches_as_indexes
        return any(one in text for one in self._texts)


def all_of(parts: Sequence[Part]) -> Part:
    """Return the part that holds where all of ``parts`` do."""
    if len(parts) == 1:
        return parts[0]
    asked = _in_order(parts)

    def holds(event: Any) -> bool:
        for part in asked:  # noqa: SIM110 # as above
            if not part(event):
                return False
        return True

    return Part(_weigh(parts), holds)


def any_of(parts: Sequence[Part]) -> Part:
    """Return the part that holds where one of ``parts`` does."""
    if len(parts) == 1:
        return parts[0]
    asked = _in_order(parts)

    def holds(event: Any) -> bool:
        for part in asked:  # noqa: SIM110 # as above
            if part(event):
                return True
        return False

    return Part(_weigh(parts), holds)


def none_of(parts: Sequence[Part]) -> Part:
    """Return the part that holds where none of ``parts`` does."""
    found = any_of(parts)
    return Part(found.weight + 3, lambda event: not found.holds(event))


def some_of(parts: Sequence[Part], count: int) -> Part:
    """Return the part that holds where at least so many of ``parts`` do."""
    return Part(_weigh(parts), lambda event: sum(part.holds(event) for part in parts) >= count)


def _in_order(parts: Sequence[Part]) -> tuple[Holds, ...]:
    return tuple(part.holds for part in sorted(parts, key=lambda part: part.weight))


def _weigh(parts: Sequence[Part]) -> int:
    return max((part.weight for part in parts), default=0) + 1
