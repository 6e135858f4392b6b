"""Tables ``disk_encryption``, ``block_devices`` and ``mounts`` of macOS."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import BLOCK_DEVICES, DISK_ENCRYPTION, MOUNTS
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos import plists

_MOUNT = re.compile(r"^(?P<device>.+?) on (?P<path>/.*) \((?P<flags>[^()]*)\)$")
_SECONDS = 15.0
_DISKUTIL = "/usr/sbin/diskutil"


def tables(host: Host) -> tuple[Table, ...]:
    """Return the three tables over ``host``."""
    return (
        Table("disk_encryption", DISK_ENCRYPTION, lambda _: disk_encryption(host)),
        Table("block_devices", BLOCK_DEVICES, lambda _: block_devices(host)),
        Table("mounts", MOUNTS, lambda _: mounts(host)),
    )


def parse_filevault(text: str) -> str:
    """Return ``on``, ``off`` or, while it converts, ``unknown`` from ``fdesetup status``."""
    if "Encryption in progress" in text or "Decryption in progress" in text:
        return "unknown"
    if "FileVault is On" in text:
        return "on"
    if "FileVault is Off" in text:
        return "off"
    raise Unreadable(f"fdesetup did not tell the state of FileVault: {text.strip()[:80]!r}")


def disk_encryption(host: Host) -> Iterator[Row]:
    """Yield the state of FileVault on the volume that holds the system."""
    state = parse_filevault(answer(host.run(["/usr/bin/fdesetup", "status"]), "fdesetup"))
    root = next((row for row in mounts(host) if row["path"] == "/"), {"device": ""})
    yield {
        "name": root["device"],
        "encrypted": int(state == "on"),
        "encryption_status": {"on": "encrypted", "off": "not encrypted"}.get(state, "undefined"),
        "filevault_status": state,
        "type": "APFS Encryption" if state == "on" else "",
    }


def parse_mount(text: str) -> Iterator[Row]:
    """Yield the rows of ``mount``: ``/dev/disk3s1 on /Volumes/USB (msdos, local, nodev)``."""
    for line in text.splitlines():
        found = _MOUNT.match(line)
        if not found:
            raise Unreadable(f"mount gave a line that is no mount: {line[:60]!r}")
        flags = found.group("flags").split(", ")
        yield {
            "device": found.group("device"),
            "device_alias": found.group("device"),
            "path": found.group("path"),
            "type": flags[0],
            "flags": ",".join(flags[1:]),
        }


def mounts(host: Host) -> Iterator[Row]:
    """Yield what is mounted."""
    yield from parse_mount(answer(host.run(["/sbin/mount"]), "mount"))


def block_devices(host: Host) -> Iterator[Row]:
    """Yield disks and their parts; ``type`` is the bus of the disk (USB, PCI-Express …)."""
    listed = plists.from_command(
        host.run([_DISKUTIL, "list", "-plist"], timeout=_SECONDS), "diskutil list"
    )
    for disk in listed.get("AllDisksAndPartitions", []):
        name = str(disk.get("DeviceIdentifier", ""))
        described = host.run([_DISKUTIL, "info", "-plist", name], timeout=_SECONDS)
        bus = plists.from_command(described, "diskutil info").get("BusProtocol", "")
        yield from disk_rows(disk, str(bus))


def disk_rows(disk: Mapping[str, Any], bus: str) -> Iterator[Row]:
    """Yield a whole disk of ``diskutil list -plist`` and its partitions and APFS volumes."""
    whole = f"/dev/{disk.get('DeviceIdentifier', '')}"
    yield {"name": whole, "parent": "", "size": disk.get("Size"), "type": bus}
    for part in [*disk.get("Partitions", []), *disk.get("APFSVolumes", [])]:
        yield {
            "name": f"/dev/{part.get('DeviceIdentifier', '')}",
            "parent": whole,
            "size": part.get("Size"),
            "uuid": part.get("VolumeUUID") or part.get("DiskUUID"),
            "label": part.get("VolumeName"),
            "type": bus,
        }
