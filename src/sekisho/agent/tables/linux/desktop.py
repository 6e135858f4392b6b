"""Tables ``gsettings`` and ``screen_lock`` of Linux: what locks a person's screen, and when.

``screen_lock`` has one row for each person at a desktop. ``locks_within_seconds`` is the longest
time until the screen is locked after the last key, NULL if it never is. A desktop that is not
known here makes the table ``Unreadable``: it may lock by means we do not see.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import GSETTINGS, SCREEN_LOCK
from sekisho.agent.tables.commands import Account
from sekisho.agent.tables.host import Host, people
from sekisho.agent.tables.linux.configuration import parse_sections
from sekisho.agent.tables.patterns import asked_for

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# (schema, key) read by controls; lists all of them so that a query without WHERE is possible too.
SETTINGS = (
    ("org.gnome.desktop.session", "idle-delay"),
    ("org.gnome.desktop.screensaver", "lock-enabled"),
    ("org.gnome.desktop.screensaver", "lock-delay"),
    ("org.gnome.desktop.screensaver", "idle-activation-enabled"),
    ("org.gnome.desktop.lockdown", "disable-lock-screen"),
    ("org.gnome.desktop.media-handling", "automount"),
    ("org.cinnamon.desktop.session", "idle-delay"),
    ("org.cinnamon.desktop.screensaver", "lock-enabled"),
    ("org.cinnamon.desktop.screensaver", "lock-delay"),
    ("org.mate.session", "idle-delay"),
    ("org.mate.screensaver", "idle-activation-enabled"),
    ("org.mate.screensaver", "lock-enabled"),
    ("org.mate.screensaver", "lock-delay"),
)
_PROGRAMS = {
    "gnome-shell": "gnome",
    "cinnamon": "cinnamon",
    "cinnamon-sessio": "cinnamon",  # the kernel keeps 15 characters of a name
    "mate-session": "mate",
    "plasmashell": "kde",
    "xfce4-session": "xfce",
}
_SERVERS = frozenset({"Xorg", "Xwayland", "sway", "Hyprland", "labwc", "weston", "lxqt-session"})
_XFCE_CHANNEL = "xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml"
_XFCE_LOCKER = "xfce4-screensav"  # as the kernel shortens it
_MODULES = ("/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
_NUMBER = re.compile(r"(?:u?int32 )?(\d+)")


def tables(host: Host) -> tuple[Table, ...]:
    """Return both tables over ``host``."""
    return (
        Table("gsettings", GSETTINGS, lambda w: gsettings(host, w), frozenset({"schema", "key"})),
        Table("screen_lock", SCREEN_LOCK, lambda _: screen_lock(host)),
    )


def gsettings(host: Host, where: Where) -> Iterator[Row]:
    """Yield the settings in force for each person (their own, else the system's by dconf)."""
    if not _has_settings(host):
        return
    schemas = [s for s in sorted({s for s, _ in SETTINGS}) if asked_for(where, "schema", s)]
    for account in (person for person in people(host) if person.uid != 0):
        for schema in schemas:
            for key, value in _settings(host, account, schema).items():
                if (schema, key) in SETTINGS:
                    yield {"username": account.name, "schema": schema, "key": key, "value": value}


def _has_settings(host: Host) -> bool:
    """Tell whether settings are kept; without dconf's module only defaults would be shown."""
    if not host.exists("/usr/bin/gsettings"):
        return False
    if not any(host.exists(f"{lib}/gio/modules/libdconfsettings.so") for lib in _MODULES):
        raise Unreadable("gsettings is installed without dconf: it would show defaults as settings")
    return True


def _settings(host: Host, account: Account, schema: str) -> dict[str, str]:
    """Return a schema's keys and values as gsettings prints them; none if it is not installed."""
    output = host.run(["gsettings", "list-recursively", schema], account=account)
    if output.code == 0:
        lines = (line.split(" ", 2) for line in output.text.splitlines())
        return {words[1]: words[2].strip("'") for words in lines if len(words) == 3}  # noqa: PLR2004 - schema, key, value
    if "No such schema" in output.errors:
        return {}
    raise Unreadable(f"gsettings list-recursively {schema}: {output.errors.strip()[:200]}")


def screen_lock(host: Host) -> Iterator[Row]:
    """Yield how soon the screen of each person at a desktop is locked."""
    running = _programs(host)
    for account in people(host):
        names = running.get(account.uid, set())
        desktop = next((d for program, d in _PROGRAMS.items() if program in names), None)
        if desktop is None and names & _SERVERS:
            raise Unreadable(
                f"user {account.uid} has a desktop whose lock is not known to this agent"
            )
        if desktop == "xfce" and _XFCE_LOCKER not in names:
            raise Unreadable("Xfce runs without xfce4-screensaver; what locks it is not known")
        if desktop is not None:
            yield {"uid": account.uid, "desktop": desktop, **_lock(host, account, desktop)}


def _programs(host: Host) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for pid in (name for name in host.names("/proc") if name.isdecimal()):
        try:
            text = host.text(f"/proc/{pid}/status", 65536) or ""
        except Unreadable:
            continue  # it ended while it was read
        name = re.search(r"^Name:\t(.+)$", text, re.MULTILINE)
        uid = re.search(r"^Uid:\t(\d+)", text, re.MULTILINE)
        if name and uid:
            found.setdefault(int(uid.group(1)), set()).add(name.group(1))
    return found


def _lock(host: Host, account: Account, desktop: str) -> Row:
    if desktop == "kde":
        own = host.text(f"{account.home}/.config/kscreenlockerrc") or ""
        return parse_kscreenlocker(own, host.text("/etc/xdg/kscreenlockerrc") or "")
    if desktop == "xfce":
        system = host.text(f"/etc/xdg/{_XFCE_CHANNEL}")
        return parse_xfce(host.text(f"{account.home}/.config/{_XFCE_CHANNEL}"), system)
    if not _has_settings(host):
        raise Unreadable(f"the desktop {desktop} runs, but gsettings is not installed")
    schemas = {schema for schema, _ in SETTINGS if f".{desktop}." in schema}
    values: Settings = {
        (schema, key): value
        for schema in sorted(schemas)
        for key, value in _settings(host, account, schema).items()
    }
    return {"gnome": gnome_lock, "cinnamon": cinnamon_lock, "mate": mate_lock}[desktop](values)


Settings = dict[tuple[str, str], str]
"""(schema, key) -> value as gsettings prints it."""


def gnome_lock(values: Settings) -> Row:
    """Judge GNOME's settings: idle seconds (0 is never), then the delay of the lock."""
    saver = "org.gnome.desktop.screensaver"
    barred = values.get(("org.gnome.desktop.lockdown", "disable-lock-screen")) == "true"
    active = values.get((saver, "idle-activation-enabled"), "true") != "false"
    enabled = values.get((saver, "lock-enabled")) == "true" and active and not barred
    idle = _seconds(values.get(("org.gnome.desktop.session", "idle-delay")))
    return _locking(enabled=enabled, idle=idle, grace=_seconds(values.get((saver, "lock-delay"))))


def cinnamon_lock(values: Settings) -> Row:
    """Judge Cinnamon's settings, which mean the same as GNOME's."""
    saver = "org.cinnamon.desktop.screensaver"
    enabled = values.get((saver, "lock-enabled")) == "true"
    idle = _seconds(values.get(("org.cinnamon.desktop.session", "idle-delay")))
    return _locking(enabled=enabled, idle=idle, grace=_seconds(values.get((saver, "lock-delay"))))


def mate_lock(values: Settings) -> Row:
    """Judge MATE's settings, which count in minutes."""
    saver = "org.mate.screensaver"
    active = values.get((saver, "idle-activation-enabled")) == "true"
    enabled = values.get((saver, "lock-enabled")) == "true" and active
    idle = _seconds(values.get(("org.mate.session", "idle-delay")))
    grace = _seconds(values.get((saver, "lock-delay")))
    return _locking(
        enabled=enabled,
        idle=None if idle is None else idle * 60,
        grace=None if grace is None else grace * 60,
    )


def _seconds(value: str | None) -> int | None:
    found = _NUMBER.fullmatch(value or "")
    return int(found.group(1)) if found else None


def _locking(*, enabled: bool, idle: int | None, grace: int | None) -> Row:
    """Make the row's columns; an idle time that is not known is ``Unreadable``, never a lock."""
    if idle is None:
        raise Unreadable("the desktop does not tell after which idle time it locks")
    within = idle + (grace or 0) if enabled and idle > 0 else None
    return {
        "lock_enabled": int(enabled and idle > 0),
        "idle_seconds": idle,
        "grace_seconds": grace or 0,
        "locks_within_seconds": within,
    }


def parse_kscreenlocker(own: str, system: str = "") -> Row:
    """Judge Plasma's kscreenlockerrc: minutes of idle time, seconds of grace, and its defaults.

    The person's file goes before the system's, unless that one is marked immutable (``[$i]``).
    """
    order = (own, system) if "[$i]" in system else (system, own)
    nodes = {
        way.replace("][$i", ""): value for text in order for way, value in parse_sections(text)
    }
    minutes = nodes.get("Daemon/Timeout", "5")
    grace = nodes.get("Daemon/LockGrace", "5")
    return _locking(
        enabled=nodes.get("Daemon/Autolock", "true") == "true",
        idle=int(minutes) * 60 if minutes.isdecimal() else None,
        grace=int(grace) if grace.isdecimal() else None,
    )


def parse_xfce(own: str | None, system: str | None = None) -> Row:
    """Judge xfce4-screensaver's channel; its defaults lock after 5 minutes of idle time."""
    values: dict[str, str] = {}
    for text in (system, own):
        values.update(_channel(text) if text else {})
    on = all(
        values.get(key, "true") == "true"
        for key in ("/saver/enabled", "/lock/enabled", "/saver/idle-activation/enabled")
    )
    locks = values.get("/lock/saver-activation/enabled", "true") == "true"
    idle = _seconds(values.get("/saver/idle-activation/delay", "5"))
    grace = _seconds(values.get("/lock/saver-activation/delay", "0"))
    return _locking(
        enabled=on and locks,
        idle=None if idle is None else idle * 60,
        grace=None if grace is None else grace * 60,
    )


def _channel(text: str) -> dict[str, str]:
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - weighs a megabyte, and only Xfce needs it

    try:
        root = ET.fromstring(text)  # noqa: S314 - a settings file; expat bounds its entities
    except ET.ParseError as error:
        raise Unreadable(f"xfce4-screensaver.xml is broken: {error}") from None
    return dict(_properties(root, ""))


def _properties(element: "Element", base: str) -> Iterator[tuple[str, str]]:
    for child in element.findall("property"):
        path = f"{base}/{child.get('name', '')}"
        if child.get("value") is not None:
            yield path, child.get("value", "")
        yield from _properties(child, path)
