"""Watching critical settings cheaply, so that a change is reported within seconds.

Each source has a *sign*: a value that is cheap to read and differs after a change (a file's
modification time, the set of listening ports, the firewall's generation number). A sign says only
that tables should be read again; it is never a fact by itself. A sign that cannot be read is the
sign "unreadable", so that becoming unreadable is a change too.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sekisho.agent.netsigns import Sign, read_listening_sign, read_nftables_sign

ReadSign = Callable[[], Sign]

UNREADABLE = "unreadable"
_MAX_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class Source:
    """One watched source: its sign, and the tables whose rows come from it."""

    read_sign: ReadSign
    tables: frozenset[str]


class Damper:
    """Lets a change through at once, and a table that changes again and again ever more rarely.

    The first change passes immediately. One that comes within ``gap`` seconds of the last is held
    back and passes when the gap is over; the gap doubles up to a minute while the noise lasts.
    Nothing is lost: what was held back passes later.
    """

    FIRST_GAP = 5.0
    LONGEST_GAP = 60.0

    def __init__(self) -> None:
        self._passed: dict[str, tuple[float, float]] = {}
        self._held: set[str] = set()

    def filter_changes(self, changed: Iterable[str], now: float) -> frozenset[str]:
        """Return the tables whose change may be looked at now (seconds of any steady clock)."""
        self._held |= set(changed)
        ready = frozenset(table for table in self._held if self._may_pass(table, now))
        for table in ready:
            last, gap = self._passed.get(table, (now - self.LONGEST_GAP * 2, self.FIRST_GAP))
            noisy = now - last < 2 * gap
            wider = min(gap * 2, self.LONGEST_GAP) if noisy else self.FIRST_GAP
            self._passed[table] = (now, wider)
        self._held -= ready
        return ready

    def _may_pass(self, table: str, now: float) -> bool:
        last, gap = self._passed.get(table, (now - self.LONGEST_GAP, self.FIRST_GAP))
        return now - last >= gap


class Watcher:
    """Remembers signs and tells which tables may have changed since the last look."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)
        self._signs = [_look(source) for source in self._sources]

    def find_changes(self) -> frozenset[str]:
        """Return the tables whose sources' signs differ from last time."""
        changed: set[str] = set()
        for number, source in enumerate(self._sources):
            sign = _look(source)
            if sign != self._signs[number]:
                self._signs[number] = sign
                changed |= source.tables
        return frozenset(changed)


def _look(source: Source) -> Sign:
    try:
        return source.read_sign()
    except (OSError, ValueError):
        return UNREADABLE


def read_path_sign(path: Path) -> Sign:
    """Return the sign of a file or folder; "" when it is not there.

    Of a folder also the names and times of what lies in it (at most 2,000 entries).
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return ""
    own = (facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_mode)
    if not path.is_dir():
        return own
    with os.scandir(path) as entries:
        inner = [
            (entry.name, entry.stat().st_mtime_ns)
            for entry, _ in zip(entries, range(_MAX_ENTRIES), strict=False)
        ]
    return (own, tuple(sorted(inner)))


def read_names_sign(path: Path, suffix: str) -> Sign:
    """Return the names in a folder that end with ``suffix``; "" when the folder is not there."""
    try:
        with os.scandir(path) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.name.endswith(suffix)))
    except FileNotFoundError:
        return ""


def read_text_sign(path: Path) -> Sign:
    """Return a small virtual file's text, for files of /proc whose times mean nothing."""
    return path.read_bytes()[: 1 << 20]


def linux_sources(root: Path = Path("/"), home: Path | None = None) -> tuple[Source, ...]:
    """Return what is watched on Linux; ``home`` adds the user's own desktop settings."""
    files = {
        "etc/ssh/sshd_config": "augeas sshd_config",
        "etc/ssh/sshd_config.d": "augeas sshd_config",
        "etc/ufw/ufw.conf": "augeas firewall_state",
        "etc/apt/apt.conf.d": "augeas apt_config",
        "etc/gdm3": "augeas",
        "etc/gdm": "augeas",
        "etc/NetworkManager/system-connections": "augeas",
        "etc/os-release": "os_version",
        "etc/passwd": "users",
        "etc/group": "groups user_groups",
        "run/reboot-required": "file",
        "var/lib/dpkg/status": "deb_packages pending_updates",
        "var/lib/rpm": "rpm_packages",
        "etc/dconf/db": "gsettings screen_lock",
    }
    found = [_file(root / path, tables) for path, tables in files.items()]
    if home is not None:
        found.append(_file(home / ".config/dconf/user", "gsettings screen_lock"))
    proc, slices = root / "proc", root / "sys/fs/cgroup/system.slice"
    return (
        *found,
        _source(lambda: read_listening_sign(proc / "net"), "listening_ports"),
        _source(lambda: read_names_sign(slices, ".service"), "systemd_units"),
        _source(lambda: read_text_sign(proc / "self/mounts"), "mounts disk_encryption"),
        _source(read_nftables_sign, "nftables_chains iptables"),
    )


def macos_sources(root: Path = Path("/"), home: Path | None = None) -> tuple[Source, ...]:
    """Return what is watched on macOS: the property lists behind the settings."""
    files = {
        "Library/Preferences/com.apple.alf.plist": "alf",
        "Library/Preferences/com.apple.loginwindow.plist": "plist",
        "Library/Preferences/com.apple.SoftwareUpdate.plist": "plist",
        "Library/Preferences/com.apple.RemoteManagement.plist": "sharing_preferences",
        "private/var/db/com.apple.xpc.launchd/disabled.plist": "sharing_preferences",
        "Library/Managed Preferences": "managed_policies",
        "Applications": "apps",
        "System/Library/CoreServices/SystemVersion.plist": "os_version",
    }
    found = [_file(root / path, tables) for path, tables in files.items()]
    if home is not None:
        found.append(_file(home / "Library/Preferences/ByHost", "screenlock plist"))
    return tuple(found)


def _file(path: Path, tables: str) -> Source:
    return _source(lambda: read_path_sign(path), tables)


def _source(read_sign: ReadSign, tables: str) -> Source:
    return Source(read_sign, frozenset(tables.split()))


def sources_for(platform: str, home: Path | None) -> tuple[Source, ...]:
    """Return what is watched on ``platform``."""
    if platform == "linux":
        return linux_sources(home=home)
    if platform == "darwin":
        return macos_sources(home=home)
    return windows_sources()


REGISTRY_KEYS: Mapping[str, str] = {
    r"SYSTEM\CurrentControlSet\Control\Terminal Server": "registry",
    r"SOFTWARE\Policies\Microsoft\Windows NT": "registry",
    r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy": (
        "registry windows_security_center windows_firewall_rules"
    ),
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System": (
        "registry windows_security_center"
    ),
    r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon": "registry",
    r"SOFTWARE\Microsoft\Windows Defender": "windows_security_products windows_security_center",
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall": "programs",
}


def windows_sources() -> tuple[Source, ...]:
    """Return what is watched on Windows: registry keys, by notification instead of reading."""
    from sekisho.agent.winwatch import RegistryNotice  # noqa: PLC0415 - Windows only

    return tuple(
        Source(RegistryNotice(key).read_sign, frozenset(tables.split()))
        for key, tables in REGISTRY_KEYS.items()
    )
