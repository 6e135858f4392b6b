"""Tables ``os_version``, ``uptime``, ``system_info`` and ``secureboot`` of Linux."""

import os
import re
import socket
from collections.abc import Iterator, Mapping

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import OS_VERSION, SECUREBOOT, SYSTEM_INFO, UPTIME
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.uptime import uptime_rows

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_EFI = "/sys/firmware/efi"
_GLOBAL_VARIABLES = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # UEFI 2.10, section 3.3
_EFI_HEADER = 4  # bytes of attributes before the value in efivarfs


def tables(host: Host) -> tuple[Table, ...]:
    """Return the four tables over ``host``."""
    return (
        Table("os_version", OS_VERSION, lambda _: os_version(host)),
        Table("uptime", UPTIME, lambda _: uptime(host)),
        Table("system_info", SYSTEM_INFO, lambda _: system_info(host)),
        Table("secureboot", SECUREBOOT, lambda _: secureboot(host)),
    )


def parse_assignments(text: str) -> dict[str, str]:
    """Read shell-like ``KEY="value"`` lines (os-release, ufw.conf); comments are left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            found[key.strip()] = value.strip().strip("\"'")
    return found


def parse_os_release(text: str) -> Row:
    """Make the row of ``os_version`` from os-release(5).

    The numbers come from ``VERSION`` where it has any, as in osquery (Ubuntu's point release
    stands there alone), else from ``VERSION_ID``.
    """
    release = parse_assignments(text)
    numbers = _VERSION.search(release.get("VERSION", "")) or _VERSION.search(
        release.get("VERSION_ID", "")
    )
    major, minor, patch = numbers.groups(default="0") if numbers else ("0", "0", "0")
    return {
        "name": release.get("NAME", ""),
        "version": release.get("VERSION", release.get("VERSION_ID", "")),
        "major": int(major),
        "minor": int(minor),
        "patch": int(patch),
        "build": release.get("BUILD_ID", ""),
        "platform": release.get("ID", "linux"),
        "platform_like": release.get("ID_LIKE", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "extra": release.get("VARIANT_ID", ""),
    }


def os_version(host: Host) -> Iterator[Row]:
    """Yield the one row of ``os_version``."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        text = host.text(path)
        if text is not None:
            yield {**parse_os_release(text), "arch": os.uname().machine}
            return
    raise Unreadable("neither /etc/os-release nor /usr/lib/os-release exists")


def uptime(host: Host) -> Iterator[Row]:
    """Yield the one row of ``uptime`` from ``/proc/uptime``."""
    words = (host.text("/proc/uptime") or "").split()
    try:
        total = int(float(words[0]))
    except (IndexError, ValueError, OverflowError):
        raise Unreadable("/proc/uptime does not hold a number of seconds") from None
    yield from uptime_rows(total)


def parse_cpuinfo(text: str) -> Row:
    """Make the processor columns of ``system_info`` from ``/proc/cpuinfo``."""
    logical = 0
    packages: set[str] = set()
    cores: set[tuple[str, str]] = set()
    facts: dict[str, str] = {}
    package = ""
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        facts.setdefault(key, value)
        logical += key == "processor"
        if key == "physical id":
            package = value
            packages.add(value)
        elif key == "core id":
            cores.add((package, value))
    return {
        "cpu_brand": facts.get("model name", ""),
        "cpu_subtype": facts.get("model", ""),
        "cpu_microcode": facts.get("microcode", ""),
        "cpu_logical_cores": logical,
        "cpu_physical_cores": len(cores) or logical,
        "cpu_sockets": len(packages) or 1,
    }


def parse_memory(text: str) -> int:
    """Return the memory of the machine in bytes from ``/proc/meminfo``; 0 if it does not say."""
    found = re.search(r"^MemTotal:\s*(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def system_info(host: Host) -> Iterator[Row]:
    """Yield the one row of ``system_info``; serial numbers are empty without root."""
    name = socket.gethostname()
    yield {
        **parse_cpuinfo(host.text("/proc/cpuinfo") or ""),
        **_firmware(host),
        "hostname": name,
        "computer_name": name,
        "local_hostname": name,
        "uuid": _identity(host, "product_uuid").lower(),
        "cpu_type": os.uname().machine,
        "physical_memory": parse_memory(host.text("/proc/meminfo") or ""),
    }


def _firmware(host: Host) -> Mapping[str, str]:
    wanted = {
        "hardware_vendor": "sys_vendor",
        "hardware_model": "product_name",
        "hardware_version": "product_version",
        "hardware_serial": "product_serial",
        "board_vendor": "board_vendor",
        "board_model": "board_name",
        "board_version": "board_version",
        "board_serial": "board_serial",
    }
    return {column: _identity(host, name) for column, name in wanted.items()}


def _identity(host: Host, name: str) -> str:
    """Return a DMI field; empty where it is missing or, without root, refused."""
    try:
        return (host.text(f"/sys/class/dmi/id/{name}") or "").strip()
    except Unreadable:
        return ""


def secureboot(host: Host) -> Iterator[Row]:
    """Yield the row of ``secureboot``; none on a machine that was not started by EFI."""
    if not host.exists(_EFI):
        return
    state = _variable(host, "SecureBoot")
    if state is None:
        raise Unreadable(
            f"this computer was started by EFI, but {_EFI}/efivars does not show SecureBoot;"
            " is efivarfs mounted?"
        )
    yield {"secure_boot": state, "setup_mode": _variable(host, "SetupMode")}


def _variable(host: Host, name: str) -> int | None:
    data = host.read(f"{_EFI}/efivars/{name}-{_GLOBAL_VARIABLES}")
    if data is None:
        return None
    if len(data) != _EFI_HEADER + 1:
        raise Unreadable(f"the EFI variable {name} has {len(data)} bytes; 5 were expected")
    return data[_EFI_HEADER]
