"""Tables ``os_version``, ``secureboot``, ``uptime`` and ``system_info`` of Windows."""

import platform
from collections.abc import Callable, Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import OS_VERSION, SECUREBOOT, SYSTEM_INFO, UPTIME
from sekisho.agent.tables.commands import Run
from sekisho.agent.tables.uptime import boot_age, uptime_rows
from sekisho.agent.tables.windows.powershell import Answer, ask
from sekisho.agent.tables.windows.registry import Key, Registry

_CURRENT = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_SECURE_BOOT = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecureBoot\State"
_FIRST_ELEVEN = 22000
_COMPUTER = (
    "$(Get-CimInstance Win32_ComputerSystem | ForEach-Object {"
    "$b=Get-CimInstance Win32_BIOS;$p=Get-CimInstance Win32_Processor | Select-Object -First 1;"
    "$u=Get-CimInstance Win32_ComputerSystemProduct;"
    "[pscustomobject]@{Name=$_.Name;DNS=$_.DNSHostName;Vendor=$_.Manufacturer;Model=$_.Model;"
    "Memory=$_.TotalPhysicalMemory;Logical=$_.NumberOfLogicalProcessors;"
    "Sockets=$_.NumberOfProcessors;Serial=$b.SerialNumber;Uuid=$u.UUID;Brand=$p.Name;"
    "Cores=$p.NumberOfCores;Arch=$p.AddressWidth}})"
)


def tables(registry: Registry, run: Run, age: Callable[[], int] = boot_age) -> tuple[Table, ...]:
    """Return the four tables; ``age`` gives the seconds since the boot."""
    return (
        Table("os_version", OS_VERSION, lambda _: os_version(registry)),
        Table("secureboot", SECUREBOOT, lambda _: secureboot(registry)),
        Table("uptime", UPTIME, lambda _: uptime_rows(age())),
        Table("system_info", SYSTEM_INFO, lambda _: system_rows(ask(run, _COMPUTER))),
    )


def os_version(registry: Registry) -> Iterator[Row]:
    """Yield the edition, build and update revision (UBR) of Windows.

    ``ProductName`` still says Windows 10 on Windows 11; the build tells them apart.
    """
    key = registry(_CURRENT)
    if key is None or not key.text("CurrentBuildNumber").isdecimal():
        raise Unreadable("the registry does not tell the build of Windows (CurrentBuildNumber)")
    build = key.text("CurrentBuildNumber")
    major = key.text("CurrentMajorVersionNumber") or "6"
    minor = key.text("CurrentMinorVersionNumber") or "0"
    name = _edition(key, int(build))
    yield {
        "name": name,
        "version": f"{major}.{minor}.{build}",
        "major": int(major),
        "minor": int(minor),
        "patch": 0,
        "build": build,
        "revision": key.value("UBR"),
        "platform": "windows",
        "platform_like": "windows",
        "codename": name.removeprefix("Microsoft "),
        "extra": key.text("DisplayVersion"),
        "install_date": key.value("InstallDate"),
        "arch": "64-bit" if platform.machine().endswith("64") else "32-bit",
    }


def _edition(key: Key, build: int) -> str:
    name = key.text("ProductName")
    if build >= _FIRST_ELEVEN:
        name = name.replace("Windows 10", "Windows 11")
    return f"Microsoft {name}"


def secureboot(registry: Registry) -> Iterator[Row]:
    """Yield whether Secure Boot is on; none on a computer started by a BIOS."""
    key = registry(_SECURE_BOOT)
    if key is None:
        return
    state = key.value("UEFISecureBootEnabled")
    if state is None:
        raise Unreadable("the registry has no UEFISecureBootEnabled below SecureBoot\\State")
    yield {"secure_boot": state}


def system_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read the computer: names, processor, memory, maker and serial number."""
    for found in objects:
        yield {
            "hostname": found.get("DNS") or found.get("Name"),
            "computer_name": found.get("Name"),
            "local_hostname": found.get("DNS") or found.get("Name"),
            "uuid": found.get("Uuid"),
            "cpu_type": "x86_64" if found.get("Arch") == 64 else "x86",  # noqa: PLR2004 - address width
            "cpu_brand": str(found.get("Brand") or "").strip(),
            "cpu_physical_cores": found.get("Cores"),
            "cpu_logical_cores": found.get("Logical"),
            "cpu_sockets": found.get("Sockets"),
            "physical_memory": found.get("Memory"),
            "hardware_vendor": found.get("Vendor"),
            "hardware_model": found.get("Model"),
            "hardware_serial": found.get("Serial"),
        }
