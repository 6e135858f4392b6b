r"""Values as patterns: wildcards, escapes, placeholders, dashes of Windows, encodings.

Sigma rules specification, "String Wildcard", "Escape Character" and "Placeholders"; modifiers
appendix, "Encoding". A backslash is plain text unless it stands before ``*``, ``?`` or another
backslash; where placeholders are meant (``expand``), also before ``%``.
"""

import base64
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from sekisho.detection.language.faults import LanguageError
from sekisho.detection.model import Wildcard
from sekisho.kernel.i18n import msg

MOST_ALTERNATIVES = 3125
Parts = tuple[str | Wildcard, ...]
_DASHES = "-/–—―"
_FLAG_DASH = re.compile(rf"\B[{_DASHES}]\b")
_PLACEHOLDER = re.compile(r"%[^%\s\\]+%")
_WILD = {"*": Wildcard.MANY, "?": Wildcard.ONE}


@lru_cache(65536)
def read_pattern(text: str) -> Parts:
    """Read wildcards and escapes of one value."""
    if "\\" not in text and "*" not in text and "?" not in text:
        return (text,) if text else ()
    return join_parts(_tokens(text))


def _tokens(text: str) -> Iterator[str | Wildcard]:
    at = 0
    while at < len(text):
        sign = text[at]
        if sign == "\\" and text[at + 1 : at + 2] in ("*", "?", "\\"):
            yield text[at + 1]
            at += 2
            continue
        yield _WILD.get(sign, sign)
        at += 1


def join_parts(tokens: Iterable[str | Wildcard]) -> Parts:
    """Join neighbouring texts, and stars that stand side by side."""
    parts: list[str | Wildcard] = []
    for token in tokens:
        if token == "":
            continue
        last = parts[-1] if parts else None
        if isinstance(token, Wildcard):
            if not (token is Wildcard.MANY and last is Wildcard.MANY):
                parts.append(token)
        elif isinstance(last, str):
            parts[-1] = last + token
        else:
            parts.append(token)
    return tuple(parts)


def expand_placeholders(text: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Put every value of every placeholder in; values may hold wildcards.

    Raises LanguageError for a placeholder without values: it must never match everything.
    """
    choices: list[Sequence[str]] = []
    at = 0
    while at < len(text):
        found = _PLACEHOLDER.match(text, at) if text[at] == "%" else None
        if found is not None:
            choices.append(_values_of(found.group()[1:-1], values))
            at = found.end()
        elif text[at] == "\\" and text[at + 1 : at + 2] == "%":
            choices.append("%")
            at += 2
        else:
            width = 2 if text[at] == "\\" else 1
            choices.append((text[at : at + width],))
            at += width
    return ["".join(chosen) for chosen in _product(choices, text)]


def _values_of(name: str, values: Mapping[str, Sequence[str]]) -> Sequence[str]:
    found = values.get(name)
    if not found:
        raise LanguageError(
            msg("The placeholder “%%%(name)s%%” has no values.", name=name),
            msg("A rule with placeholders runs only where their values are known."),
            msg("Give the values, with --values FILE or beside the rules."),
        )
    return found


def permute_dashes(text: str) -> list[str]:
    """Write each dash or slash that begins a word as each of the five that Windows takes."""
    spots = [found.start() for found in _FLAG_DASH.finditer(text)]
    choices: list[Sequence[str]] = []
    at = 0
    for spot in spots:
        choices += [(text[at:spot],), _DASHES]
        at = spot + 1
    choices.append((text[at:],))
    return ["".join(chosen) for chosen in _product(choices, text)]


def _product(choices: list[Sequence[str]], text: str) -> Iterator[tuple[str, ...]]:
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MOST_ALTERNATIVES:
        raise LanguageError(
            msg("“%(text)s” stands for %(count)s texts.", text=text, count=count),
            msg("One value stands for at most %(most)s.", most=MOST_ALTERNATIVES),
            msg("Write fewer placeholders or dashes in one value."),
        )
    return itertools.product(*choices)


def encode_value(parts: Parts, steps: Sequence[str]) -> list[Parts]:
    """Encode a value as the modifiers say, in their order; raises LanguageError for wildcards."""
    if any(isinstance(part, Wildcard) for part in parts):
        raise LanguageError(
            msg("A value to be encoded has a wildcard."),
            msg("Only plain text can be encoded."),
            msg("Escape it with a backslash if the sign itself is meant."),
        )
    forms = ["".join(str(part) for part in parts).encode()]
    for step in steps:
        forms = [encoded for form in forms for encoded in _ENCODERS[step](form)]
    return [_as_text(form) for form in forms]


def _as_text(form: bytes) -> Parts:
    try:
        text = form.decode()
    except UnicodeDecodeError:
        raise LanguageError(
            msg("The encoded value is no text."),
            msg("UTF-16 of other than ASCII is looked for in Base64 only."),
            msg("Add base64 or base64offset."),
        ) from None
    return (text,) if text else ()


def _wide(form: bytes) -> list[bytes]:
    return [form.decode().encode("utf-16-le")]


def _wide_big(form: bytes) -> list[bytes]:
    return [form.decode().encode("utf-16-be")]


def _wide_marked(form: bytes) -> list[bytes]:
    return [b"\xff\xfe" + form.decode().encode("utf-16-le")]


def _base64(form: bytes) -> list[bytes]:
    return [base64.b64encode(form)]


def _base64_offsets(form: bytes) -> list[bytes]:
    """Encode at each of the three places within a group of three bytes, without foreign signs."""
    found = []
    for offset in range(3):
        encoded = base64.b64encode(b" " * offset + form)
        start = (0, 2, 3)[offset]
        end = (None, -3, -2)[(len(form) + offset) % 3]
        found.append(encoded[start:end])
    return found


_ENCODERS = {
    "wide": _wide,
    "utf16le": _wide,
    "utf16be": _wide_big,
    "utf16": _wide_marked,
    "base64": _base64,
    "base64offset": _base64_offsets,
}
ENCODINGS = frozenset(_ENCODERS)
