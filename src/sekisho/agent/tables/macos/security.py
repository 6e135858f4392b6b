"""The protections of macOS: firewall, Gatekeeper, SIP, sharing, screen lock, policies."""

import re
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import (
    ALF,
    GATEKEEPER,
    MANAGED_POLICIES,
    SCREENLOCK,
    SHARING_PREFERENCES,
    SIP_CONFIG,
)
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos import plists

_FIREWALL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
_STATE = re.compile(r"\(State = (\d)\)")
_SERVICE = re.compile(r'^\s*"([^"]+)" => (\w+)', re.MULTILINE)
_DELAY = re.compile(r"screenLock delay is (\d+) seconds")
_MANAGED = "/Library/Managed Preferences"
_NAT = "/Library/Preferences/SystemConfiguration/com.apple.nat.plist"
_CACHE = "/Library/Preferences/com.apple.AssetCache.plist"
_ARD = "/Library/Application Support/Apple/Remote Desktop/RemoteManagement.launchd"
_SERVICES = {
    "screen_sharing": "com.apple.screensharing",
    "file_sharing": "com.apple.smbd",
    "remote_login": "com.openssh.sshd",
    "remote_apple_events": "com.apple.AEServer",
    "disc_sharing": "com.apple.ODSAgent",
}


def tables(host: Host) -> tuple[Table, ...]:
    """Return the tables over ``host``."""
    return (
        Table("alf", ALF, lambda _: alf(host)),
        Table("gatekeeper", GATEKEEPER, lambda _: gatekeeper(host)),
        Table("sip_config", SIP_CONFIG, lambda _: sip_config(host)),
        Table("sharing_preferences", SHARING_PREFERENCES, lambda _: sharing(host)),
        Table("screenlock", SCREENLOCK, lambda _: screenlock(host)),
        Table("managed_policies", MANAGED_POLICIES, lambda _: managed_policies(host)),
    )


def parse_firewall_state(text: str) -> int:
    """Return 0 (off), 1 (on) or 2 (blocks all) from ``socketfilterfw --getglobalstate``."""
    found = _STATE.search(text)
    if not found:
        raise Unreadable(f"socketfilterfw did not tell its state: {text.strip()[:80]!r}")
    return int(found.group(1))


def alf(host: Host) -> Iterator[Row]:
    """Yield the state of the application firewall (macOS 15 keeps no file of it any more)."""
    state = answer(host.run([_FIREWALL, "--getglobalstate"]), "socketfilterfw")
    stealth = host.run([_FIREWALL, "--getstealthmode"])
    yield {
        "global_state": parse_firewall_state(state),
        "stealth_enabled": parse_switch(stealth.text) if stealth.code == 0 else None,
    }


def parse_switch(text: str) -> int | None:
    """Return 1 or 0 from ``… is on``, ``… enabled``, ``off`` or ``disabled``; else ``None``."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    if words & {"off", "disabled"}:
        return 0
    return 1 if words & {"on", "enabled"} else None


def gatekeeper(host: Host) -> Iterator[Row]:
    """Yield whether Gatekeeper assesses programs (``spctl``; its messages are not localized)."""
    output = host.run(["/usr/sbin/spctl", "--status"])
    text = output.text + output.errors
    if "assessments enabled" not in text and "assessments disabled" not in text:
        raise Unreadable(f"spctl did not tell its state: {text.strip()[:80]!r}")
    yield {"assessments_enabled": int("assessments enabled" in text)}


def sip_config(host: Host) -> Iterator[Row]:
    """Yield whether System Integrity Protection is on; a partial one counts as off."""
    text = answer(host.run(["/usr/bin/csrutil", "status"]), "csrutil")
    found = re.search(r"status: (enabled|disabled|unknown)", text)
    if not found:
        raise Unreadable(f"csrutil did not tell its state: {text.strip()[:80]!r}")
    enabled = int(found.group(1) == "enabled" and "Custom Configuration" not in text)
    yield {"config_flag": "sip", "enabled": enabled, "enabled_nvram": enabled}


def parse_disabled(text: str) -> dict[str, bool]:
    """Return which services of ``launchctl print-disabled`` may run.

    Older systems print ``=> true`` for disabled, newer ones ``=> enabled`` or ``=> disabled``.
    """
    return {name: word in ("enabled", "false") for name, word in _SERVICE.findall(text)}


def sharing(host: Host) -> Iterator[Row]:
    """Yield which kinds of sharing are on. A service launchd has no word of is off by default."""
    text = answer(host.run(["/bin/launchctl", "print-disabled", "system"]), "launchctl")
    if "disabled services" not in text:
        raise Unreadable(f"launchctl did not list services: {text.strip()[:80]!r}")
    enabled = parse_disabled(text)
    nat = (plists.read(host, _NAT) or {}).get("NAT") or {}
    cache = plists.read(host, _CACHE) or {}
    yield {
        **{column: int(enabled.get(name, False)) for column, name in _SERVICES.items()},
        "remote_management": int(host.exists(_ARD)),
        "internet_sharing": int(bool(nat.get("Enabled", 0))),
        "content_caching": int(bool(cache.get("Activated", False))),
    }


def parse_screenlock(text: str) -> Row:
    """Read ``sysadminctl -screenLock status``, which writes to the standard error."""
    if "screenLock is off" in text:
        return {"enabled": 0, "grace_period": -1}
    if "screenLock delay is immediate" in text:
        return {"enabled": 1, "grace_period": 0}
    found = _DELAY.search(text)
    if not found:
        raise Unreadable(f"sysadminctl did not tell the screen lock: {text.strip()[:80]!r}")
    return {"enabled": 1, "grace_period": int(found.group(1))}


def screenlock(host: Host) -> Iterator[Row]:
    """Yield whether and how soon the person's screen asks for the password."""
    if host.is_root:
        raise Unreadable("the screen lock is a person's setting; ask the agent of that person")
    output = host.run(["/usr/sbin/sysadminctl", "-screenLock", "status"])
    yield parse_screenlock(output.text + output.errors)


def managed_policies(host: Host) -> Iterator[Row]:
    """Yield the settings that a profile forces, on the machine and on each person."""
    for name in host.names(_MANAGED):
        if name.endswith(".plist"):
            yield from _domain(host, f"{_MANAGED}/{name}", "")
            continue
        for inner in host.names(f"{_MANAGED}/{name}"):
            if inner.endswith(".plist"):
                yield from _domain(host, f"{_MANAGED}/{name}/{inner}", name)


def _domain(host: Host, path: str, username: str) -> Iterator[Row]:
    domain = path.rpartition("/")[2].removesuffix(".plist")
    for name, value in (plists.read(host, path) or {}).items():
        for way, leaf in plists.leaves(value, ""):
            yield {
                "domain": domain,
                "name": f"{name}/{way}" if way else name,
                "value": plists.shown(leaf),
                "username": username,
                "manual": 0,
            }
