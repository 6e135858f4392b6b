"""The form of a policy in a file: read with every mistake at its line, and written again (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.access.model import Trust
from sekisho.access.policies import Effect, PolicyForm
from sekisho.controls.reading import Place
from sekisho.identity.model import Role, Strength
from sekisho.kernel.i18n import msg
from sekisho.server.apply.model import Mark, read_path, write_path
from sekisho.server.apply.places import fields_of, mark_of, read_choice, read_switch, read_word
from sekisho.server.apply.references import Reference

_NAMED = {"units": "Unit", "groups": "Group", "roles": "Role", "resources": "Resource"}
_WORDS = {"networks": "network", "controls": "rule"}
"""What a form asks for by names that are words of a policy, not entities."""
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}\Z", re.ASCII)
_TRUSTS = {trust.word: int(trust) for trust in Trust}
_STRENGTHS = {strength.name.lower(): int(strength) for strength in Strength}
_LAST_MINUTE = 24 * 60
_LONGEST_PROOF = 366 * 24 * 60
_LAST_WEEKDAY = 7


def read_form(place: Place, marks: dict[str, Mark]) -> PolicyForm:
    """Return the form that a file writes, by names; puts where each name stands into ``marks``."""
    given = fields_of(place, (), PolicyForm.__slots__)
    return PolicyForm(**{name: _field(name, each, marks) for name, each in given.items()})


def _field(name: str, place: Place, marks: dict[str, Mark]) -> Any:
    if name in _NAMED:
        return tuple(_names(place, _NAMED[name], marks))
    if name in _WORDS:
        return tuple(_words(place, _WORDS[name], marks))
    return _READERS[name](place)


def _listed(place: Place) -> Iterator[Place]:
    """Yield the entries of a list. An empty one asks for nothing: it would open to everybody."""
    found = list(place.items())
    if not found:
        place.note(msg("Expected at least one; what is not to be asked for is left out."))
    yield from found


def _names(place: Place, kind: str, marks: dict[str, Mark]) -> Iterator[str]:
    for each in _listed(place):
        name = each.text()
        if kind == "Unit":
            name = write_path(read_path(name))
        elif kind == "Role":
            name = read_choice(each, [role.value for role in Role])
        marks.setdefault(str(Reference(kind, name)), mark_of(each))
        yield name


def _words(place: Place, kind: str, marks: dict[str, Mark]) -> Iterator[str]:
    for each in _listed(place):
        word = each.text()
        marks.setdefault(str(Reference(kind, word)), mark_of(each))
        yield word


def _trusts(place: Place) -> tuple[int, ...]:
    return tuple(sorted(_TRUSTS.get(read_choice(each, _TRUSTS), 0) for each in _listed(place)))


def _countries(place: Place) -> tuple[str, ...]:
    return tuple(_country(each) for each in _listed(place))


def _country(place: Place) -> str:
    word = read_word(place).upper()
    if not _COUNTRY.match(word):
        place.note(msg("“%(got)s” is not a country code.", got=word[:40]))
    return word


def _minute(place: Place) -> int:
    """Return the minute of the day of ``09:00``; the last is ``24:00``."""
    got = read_word(place)
    found = _TIME.match(got)
    if found:
        return int(found[1]) * 60 + int(found[2])
    if got != "24:00":
        place.note(msg("“%(got)s” is not a time of day such as 09:00.", got=got[:20]))
    return _LAST_MINUTE


def _until(place: Place) -> int:
    """Return a day, or a day and a time, as seconds (UTC); 0, which sets no end, is refused."""
    got = read_word(place)
    try:
        at = datetime.fromisoformat(got)
        seconds = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        seconds = 0
    if seconds <= 0:
        place.note(msg("“%(got)s” is no day; something like 2026-12-01 is expected.", got=got[:40]))
    return seconds


def _effect(place: Place) -> Effect:
    got = read_choice(place, [each.value for each in Effect])
    return Effect.PERMIT if got == Effect.PERMIT else Effect.FORBID


_READERS: Mapping[str, Any] = {
    "effect": _effect,
    "trusts": _trusts,
    "strength": lambda place: _STRENGTHS.get(read_choice(place, _STRENGTHS), 0),
    "mfa_minutes": lambda place: place.integer(1, _LONGEST_PROOF),
    "countries": _countries,
    "weekdays": lambda place: tuple(each.integer(1, _LAST_WEEKDAY) for each in _listed(place)),
    "begin": _minute,
    "end": _minute,
    "until": _until,
    "needs_grant": read_switch,
}


def form_fields(form: PolicyForm) -> dict[str, Any]:
    """Return a form as its file has it, without what it does not ask for."""
    said: dict[str, Any] = {
        "effect": form.effect.value,
        **{name: list(getattr(form, name)) for name in _NAMED},
        "trusts": _called(form.trusts, _TRUSTS),
        "strength": "".join(_called([form.strength], _STRENGTHS)),
        "mfa_minutes": form.mfa_minutes,
        "controls": list(form.controls),
        "networks": list(form.networks),
        "countries": list(form.countries),
        "weekdays": list(form.weekdays),
        "begin": _clock(form.begin),
        "end": _clock(form.end),
        "until": _day(form.until),
        "needs_grant": form.needs_grant,
    }
    return {name: value for name, value in said.items() if value}


def _called(numbers: Iterable[int], words: Mapping[str, int]) -> list[str]:
    by_number = {number: word for word, number in words.items()}
    return [by_number[number] for number in numbers if number in by_number]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}" if 0 <= minute <= _LAST_MINUTE else ""


def _day(seconds: int) -> str:
    """Write a day, or a day and a time; "" for none and for one that no calendar has."""
    try:
        at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return ""
    written = at.isoformat()
    return written.removesuffix("T00:00:00") if seconds else ""
