"""Tables ``mounts``, ``block_devices``, ``disk_encryption`` and ``usb_devices`` of Linux.

A volume counts as encrypted if it is a dm-crypt mapping (its device-mapper uuid begins with
``CRYPT-``) or if everything it lies on is. Names are device paths, as in osquery, so that
``mounts.device_alias`` → ``block_devices.parent`` → ``disk_encryption.name`` can be walked.
"""

import os
import re
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import BLOCK_DEVICES, DISK_ENCRYPTION, MOUNTS, USB_DEVICES
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.numerals import number

_OCTAL = re.compile(r"\\([0-7]{3})")
_SECTOR = 512  # /sys/block/*/size counts in 512-byte sectors whatever the disk
_DEPTH = 16
_BLOCK = "/sys/class/block"
_USB = "/sys/bus/usb/devices"
_MOUNT_FIELDS = 6


def tables(host: Host) -> tuple[Table, ...]:
    """Return the four tables over ``host``."""
    return (
        Table("mounts", MOUNTS, lambda _: mounts(host)),
        Table("block_devices", BLOCK_DEVICES, lambda _: block_devices(host)),
        Table("disk_encryption", DISK_ENCRYPTION, lambda _: disk_encryption(host)),
        Table("usb_devices", USB_DEVICES, lambda _: usb_devices(host)),
    )


def parse_mounts(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (device, path, type, flags) for each line of proc_mounts(5), octal escapes undone."""
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) != _MOUNT_FIELDS:
            raise Unreadable(f"/proc/mounts has a line that is no mount: {line[:60]!r}")
        device, path = (_OCTAL.sub(lambda m: chr(int(m.group(1), 8)), f) for f in fields[:2])
        yield device, path, fields[2], fields[3]


def mounts(host: Host) -> Iterator[Row]:
    """Yield what is mounted; sizes only for local devices (a dead server would block for ever)."""
    text = host.text("/proc/self/mounts") or host.text("/proc/mounts")
    if text is None:
        raise Unreadable("/proc/mounts does not exist; is /proc mounted?")
    for device, path, kind, flags in parse_mounts(text):
        yield {
            "device": device,
            "device_alias": _alias(host, device),
            "path": path,
            "type": kind,
            "flags": flags,
            **(_sizes(host, path) if device.startswith("/dev/") else {}),
        }


def _alias(host: Host, device: str) -> str:
    """Return the device behind a link such as ``/dev/mapper/root``."""
    if not device.startswith("/dev/"):
        return device
    real = os.path.realpath(host.path(device))
    prefix = "" if str(host.root) == "/" else os.path.realpath(host.root)
    return real.removeprefix(prefix)


def _sizes(host: Host, path: str) -> Row:
    try:
        seen = os.statvfs(host.path(path))
    except OSError:
        return {}
    return {
        "blocks_size": seen.f_bsize,
        "blocks": seen.f_blocks,
        "blocks_free": seen.f_bfree,
        "blocks_available": seen.f_bavail,
        "inodes": seen.f_files,
        "inodes_free": seen.f_ffree,
    }


def _devices(host: Host) -> list[str]:
    if not host.exists(_BLOCK):
        raise Unreadable(f"{_BLOCK} does not exist; is /sys mounted?")
    return host.names(_BLOCK)


def _line(host: Host, path: str) -> str:
    """Return a one-line file of /sys; empty if it is missing or kept from this user."""
    try:
        return (host.text(path) or "").strip()
    except Unreadable:
        return ""


def _parents(host: Host, name: str) -> list[str]:
    """Return what a block device lies on: the mapping's parts, or the disk of a partition."""
    below = host.names(f"{_BLOCK}/{name}/slaves")
    if below:
        return below
    if host.exists(f"{_BLOCK}/{name}/partition"):
        return [os.path.basename(os.path.dirname(os.path.realpath(host.path(f"{_BLOCK}/{name}"))))]  # noqa: PTH119, PTH120 - of a link in /sys
    return []


def block_devices(host: Host) -> Iterator[Row]:
    """Yield the block devices; one row for each device that a mapping lies on."""
    for name in _devices(host):
        facts = {**_hardware(host, name), **_udev(host, name)}
        for parent in _parents(host, name) or [""]:
            yield {
                **facts,
                "name": f"/dev/{name}",
                "parent": f"/dev/{parent}" if parent else "",
            }


def _hardware(host: Host, name: str) -> Row:
    base = f"{_BLOCK}/{name}"
    return {
        "vendor": _line(host, f"{base}/device/vendor"),
        "model": _line(host, f"{base}/device/model"),
        "serial": _line(host, f"{base}/device/serial"),
        "size": number(_line(host, f"{base}/size") or "0"),
        "block_size": number(_line(host, f"{base}/queue/logical_block_size") or f"{_SECTOR}"),
    }


def _udev(host: Host, name: str) -> Row:
    """Return what udev noted of the file system on a device (readable without root)."""
    number = _line(host, f"{_BLOCK}/{name}/dev")
    notes = dict(
        line[2:].partition("=")[::2]
        for line in _line(host, f"/run/udev/data/b{number}").splitlines()
        if line.startswith("E:")
    )
    return {
        "uuid": notes.get("ID_FS_UUID", ""),
        "type": notes.get("ID_FS_TYPE", ""),
        "label": notes.get("ID_FS_LABEL", ""),
    }


def disk_encryption(host: Host) -> Iterator[Row]:
    """Yield for each block device whether what is written to it ends up encrypted."""
    for name in _devices(host):
        kind = _crypt_kind(host, name)
        encrypted = _is_encrypted(host, name, _DEPTH)
        yield {
            "name": f"/dev/{name}",
            "uuid": _line(host, f"{_BLOCK}/{name}/dm/uuid") or _udev(host, name)["uuid"],
            "encrypted": int(encrypted),
            "type": kind,
            "encryption_status": "encrypted" if encrypted else "not encrypted",
        }


def _crypt_kind(host: Host, name: str) -> str:
    """Return ``LUKS2``, ``LUKS1``, ``PLAIN`` … for a dm-crypt mapping, else nothing.

    cryptsetup names its mappings ``CRYPT-<kind>-<uuid>-<name>``.
    """
    uuid = host.text(f"{_BLOCK}/{name}/dm/uuid") or ""
    return uuid.split("-")[1].strip() if uuid.startswith("CRYPT-") else ""


def _is_encrypted(host: Host, name: str, depth: int) -> bool:
    if _crypt_kind(host, name) not in ("", "VERITY", "INTEGRITY"):
        return True
    parents = _parents(host, name) if depth else []
    return bool(parents) and all(_is_encrypted(host, parent, depth - 1) for parent in parents)


def usb_devices(host: Host) -> Iterator[Row]:
    """Yield what is plugged into USB; none on a machine without USB.

    A device whose class is told by its interfaces (class 0) is given the class of its first one
    that is mass storage (8), else of its first: a stick is found whichever way it says so.
    """
    for name in host.names(_USB):
        base = f"{_USB}/{name}"
        if ":" in name or not host.exists(f"{base}/idVendor"):
            continue
        kind, sub, protocol = _usb_class(host, name)
        yield {
            "usb_address": number(_line(host, f"{base}/devnum") or "0"),
            "usb_port": number(_line(host, f"{base}/busnum") or "0"),
            "vendor": _line(host, f"{base}/manufacturer"),
            "vendor_id": _line(host, f"{base}/idVendor"),
            "version": _line(host, f"{base}/bcdDevice"),
            "model": _line(host, f"{base}/product"),
            "model_id": _line(host, f"{base}/idProduct"),
            "serial": _line(host, f"{base}/serial"),
            "class": str(kind),
            "subclass": str(sub),
            "protocol": str(protocol),
            "removable": int(_line(host, f"{base}/removable") == "removable"),
        }


def _usb_class(host: Host, name: str) -> tuple[int, int, int]:
    own = _class_of(host, f"{_USB}/{name}/bDevice")
    if own[0] != 0:
        return own
    interfaces = [
        _class_of(host, f"{_USB}/{entry}/bInterface")
        for entry in host.names(_USB)
        if entry.startswith(f"{name}:")
    ]
    storage = [found for found in interfaces if found[0] == 8]  # noqa: PLR2004 - USB mass storage class
    return (storage or interfaces or [own])[0]


def _class_of(host: Host, prefix: str) -> tuple[int, int, int]:
    kind, sub, protocol = (
        number(_line(host, prefix + part) or "0", 16) for part in ("Class", "SubClass", "Protocol")
    )
    return kind, sub, protocol
