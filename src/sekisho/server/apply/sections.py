"""Reads what each kind of file lists, from units to notice channels (pure)."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from zoneinfo import available_timezones

import yaml

from sekisho.controls.reading import Place
from sekisho.controls.service.selfchecks import LONGEST_EVERY, LONGEST_OPEN
from sekisho.identity.engine.fields import clean_email, clean_name
from sekisho.identity.model import Role, Strength, UnitKind
from sekisho.kernel.i18n import LANGUAGES, Text, msg
from sekisho.notices.engine.setup import FIELDS_OF_KIND, SECRETS_OF_KIND
from sekisho.notices.model import ChannelKind, Topic
from sekisho.server.apply.model import (
    Kind,
    Mark,
    Value,
    Wanted,
    read_path,
    write_path,
    write_role,
)
from sekisho.server.apply.places import (
    did_you_mean,
    fields_of,
    mark_of,
    read_choice,
    read_clean,
    read_switch,
    read_word,
)
from sekisho.server.apply.policies import read_policies
from sekisho.server.apply.resources import read_resources

_COUNTRY = re.compile(r"[A-Za-z]{2}\Z", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_ROLES = [role.value for role in Role]
LIST_OF: Mapping[Kind, str] = {
    Kind.UNIT: "units",
    Kind.GROUP: "groups",
    Kind.ROLES: "roles",
    Kind.SIGN_IN: "required",
    Kind.SELF_CHECK: "schedules",
    Kind.CHANNEL: "channels",
    Kind.RESOURCE: "resources",
    Kind.POLICY: "policies",
}


def _read_units(place: Place, complete: bool, above: tuple[str, ...] = ()) -> Iterator[Wanted]:
    for item in place.items():
        given = fields_of(item, ("name",), ("kind", "country", "time_zone", "language", "units"))
        if "name" not in given:
            continue
        path = (*above, read_clean(given["name"], clean_name, ""))
        fields: dict[str, Value] = {"name": path[-1], **_unit_words(given)}
        yield Wanted(Kind.UNIT, (write_path(path),), fields, mark_of(item))
        if "units" in given:
            yield from _read_units(given["units"], complete, path)


def _unit_words(given: Mapping[str, Place]) -> dict[str, str]:
    found: dict[str, str] = {}
    if "kind" in given:
        found["kind"] = read_choice(given["kind"], [kind.value for kind in UnitKind])
    if "country" in given:
        found["country"] = _read_country(given["country"])
    if "time_zone" in given:
        found["time_zone"] = read_choice(given["time_zone"], _zones())
    if "language" in given:
        found["language"] = read_choice(given["language"], ["", *LANGUAGES])
    return found


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """Return the known time zones and ""; the standard library reads the disk each time."""
    return frozenset({"", *available_timezones()})


def _read_country(place: Place) -> str:
    word = read_word(place)
    if word and not _COUNTRY.match(word):
        place.note(msg("“%(got)s” is not a country code.", got=word[:40]))
    return word.upper()


def _read_groups(place: Place, complete: bool) -> Iterator[Wanted]:
    for item in place.items():
        given = fields_of(item, ("name",), ("note", "members", "complete"))
        if "name" not in given:
            continue
        fields: dict[str, Value] = {}
        marks: dict[str, Mark] = {}
        if "note" in given:
            fields["note"] = read_word(given["note"])
        if "members" in given:
            marks = dict(_read_addresses(given["members"]))
            fields["members"] = frozenset(marks)
        name = read_clean(given["name"], clean_name, "")
        whole = read_switch(given.get("complete"), default=complete)
        yield Wanted(Kind.GROUP, (name,), fields, mark_of(item), whole, marks)


def _read_addresses(place: Place) -> Iterator[tuple[str, Mark]]:
    for item in place.items():
        address = read_clean(item, clean_email, "")
        if address:
            yield address, mark_of(item)


def _read_roles(place: Place, complete: bool) -> Iterator[Wanted]:
    for item in place.items():
        given = fields_of(item, ("person", "has"), ("complete",))
        if not {"person", "has"} <= given.keys():
            continue
        marks = {role: mark_of(each) for each in given["has"].items() for role in _read_role(each)}
        whole = read_switch(given.get("complete"), default=complete)
        person = read_clean(given["person"], clean_email, "")
        fields: dict[str, Value] = {"roles": frozenset(marks)}
        yield Wanted(Kind.ROLES, (person,), fields, mark_of(item), whole, marks)


def _read_role(place: Place) -> Iterator[str]:
    """Yield the role of ``manager``, or of ``{role: manager, unit: Head office / Sales}``."""
    if isinstance(place.node, yaml.ScalarNode):
        yield read_choice(place, _ROLES)
        return
    given = fields_of(place, ("role", "unit"))
    if {"role", "unit"} <= given.keys():
        role, unit = read_choice(given["role"], _ROLES), _read_path(given["unit"])
        if unit:
            yield write_role(role, unit)


def _read_path(place: Place) -> str:
    return write_path(read_path(place.text()))


def _read_sign_in(place: Place, complete: bool) -> Iterator[Wanted]:
    del complete  # every role has a strength; there is nothing to take away
    for role, value in fields_of(place, (), _ROLES).items():
        strength = read_choice(value, [each.name.lower() for each in Strength])
        yield Wanted(Kind.SIGN_IN, (role,), {"strength": strength}, mark_of(value))


_DAYS = {
    "every_days": (0, LONGEST_EVERY),
    "open_days": (1, LONGEST_OPEN),
    "remind_days": (0, LONGEST_OPEN),
}


def _read_schedules(place: Place, complete: bool) -> Iterator[Wanted]:
    for item in place.items():
        given = fields_of(item, ("check", "to"), (*_DAYS, "first"))
        if not {"check", "to"} <= given.keys():
            continue
        fields: dict[str, Value] = {
            name: str(given[name].integer(*bounds))
            for name, bounds in _DAYS.items()
            if name in given
        }
        if "first" in given:
            fields["first"] = _read_day(given["first"])
        audience, whom = _read_audience(given["to"])
        marks = {whom: mark_of(given["to"])}
        key = (given["check"].text(), audience, whom)
        yield Wanted(Kind.SELF_CHECK, key, fields, mark_of(item), complete, marks)


def _read_day(place: Place) -> str:
    word = place.text()
    try:
        return date.fromisoformat(word).isoformat()
    except ValueError:
        place.note(
            msg("“%(got)s” is no day; something like 2026-12-01 is expected.", got=word[:40])
        )
        return ""


def _read_audience(place: Place) -> tuple[str, str]:
    """Return ``everybody``, or a unit or group with its name."""
    if isinstance(place.node, yaml.ScalarNode):
        return read_choice(place, ["everybody"]), ""
    given = fields_of(place, (), ("unit", "group"))
    if len(given) != 1:
        place.note(msg("Expected everybody, or one of unit: NAME and group: NAME."))
        return "everybody", ""
    [(audience, named)] = given.items()
    if audience == "unit":
        return audience, _read_path(named)
    return audience, read_clean(named, clean_name, "")


def _read_channels(place: Place, complete: bool) -> Iterator[Wanted]:
    del complete  # the topics of a channel are always all of them
    optional = ("setup", "secrets", "topics", "language", "enabled")
    for item in place.items():
        given = fields_of(item, ("name", "kind"), optional)
        if not {"name", "kind"} <= given.keys():
            continue
        word = read_choice(given["kind"], [each.value for each in ChannelKind])
        if word not in set(ChannelKind):
            continue
        kind = ChannelKind(word)
        name = " ".join(read_word(given["name"]).split())
        fields: dict[str, Value] = {"name": name, **_channel_words(given)}
        fields |= _read_setup(given.get("setup"), kind)
        secrets = dict(_read_secrets(given.get("secrets"), kind))
        # There is one way to send mail, whatever it is called.
        key = (word, "" if kind is ChannelKind.MAIL else name)
        yield Wanted(Kind.CHANNEL, key, fields, mark_of(item), True, secrets=secrets)


def _channel_words(given: Mapping[str, Place]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if "topics" in given:
        known = [topic.value for topic in Topic]
        found["topics"] = frozenset(read_choice(each, known) for each in given["topics"].items())
    if "language" in given:
        found["language"] = read_choice(given["language"], LANGUAGES)
    if "enabled" in given:
        found["enabled"] = str(read_switch(given["enabled"])).lower()
    return found


def _read_setup(place: Place | None, kind: ChannelKind) -> dict[str, Value]:
    if place is None:
        return {}
    known, secret = FIELDS_OF_KIND[kind], SECRETS_OF_KIND[kind]
    found: dict[str, Value] = {}
    for name, value in place.entries().items():
        if name in known:
            found[f"setup.{name}"] = read_word(value)
        elif name in secret:
            value.note(_never_in_files(name))
        else:
            hint = did_you_mean(name, known)
            value.note(msg("The key “%(key)s” is not known. %(hint)s", key=name[:60], hint=hint))
    return found


def _never_in_files(name: str) -> Text:
    return msg(
        "“%(name)s” is a secret and never stands in a file; write "
        "secrets: {%(name)s: {environment: VARIABLE}}.",
        name=name,
    )


def _read_secrets(place: Place | None, kind: ChannelKind) -> Iterator[tuple[str, str]]:
    if place is None:
        return
    for name, value in fields_of(place, (), SECRETS_OF_KIND[kind]).items():
        if isinstance(value.node, yaml.ScalarNode):
            value.note(_never_in_files(name))
            continue
        variable = fields_of(value, ("environment",)).get("environment")
        if variable is not None and not _VARIABLE.match(read_word(variable)):
            variable.note(msg("Expected the name of an environment variable."))
        elif variable is not None:
            yield name, read_word(variable)


READERS: Mapping[Kind, Callable[[Place, bool], Iterator[Wanted]]] = {
    Kind.UNIT: _read_units,
    Kind.GROUP: _read_groups,
    Kind.ROLES: _read_roles,
    Kind.SIGN_IN: _read_sign_in,
    Kind.SELF_CHECK: _read_schedules,
    Kind.CHANNEL: _read_channels,
    Kind.RESOURCE: read_resources,
    Kind.POLICY: read_policies,
}
