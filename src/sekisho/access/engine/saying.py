"""Says the values of signals as people read them; pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.access.model import WORDS_OF_TRUST, Trust
from sekisho.identity.model import WORDS_OF_STRENGTH, Strength
from sekisho.kernel.i18n import Text, msg

_MINUTE = 60
DAYS = (
    msg("Mon"), msg("Tue"), msg("Wed"), msg("Thu"), msg("Fri"), msg("Sat"), msg("Sun"),
)  # fmt: skip


def say_value(name: str, value: Any) -> Text:
    """Return the words for the value of a signal (``schema.WORDS_OF_SIGNAL``) in a decision."""
    if isinstance(value, bool):
        return msg("Yes") if value else msg("No")
    try:
        return _SAID[name](value) if name in _SAID else _plain(value)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return _plain(value)  # a record of another time may hold what is not known today


def _plain(value: Any) -> Text:
    if isinstance(value, Mapping):
        value = value.get("__extn", {}).get("arg", "")
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return Text("%(value)s", {"value": str(value) or "—"})


def _age(seconds: int) -> Text:
    if seconds < _MINUTE:
        return msg("less than a minute before")
    return msg("%(n)s minutes before", n=f"{seconds // _MINUTE:,}")


def _strength(value: int) -> Text:
    return WORDS_OF_STRENGTH[Strength(value)] if value else msg("Not signed in any more")


def _time(seconds: int) -> Text:
    return _plain(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))


_DOORS = {"device": msg("With a device's certificate"), "browser": msg("Without a certificate")}
_POSTURES = {
    "fine": msg("All rules are kept"), "fix_by": msg("To be fixed in time"),
    "not_allowed": msg("Not allowed"), "unknown": msg("Not known"),
}  # fmt: skip
_SAID: Mapping[str, Callable[[Any], Text]] = {
    "mfa": _strength,
    "mfa_age": _age,
    "posture_age": _age,
    "trust": lambda value: WORDS_OF_TRUST[Trust(value)],
    "door": lambda value: _DOORS[value],
    "posture": lambda value: _POSTURES[value],
    "weekday": lambda value: DAYS[value - 1],
    "minute": lambda value: _plain(f"{value // _MINUTE:02}:{value % _MINUTE:02}"),
    "now": _time,
}
