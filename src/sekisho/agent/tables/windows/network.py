"""Wireless security, addresses, listening ports and processes of Windows."""

from collections.abc import Callable, Iterable, Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import (
    INTERFACE_ADDRESSES,
    LISTENING_PORTS,
    PROCESSES,
    WIFI_STATUS,
)
from sekisho.agent.tables.psutil_rows import addresses, listening, running
from sekisho.agent.tables.windows.api import wifi_connections

Connections = Callable[[], Iterable[tuple[str, bytes]]]
_SECURITY_OFFSET = 588  # of WLAN_SECURITY_ATTRIBUTES in WLAN_CONNECTION_ATTRIBUTES (wlanapi.h)
_WPA_BY_ALGORITHM = {
    3: "WPA Enterprise",
    4: "WPA Personal",
    5: "WPA Personal",
    6: "WPA2 Enterprise",
    7: "WPA2 Personal",
    8: "WPA3 Enterprise",
    9: "WPA3 Personal",
    10: "OWE",
    11: "WPA3 Enterprise",
}
_WEP_CIPHERS = frozenset({0x01, 0x05, 0x101})


def tables(connections: Connections = wifi_connections) -> tuple[Table, ...]:
    """Return the tables; ``connections`` gives the attributes of each wireless connection."""
    return (
        Table("wifi_status", WIFI_STATUS, lambda _: wifi_rows(connections())),
        Table("interface_addresses", INTERFACE_ADDRESSES, lambda _: addresses()),
        Table("listening_ports", LISTENING_PORTS, lambda _: listening()),
        Table("processes", PROCESSES, running, frozenset({"pid"})),
    )


def wifi_rows(connections: Iterable[tuple[str, bytes]]) -> Iterator[Row]:
    """Yield how each wireless connection is secured; the network's name is not looked at."""
    for interface, attributes in connections:
        yield {"interface": interface, "security_type": wifi_security(attributes)}


def wifi_security(attributes: bytes) -> str:
    """Name the protection from the last 16 bytes of WLAN_CONNECTION_ATTRIBUTES.

    They are: security on, 802.1X on, authentication (DOT11_AUTH_ALGORITHM), cipher.
    """
    field = attributes[_SECURITY_OFFSET : _SECURITY_OFFSET + 16]
    if len(field) != 16:  # noqa: PLR2004 - four 32-bit numbers
        raise Unreadable(f"Windows described a wireless connection in {len(attributes)} bytes")
    secured, _, algorithm, cipher = (
        int.from_bytes(field[i : i + 4], "little") for i in range(0, 16, 4)
    )
    if cipher in _WEP_CIPHERS:
        return "WEP"
    if not secured:
        return "Open"
    return _WPA_BY_ALGORITHM.get(algorithm, f"algorithm {algorithm}")
