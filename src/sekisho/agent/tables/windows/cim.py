"""The tables of Windows that are classes of its management model (CIM/WMI), one query each.

Each reader is a PowerShell pipeline and a pure mapping from the objects it gives to rows. Property
values used here are codes or fixed English words of the model, never localized text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sekisho.agent.table import Column, Row, Table, Unreadable
from sekisho.agent.tables.columns import (
    BITLOCKER_INFO,
    DISK_INFO,
    INTERFACE_DETAILS,
    SERVICES,
    SHARED_RESOURCES,
    WINDOWS_OPTIONAL_FEATURES,
    WINDOWS_SECURITY_PRODUCTS,
)
from sekisho.agent.tables.commands import Run
from sekisho.agent.tables.windows.powershell import Answer, ask

_PRODUCTS = {
    "AntiVirusProduct": "Antivirus",
    "AntiSpywareProduct": "Antispyware",
    "FirewallProduct": "Firewall",
}
_PRODUCT_STATES = {0: "Off", 1: "On", 2: "Snoozed", 3: "Expired"}
_START_MODES = {
    "Auto": "AUTO_START",
    "Manual": "DEMAND_START",
    "Disabled": "DISABLED",
    "Boot": "BOOT_START",
    "System": "SYSTEM_START",
}
_FEATURE_STATES = {1: "Enabled", 2: "Disabled", 3: "Absent"}
_SHARE_TYPES = {0: "Disk Drive", 1: "Print Queue", 2: "Device", 3: "IPC"}
_ADMIN_SHARE = 0x80000000
# System.Volume.BitLockerProtection (propsys): what a user may see of a drive without rights.
_SHELL_PROTECTION = {1: (1, 1), 3: (2, 0), 4: (3, 0), 5: (1, 0), 6: (1, 1), 2: (0, 0)}


@dataclass(frozen=True, slots=True)
class Query:
    """One table by PowerShell: its name and columns, the pipeline, and rows from its objects."""

    name: str
    columns: tuple[Column, ...]
    pipeline: str
    rows: Callable[[list[Answer]], Iterator[Row]]

    def table(self, run: Run) -> Table:
        """Return the table, asked by ``run``."""
        return Table(self.name, self.columns, lambda _: self.rows(ask(run, self.pipeline)))


def product_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read Security Center's products: their ``productState`` packs state and signature age."""
    for found in objects:
        state = _integer(found.get("productState"))
        yield {
            "type": _PRODUCTS.get(str(found.get("class")), ""),
            "name": found.get("displayName"),
            "state": _PRODUCT_STATES.get(state >> 12 & 0xF, ""),
            "state_timestamp": found.get("timestamp"),
            "remediation_path": found.get("pathToSignedProductExe"),
            "signatures_up_to_date": int(state >> 4 & 0xF == 0),
        }


def bitlocker_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read volumes: from BitLocker's own class (administrator) or from the shell (a user)."""
    for found in objects:
        row = {
            "device_id": found.get("DeviceID"),
            "drive_letter": found.get("DriveLetter"),
            "persistent_volume_id": found.get("PersistentVolumeID"),
        }
        if "Shell" in found:
            yield {**row, **_by_shell(found)}
        else:
            yield {
                **row,
                "conversion_status": found.get("ConversionStatus"),
                "protection_status": found.get("ProtectionStatus"),
                "percentage_encrypted": found.get("EncryptionPercentage"),
                "encryption_method": found.get("EncryptionMethod"),
                "lock_status": found.get("LockStatus"),
            }


def _by_shell(found: Answer) -> Row:
    seen = _SHELL_PROTECTION.get(_integer(found["Shell"]))
    if seen is None:
        raise Unreadable(
            f"Windows does not tell this user whether {found.get('DriveLetter')} is encrypted;"
            " BitLocker's state needs an administrator here"
        )
    return {"conversion_status": seen[0], "protection_status": seen[1]}


def service_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read services; states become osquery's (those of the service manager's headers)."""
    for found in objects:
        yield {
            "name": found.get("Name"),
            "service_type": str(found.get("ServiceType") or "").upper().replace(" ", "_"),
            "display_name": found.get("DisplayName"),
            "status": str(found.get("State") or "").upper().replace(" ", "_"),
            "pid": found.get("ProcessId"),
            "start_type": _START_MODES.get(str(found.get("StartMode")), ""),
            "win32_exit_code": found.get("ExitCode"),
            "service_exit_code": found.get("ServiceSpecificExitCode"),
            "path": found.get("PathName"),
            "description": found.get("Description"),
            "user_account": found.get("StartName"),
        }


def disk_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read physical disks; ``type`` is the interface (USB, SCSI, IDE …)."""
    for found in objects:
        yield {
            "partitions": found.get("Partitions"),
            "disk_index": found.get("Index"),
            "type": found.get("InterfaceType"),
            "id": found.get("DeviceID"),
            "pnp_device_id": found.get("PNPDeviceID"),
            "disk_size": found.get("Size"),
            "manufacturer": found.get("Manufacturer"),
            "hardware_model": found.get("Model"),
            "name": found.get("Name"),
            "serial": str(found.get("SerialNumber") or "").strip(),
            "description": found.get("Description"),
        }


def share_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read shares; the types of administrative shares have their highest bit set."""
    for found in objects:
        kind = _integer(found.get("Type"))
        special = " Admin" if kind & _ADMIN_SHARE else ""
        yield {
            "description": found.get("Description"),
            "status": found.get("Status"),
            "allow_maximum": int(bool(found.get("AllowMaximum"))),
            "maximum_allowed": found.get("MaximumAllowed"),
            "name": found.get("Name"),
            "path": found.get("Path"),
            "type": kind,
            "type_name": f"{_SHARE_TYPES.get(kind & 0xF, 'Unknown')}{special}",
        }


def feature_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read Windows' optional features."""
    for found in objects:
        state = _integer(found.get("InstallState"))
        yield {
            "name": found.get("Name"),
            "caption": found.get("Caption"),
            "state": state,
            "statename": _FEATURE_STATES.get(state, "Unknown"),
        }


def adapter_rows(objects: list[Answer]) -> Iterator[Row]:
    """Read network adapters; ``connection_status`` 2 is connected (Win32_NetworkAdapter)."""
    for found in objects:
        yield {
            "interface": found.get("InterfaceIndex"),
            "mac": str(found.get("MACAddress") or "").lower(),
            "friendly_name": found.get("NetConnectionID"),
            "connection_id": found.get("NetConnectionID"),
            "description": found.get("Description"),
            "manufacturer": found.get("Manufacturer"),
            "connection_status": _text(found.get("NetConnectionStatus")),
            "enabled": _flag(found.get("NetEnabled")),
            "physical_adapter": _flag(found.get("PhysicalAdapter")),
            "speed": found.get("Speed"),
            "service": found.get("ServiceName"),
        }


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):  # JSON has no end of numbers
        return -1


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _flag(value: Any) -> int | None:
    return None if value is None else int(bool(value))


def _selected(class_name: str, properties: str) -> str:
    return f"Get-CimInstance -ClassName {class_name} | Select-Object {properties}"


_BITLOCKER = r"""
try {
 Get-CimInstance -Namespace root/CIMV2/Security/MicrosoftVolumeEncryption `
  -ClassName Win32_EncryptableVolume | ForEach-Object {
  $c = Invoke-CimMethod -InputObject $_ -MethodName GetConversionStatus
  $m = Invoke-CimMethod -InputObject $_ -MethodName GetEncryptionMethod
  $l = Invoke-CimMethod -InputObject $_ -MethodName GetLockStatus
  [pscustomobject]@{DeviceID=$_.DeviceID;DriveLetter=$_.DriveLetter;
   PersistentVolumeID=$_.PersistentVolumeID;ProtectionStatus=$_.ProtectionStatus;
   ConversionStatus=$c.ConversionStatus;EncryptionPercentage=$c.EncryptionPercentage;
   EncryptionMethod=$m.EncryptionMethod;LockStatus=$l.LockStatus} }
} catch {
 $shell = New-Object -ComObject Shell.Application
 Get-CimInstance -ClassName Win32_LogicalDisk -Filter 'DriveType=3' | ForEach-Object {
  $p = $shell.NameSpace($_.DeviceID).Self.ExtendedProperty('System.Volume.BitLockerProtection')
  [pscustomobject]@{DriveLetter=$_.DeviceID;Shell=$p} }
}
"""
_SECURITY_PRODUCTS = """
foreach ($n in 'AntiVirusProduct','AntiSpywareProduct','FirewallProduct') {
 Get-CimInstance -Namespace root/SecurityCenter2 -ClassName $n | Select-Object displayName,
  productState,timestamp,pathToSignedProductExe,@{n='class';e={$n}} }
"""
QUERIES = (
    Query(
        "windows_security_products",
        WINDOWS_SECURITY_PRODUCTS,
        f"$({_SECURITY_PRODUCTS})",
        product_rows,
    ),
    Query("bitlocker_info", BITLOCKER_INFO, f"$({_BITLOCKER})", bitlocker_rows),
    Query(
        "services",
        SERVICES,
        _selected(
            "Win32_Service",
            "Name,ServiceType,DisplayName,State,ProcessId,StartMode,ExitCode,"
            "ServiceSpecificExitCode,PathName,Description,StartName",
        ),
        service_rows,
    ),
    Query(
        "disk_info",
        DISK_INFO,
        _selected(
            "Win32_DiskDrive",
            "Partitions,Index,InterfaceType,DeviceID,PNPDeviceID,Size,Manufacturer,Model,Name,"
            "SerialNumber,Description",
        ),
        disk_rows,
    ),
    Query(
        "shared_resources",
        SHARED_RESOURCES,
        _selected("Win32_Share", "Description,Status,AllowMaximum,MaximumAllowed,Name,Path,Type"),
        share_rows,
    ),
    Query(
        "windows_optional_features",
        WINDOWS_OPTIONAL_FEATURES,
        _selected("Win32_OptionalFeature", "Name,Caption,InstallState"),
        feature_rows,
    ),
    Query(
        "interface_details",
        INTERFACE_DETAILS,
        _selected(
            "Win32_NetworkAdapter",
            "InterfaceIndex,MACAddress,NetConnectionID,Description,Manufacturer,"
            "NetConnectionStatus,NetEnabled,PhysicalAdapter,Speed,ServiceName",
        ),
        adapter_rows,
    ),
)


def tables(run: Run) -> tuple[Table, ...]:
    """Return the tables, asked by ``run``."""
    return tuple(query.table(run) for query in QUERIES)
