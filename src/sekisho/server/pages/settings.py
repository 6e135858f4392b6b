"""The settings page: what is in force, whether it works, and where to change it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from sekisho import __version__
from sekisho.controls.dated import list_dated
from sekisho.controls.model import Catalogue
from sekisho.evidence import service as evidence
from sekisho.evidence.model import DestinationState
from sekisho.evidence.sources.destinations import own_destination
from sekisho.identity import service as identity
from sekisho.identity.model import PasskeyName
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.kernel.times import say_zone

LANGUAGES = {"ja": "日本語", "en": "English"}
_ARRIVALS = {
    "file": msg("Delivery to the file"), "mail": msg("Delivery by mail"),
    "tsa": msg("Time stamps"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting: name, value, whether it works, a word about it, and a path or an address."""

    name: Text
    value: Text | str
    state: str = ""
    code: bool = False
    note: Text | str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings that belong together."""

    title: Text
    rows: Sequence[SettingRow]


@get("/settings", sync_to_thread=True)
def show_settings(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    catalogue: NamedDependency[Catalogue],
    clock: NamedDependency[Clock],
) -> Page:
    """Show every setting in force. Needs ``settings.read``."""
    principal.require("settings.read")
    present = [name for name in ("localhost", settings.public_name) if name]
    with database.read(principal) as tx:
        names = identity.passkey_names(tx, present)
        places = evidence.get_state(tx).destinations if principal.allows("evidence.read") else ()
        dialect = tx.dialect
    groups = [
        _organisation(settings, clock.now()),
        _reach(settings, names),
        _checkpoints(settings, places),
        _versions(dialect, catalogue),
        _dated(catalogue, clock.now()),
    ]
    return Page(
        "pages/settings.html", {"groups": groups, "file": str(settings.data / "settings.yaml")}
    )


def _dated(catalogue: Catalogue, now: datetime) -> SettingGroup:
    """Say how old the lists are that rules lean on."""
    words = {"pass": msg("fresh"), "unknown": msg("old soon"), "fail": msg("too old")}
    return SettingGroup(msg("Dated lists"), [
        SettingRow(
            msg("%(list)s", list=each.words), words[each.state], state=each.state,
            note=msg("Of %(day)s, counts until %(end)s",
                     day=each.as_of.date().isoformat(), end=each.stale_after.date().isoformat()),
        )
        for each in list_dated(catalogue, now)
    ])  # fmt: skip


def _organisation(settings: Settings, now: datetime) -> SettingGroup:
    return SettingGroup(msg("Organisation"), [
        SettingRow(msg("Name"), settings.organisation or msg("not set"),
                   note=msg("Shown on pages and in kits.")),
        SettingRow(msg("Language"), LANGUAGES[settings.language],
                   note=msg("For visitors who have not chosen one themselves.")),
        _time_zone(settings, now),
    ])  # fmt: skip


def _time_zone(settings: Settings, now: datetime) -> SettingRow:
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    note = msg("Of times on pages. The evidence itself is kept in UTC.")
    if zone is None:
        value: Text | str = msg("This machine's: %(zone)s", zone=say_zone(now, zone))
        return SettingRow(msg("Time zone"), value, note=note)
    return SettingRow(msg("Time zone"), f"{zone.key}, {say_zone(now, zone)}", note=note)


def _reach(settings: Settings, names: Sequence[PasskeyName]) -> SettingGroup:
    public = SettingRow(msg("Public name"), settings.public_name, code=True) if (
        settings.public_name
    ) else SettingRow(
        msg("Public name"), msg("Only this machine"),
        note=msg("Give it one with: sekisho up --public-name NAME"),
    )  # fmt: skip
    return SettingGroup(msg("How others reach this server"), [
        public,
        SettingRow(msg("Certificate"), _certificate(settings)),
        *[_passkeys(name) for name in names],
        SettingRow(msg("Agents and people"), str(settings.public), code=True),
        SettingRow(msg("Logs"), str(settings.intake), code=True),
        SettingRow(msg("Administration"), str(settings.admin), code=True),
    ])  # fmt: skip


def _certificate(settings: Settings) -> Text | str:
    if settings.certificate:
        return settings.certificate
    if settings.acme_directory:
        return msg("By ACME from %(directory)s", directory=settings.acme_directory)
    return msg("By Sekisho's own authority")


def _passkeys(name: PasskeyName) -> SettingRow:
    label = msg("Passkeys for %(name)s", name=name.rp_id)
    if not name.people:
        return SettingRow(label, msg("Nobody has one yet"), "unknown")
    if name.missing:
        return SettingRow(
            label, msg("%(n)s people", n=name.people), "unknown",
            note=msg("Without one: %(names)s", names=", ".join(p.name for p in name.missing)),
        )  # fmt: skip
    return SettingRow(label, msg("Everybody has one"), "pass")


def _checkpoints(settings: Settings, places: Sequence[DestinationState]) -> SettingGroup:
    wanted = (
        (msg("File"), settings.checkpoint_file), (msg("Mail"), settings.checkpoint_mail),
        (msg("Time stamp (RFC 3161)"), settings.checkpoint_tsa),
    )  # fmt: skip
    rows = [SettingRow(name, value or msg("not set"), code=bool(value)) for name, value in wanted]
    if not any(value for _, value in wanted):
        rows.append(SettingRow(
            msg("Copies elsewhere"), msg("None"), "unknown",
            note=msg("Without one, whoever owns this machine could rewrite the evidence."),
        ))  # fmt: skip
    own = own_destination(settings.data)
    outside = [_arrival(place) for place in places if place.destination != own]
    inside = [_kept(place) for place in places if place.destination == own]
    return SettingGroup(msg("Checkpoints of the evidence"), [*rows, *outside, *inside])


def _arrival(place: DestinationState) -> SettingRow:
    kind, _, where = place.destination.partition(":")
    name = _ARRIVALS.get(kind, msg("Delivery"))
    if place.error:
        return SettingRow(
            name, msg("%(n)s waiting", n=place.waiting), "fail", note=place.error, place=where
        )  # fmt: skip
    arrived = place.delivered_seq is not None
    words = msg("Arrived up to record %(n)s", n=place.delivered_seq) if arrived else msg("Not yet")
    return SettingRow(name, words, "pass" if arrived else "unknown", place=where)


def _kept(place: DestinationState) -> SettingRow:
    """Say what the data folder itself holds: no copy elsewhere, so neither fine nor a fault."""
    words = msg("Up to record %(n)s", n=place.delivered_seq or 0)
    where = place.destination.partition(":")[2]
    return SettingRow(msg("On this machine"), words, place=where)


def _versions(dialect: str, catalogue: Catalogue) -> SettingGroup:
    databases = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return SettingGroup(msg("Versions"), [
        SettingRow(msg("Sekisho"), __version__, code=True),
        SettingRow(msg("Python"), sys.version.split()[0], code=True),
        SettingRow(msg("Database"), databases.get(dialect, dialect)),
        SettingRow(msg("Rules"), msg("%(n)s in catalogue %(digest)s",
                   n=len(catalogue.controls), digest=catalogue.digest[:10])),
    ])  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [show_settings]
