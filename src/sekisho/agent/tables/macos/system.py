"""Tables ``os_version``, ``uptime``, ``system_info``, ``secureboot``, ``apps``, ``wifi_status``."""

import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import (
    APPS,
    OS_VERSION,
    SECUREBOOT,
    SOFTWARE_UPDATE,
    SYSTEM_INFO,
    UPTIME,
    WIFI_STATUS,
)
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos import plists
from sekisho.agent.tables.macos.accounts import homes
from sekisho.agent.tables.uptime import boot_age, uptime_rows

_VERSION = "/System/Library/CoreServices/SystemVersion.plist"
_UPDATES = "/Library/Preferences/com.apple.SoftwareUpdate.plist"
_PROFILER_SECONDS = 20.0
_APP_FOLDERS = (
    "/Applications",
    "/Applications/Utilities",
    "/System/Applications",
    "/System/Applications/Utilities",
    "/System/Volumes/Preboot/Cryptexes/App/System/Applications",
)
_APP_KEYS = {
    "bundle_executable": "CFBundleExecutable",
    "bundle_identifier": "CFBundleIdentifier",
    "bundle_name": "CFBundleName",
    "bundle_short_version": "CFBundleShortVersionString",
    "bundle_version": "CFBundleVersion",
    "bundle_package_type": "CFBundlePackageType",
    "development_region": "CFBundleDevelopmentRegion",
    "display_name": "CFBundleDisplayName",
    "info_string": "CFBundleGetInfoString",
    "minimum_system_version": "LSMinimumSystemVersion",
    "category": "LSApplicationCategoryType",
    "copyright": "NSHumanReadableCopyright",
}
_WIFI = {
    "none": "Open",
    "wep": "WEP",
    "dynamic_wep": "Dynamic WEP",
    "wpa_personal": "WPA Personal",
    "wpa_personal_mixed": "WPA Personal Mixed",
    "wpa_enterprise": "WPA Enterprise",
    "wpa_enterprise_mixed": "WPA Enterprise Mixed",
    "wpa2_personal": "WPA2 Personal",
    "wpa2_personal_mixed": "WPA Personal Mixed",
    "wpa2_enterprise": "WPA2 Enterprise",
    "wpa2_enterprise_mixed": "WPA Enterprise Mixed",
    "wpa3_personal": "WPA3 Personal",
    "wpa3_transition": "WPA3 Transition",
    "wpa3_enterprise": "WPA3 Enterprise",
    "owe": "OWE",
    "owe_transition": "OWE Transition",
}
_BOOT_POLICIES = {"full security": 1, "reduced security": 0, "permissive security": 0}


def tables(host: Host, age: Callable[[], int] = boot_age) -> tuple[Table, ...]:
    """Return the tables over ``host``; ``age`` gives the seconds since the boot."""
    return (
        Table("os_version", OS_VERSION, lambda _: os_version(host)),
        Table("uptime", UPTIME, lambda _: uptime_rows(age())),
        Table("system_info", SYSTEM_INFO, lambda _: system_info(host)),
        Table("secureboot", SECUREBOOT, lambda _: secureboot(host)),
        Table("apps", APPS, lambda _: apps(host)),
        Table("wifi_status", WIFI_STATUS, lambda _: wifi_status(host)),
        Table("software_update", SOFTWARE_UPDATE, lambda _: software_update(host)),
    )


def _machine() -> str:
    return "" if sys.platform == "win32" else os.uname().machine


def os_version(host: Host) -> Iterator[Row]:
    """Yield the version of macOS; ``extra`` is the letter of a rapid security response."""
    found = plists.read(host, _VERSION)
    if found is None or not str(found.get("ProductVersion", ""))[:1].isdecimal():
        raise Unreadable(f"{_VERSION} does not tell the version of macOS")
    version = str(found["ProductVersion"])
    major, minor, patch = (*version.split("."), "0", "0")[:3]
    yield {
        "name": found.get("ProductName", "macOS"),
        "version": version,
        "major": int(major),
        "minor": int(minor),
        "patch": int(patch),
        "build": found.get("ProductBuildVersion", ""),
        "platform": "darwin",
        "platform_like": "darwin",
        "codename": "",
        "extra": found.get("ProductVersionExtra", ""),
        "arch": _machine(),
    }


def _profile(host: Host, data_type: str) -> list[dict[str, Any]]:
    """Return one part of ``system_profiler -json`` (keys are not localized)."""
    command = ["/usr/sbin/system_profiler", "-json", data_type]
    text = answer(host.run(command, timeout=_PROFILER_SECONDS), "system_profiler")
    try:
        found = json.loads(text)[data_type]
    except (ValueError, KeyError, TypeError):
        raise Unreadable(f"system_profiler gave no {data_type}: {text[:60]!r}") from None
    return [item for item in found if isinstance(item, dict)]


def system_info(host: Host) -> Iterator[Row]:
    """Yield the computer: name, model, processor, memory, serial number."""
    names = (
        "hw.model",
        "hw.memsize",
        "hw.logicalcpu",
        "hw.physicalcpu",
        "machdep.cpu.brand_string",
    )
    text = answer(host.run(["/usr/sbin/sysctl", *names]), "sysctl")
    facts = dict(line.partition(": ")[::2] for line in text.splitlines())
    hardware = next(iter(_profile(host, "SPHardwareDataType")), {})
    name = answer(host.run(["/bin/hostname"]), "hostname").strip()
    yield {
        "hostname": name,
        "computer_name": name,
        "local_hostname": name.partition(".")[0],
        "uuid": hardware.get("platform_UUID", ""),
        "cpu_type": _machine(),
        "cpu_brand": facts.get("machdep.cpu.brand_string", ""),
        "cpu_physical_cores": facts.get("hw.physicalcpu"),
        "cpu_logical_cores": facts.get("hw.logicalcpu"),
        "physical_memory": facts.get("hw.memsize"),
        "hardware_vendor": "Apple Inc.",
        "hardware_model": facts.get("hw.model", ""),
        "hardware_serial": hardware.get("serial_number", ""),
    }


def secureboot(host: Host) -> Iterator[Row]:
    """Yield the boot policy that the security chip enforces; none on a Mac without one."""
    found = _profile(host, "SPiBridgeDataType")
    if not found:
        return
    policy = str(found[0].get("ibridge_secure_boot", ""))
    if policy.lower() not in _BOOT_POLICIES:
        raise Unreadable(f"system_profiler told a boot policy that is not known: {policy!r}")
    yield {"secure_boot": _BOOT_POLICIES[policy.lower()], "description": policy}


def wifi_status(host: Host) -> Iterator[Row]:
    """Yield how each wireless connection is secured; names of networks are not looked at."""
    for item in _profile(host, "SPAirPortDataType"):
        yield from parse_airport(item)


def parse_airport(item: dict[str, Any]) -> Iterator[Row]:
    """Read the interfaces of ``SPAirPortDataType`` that are connected."""
    prefix = "spairport_security_mode_"
    for interface in item.get("spairport_airport_interfaces", []):
        current = interface.get("spairport_current_network_information")
        if not isinstance(current, dict):
            continue
        mode = str(current.get("spairport_security_mode", ""))
        if not mode.startswith(prefix):
            raise Unreadable("system_profiler does not tell how the wireless network is secured")
        kind = mode.removeprefix(prefix)
        yield {"interface": interface.get("_name", ""), "security_type": _WIFI.get(kind, kind)}


def apps(host: Host) -> Iterator[Row]:
    """Yield the programs in the folders for them, of the machine and of people."""
    folders = [*_APP_FOLDERS, *(f"{home}/Applications" for _, home in homes(host))]
    for folder in folders:
        for name in host.names(folder):
            if name.endswith(".app"):
                yield _app(host, f"{folder}/{name}")


def _app(host: Host, path: str) -> Row:
    row = {"name": path.rpartition("/")[2], "path": path}
    try:
        facts = plists.read(host, f"{path}/Contents/Info.plist") or {}
    except Unreadable:
        return row  # a broken program is still there, under its name
    return {**row, **{column: facts.get(key, "") for column, key in _APP_KEYS.items()}}


def software_update(host: Host) -> Iterator[Row]:
    """Yield how many updates macOS found at its own last search, and when that was."""
    found = plists.read(host, _UPDATES)
    if found is None:
        raise Unreadable(f"{_UPDATES} does not exist: macOS has never searched for updates")
    checked = found.get("LastSuccessfulDate") or found.get("LastFullSuccessfulDate")
    yield {
        "pending_count": found.get("LastUpdatesAvailable"),
        "recommended_count": len(found.get("RecommendedUpdates", [])),
        "checked_at": plists.seconds(checked) if isinstance(checked, dt.datetime) else None,
    }
