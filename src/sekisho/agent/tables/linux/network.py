"""Tables ``interface_addresses``, ``interface_details`` and ``wifi_status`` of Linux.

The name of a wireless network is never read: only how it is secured.
"""

import socket
from collections.abc import Callable, Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import INTERFACE_ADDRESSES, INTERFACE_DETAILS, WIFI_STATUS
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux.netlink import dump_addresses, parse_addresses
from sekisho.agent.tables.linux.system import parse_assignments
from sekisho.agent.tables.numerals import number

_NET = "/sys/class/net"
_COUNTERS = {
    "ipackets": "rx_packets",
    "opackets": "tx_packets",
    "ibytes": "rx_bytes",
    "obytes": "tx_bytes",
    "ierrors": "rx_errors",
    "oerrors": "tx_errors",
    "idrops": "rx_dropped",
    "odrops": "tx_dropped",
    "collisions": "collisions",
}


def tables(host: Host, dump: Callable[[], bytes] = dump_addresses) -> tuple[Table, ...]:
    """Return the three tables over ``host``; ``dump`` gives the kernel's addresses."""
    return (
        Table(
            "interface_addresses",
            INTERFACE_ADDRESSES,
            lambda _: parse_addresses(dump(), dict(socket.if_nameindex())),
        ),
        Table("interface_details", INTERFACE_DETAILS, lambda _: interface_details(host)),
        Table("wifi_status", WIFI_STATUS, lambda _: wifi_status(host)),
    )


def interface_details(host: Host) -> Iterator[Row]:
    """Yield the network interfaces and their counters."""
    if not host.exists(_NET):
        raise Unreadable(f"{_NET} does not exist; is /sys mounted?")
    for name in host.names(_NET):
        base = f"{_NET}/{name}"
        if not host.exists(f"{base}/type"):
            continue  # bonding_masters and the like are files, not interfaces
        yield {
            "interface": name,
            "mac": _value(host, f"{base}/address") or "00:00:00:00:00:00",
            "type": _number(host, f"{base}/type"),
            "mtu": _number(host, f"{base}/mtu"),
            "metric": 0,
            "flags": number(_value(host, f"{base}/flags") or "0", 16),
            "link_speed": max(0, _number(host, f"{base}/speed")),
            "enabled": int(_value(host, f"{base}/operstate") in ("up", "unknown")),
            **{c: _number(host, f"{base}/statistics/{f}") for c, f in _COUNTERS.items()},
        }


def _value(host: Host, path: str) -> str:
    """Return a value of /sys; empty if the driver does not give it (speed of a down link)."""
    try:
        return (host.text(path) or "").strip()
    except Unreadable:
        return ""


def _number(host: Host, path: str) -> int:
    value = _value(host, path)
    return int(value) if value.lstrip("-").isdecimal() else 0


def wifi_status(host: Host) -> Iterator[Row]:
    """Yield how each connected wireless interface is secured; none if none is connected."""
    connected = [name for name in host.names(_NET) if _is_connected_wireless(host, name)]
    if not connected:
        return
    secured = _by_network_manager(host)
    for name in connected:
        security = secured.get(name)
        if security is None:
            security = _by_supplicant(host, name)
        yield {"interface": name, "security_type": security, "mode": "Station"}


def _is_connected_wireless(host: Host, name: str) -> bool:
    base = f"{_NET}/{name}"
    wireless = host.exists(f"{base}/wireless") or host.exists(f"{base}/phy80211")
    return wireless and _value(host, f"{base}/operstate") == "up"


def _by_network_manager(host: Host) -> dict[str, str]:
    command = ["nmcli", "-t", "-f", "ACTIVE,DEVICE,SECURITY", "device", "wifi", "list"]
    try:
        output = host.run([*command, "--rescan", "no"])
    except Unreadable:
        return {}
    return dict(parse_nmcli(output.text)) if output.code == 0 else {}


def parse_nmcli(text: str) -> Iterator[tuple[str, str]]:
    """Yield (interface, security) of the networks in use from terse ``nmcli`` output.

    ``SECURITY`` holds words such as ``WPA2``, ``WPA1 WPA2``, ``WPA3``, ``WEP``, ``802.1X``; it is
    empty or ``--`` for an open network.
    """
    for line in text.splitlines():
        active, _, rest = line.partition(":")
        device, _, security = rest.partition(":")
        if active == "yes":
            yield device, security_name(frozenset(security.split()))


def security_name(words: frozenset[str]) -> str:
    """Name the weakest protection among NetworkManager's words, in osquery's terms."""
    kind = "Enterprise" if "802.1X" in words else "Personal"
    if not words - {"--"}:
        return "Open"
    if "WEP" in words:
        return "WEP"
    for word, name in (("WPA1", "WPA"), ("WPA", "WPA"), ("WPA2", "WPA2"), ("WPA3", "WPA3")):
        if word in words:
            mixed = " Mixed" if name == "WPA" and words & {"WPA2", "WPA3"} else ""
            return f"{name} {kind}{mixed}"
    return "OWE" if "OWE" in words else " ".join(sorted(words))


def _by_supplicant(host: Host, name: str) -> str:
    """Ask wpa_supplicant, which answers root and the group netdev."""
    text = answer(host.run(["wpa_cli", "-i", name, "status"]), "wpa_cli")
    return parse_wpa_cli(text)


def parse_wpa_cli(text: str) -> str:
    """Name the protection from ``wpa_cli status``: its ``key_mgmt`` and ciphers."""
    facts = parse_assignments(text)
    management, cipher = facts.get("key_mgmt", ""), facts.get("group_cipher", "")
    if facts.get("wpa_state") != "COMPLETED" or not management:
        raise Unreadable("wpa_cli does not tell how the wireless connection is secured")
    if management == "NONE":
        return "WEP" if "WEP" in cipher else "Open"
    if "SAE" in management:
        return "WPA3 Personal"
    kind = "Enterprise" if "EAP" in management or "802.1X" in management else "Personal"
    return f"{'WPA2' if management.startswith(('WPA2', 'FT')) else 'WPA'} {kind}"
