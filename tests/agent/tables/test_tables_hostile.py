"""Whatever a source says, a parser gives rows or ``Unreadable``: never another error."""

import plistlib
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sekisho.agent.table import UnreadableError
from sekisho.agent.tables import certificates, patterns
from sekisho.agent.tables.linux import (
    accounts,
    augeas,
    backup,
    configuration,
    desktop,
    disks,
    firewall,
    netlink,
    network,
    packages,
    processes,
    sockets,
    system,
    systemd,
    updates,
)
from sekisho.agent.tables.linux import certificates as linux_certificates
from sekisho.agent.tables.macos import disks as mac_disks
from sekisho.agent.tables.macos import plists
from sekisho.agent.tables.macos import security as mac_security
from sekisho.agent.tables.windows import cim, powershell, versions
from sekisho.agent.tables.windows import network as windows_network
from sekisho.agent.tables.windows import security as windows_security

TEXT_PARSERS: list[Callable[[str], Any]] = [
    accounts.parse_passwd,
    accounts.parse_group,
    augeas.parse_apt_config,
    backup.parse_timers,
    backup.parse_time,
    configuration.parse_apt,
    configuration.parse_assignment_file,
    configuration.parse_sections,
    configuration.parse_sshd,
    configuration.parse_wireless,
    desktop.parse_kscreenlocker,
    desktop.parse_xfce,
    disks.parse_mounts,
    firewall.parse_iptables_save,
    firewall.parse_nft,
    mac_disks.parse_filevault,
    mac_disks.parse_mount,
    mac_security.parse_disabled,
    mac_security.parse_firewall_state,
    mac_security.parse_screenlock,
    network.parse_nmcli,
    network.parse_wpa_cli,
    packages.parse_rpm,
    powershell.parse,
    processes.parse_status,
    sockets.parse_address,
    system.parse_cpuinfo,
    system.parse_memory,
    system.parse_os_release,
    systemd.parse_show,
    updates.count_advisories,
    lambda text: updates.parse_offers(text.splitlines()),
    windows_security.parse_policy,
    windows_security.parse_rule,
]
BYTES_PARSERS: list[Callable[[bytes], Any]] = [
    accounts.parse_utmp,
    certificates.split_pem,
    lambda data: certificates.split_pem(b"-----BEGIN CERTIFICATE-----" + data),
    lambda data: certificates.rows_of([b"\x30\x82" + data]),
    versions.parse_version,
    windows_network.wifi_security,
    lambda data: netlink.parse_addresses(data, {}),
    lambda data: certificates.rows_of([data]),
    lambda data: plists.parse(data, "a file"),
]
CIM_READERS: list[Callable[[list[powershell.Answer]], Any]] = [q.rows for q in cim.QUERIES]
MARKS = st.sampled_from(
    [
        *("Name", "Id=a\nActiveState=x", "Job=x\n", "Timeout=", "REALTIME=x", "Uid:\tx", "Gid:\t1"),
        *(
            "*filter\n",
            ":A B [",
            "-A ",
            "key_mgmt=",
            "Package: a",
            "Version: 1",
            "Installed-Size: x",
        ),
        *(
            "/*",
            "//",
            "#",
            "=",
            "\n",
            "\n\n",
            "\t",
            " ",
            ":",
            "99",
            "-1",
            "é",
            "花",
            "\0",
            "\x1c",
            "²",
        ),
        *('"', "::", "{", "}", "[", "]", "\nStatus: install ok installed", "Triggers=", ".timer"),
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(MARKS, max_size=30).map("".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def drained(result: Any) -> Any:
    if isinstance(result, Iterable) and not isinstance(result, (str, bytes, dict)):
        return list(result)
    return result


@pytest.mark.parametrize("parser", TEXT_PARSERS, ids=lambda p: f"{p.__module__}.{p.__qualname__}")
@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
def test_any_text(parser: Callable[[str], Any], text: str) -> None:
    try:
        drained(parser(text))
    except UnreadableError:
        return


@settings(deadline=None, max_examples=60)
@given(text=TEXTS, tail=st.sampled_from(["1 1 1 1", "x 1 1 1", "", "1 1 1 ²"]))
def test_any_stat_of_a_process(text: str, tail: str) -> None:
    try:
        row = processes.parse_stat(f"1 ({text}) S " + "1 " * 18 + tail, 100, 4096)
    except UnreadableError:
        return
    assert row["name"] == text


@settings(deadline=None, max_examples=60)
@given(words=st.lists(st.sampled_from(["0100007F:1F90", "x:y", "0A", "0:0", "1", "-", "é"])))
def test_any_socket_table(words: list[str]) -> None:
    try:
        drained(sockets.parse_sockets("header\n" + " ".join(words), 6, 2))
    except UnreadableError:
        return


@settings(deadline=None, max_examples=60)
@given(lines=st.lists(TEXTS, max_size=5))
def test_any_dpkg_status(lines: list[str]) -> None:
    try:
        drained(packages.parse_dpkg_status(line + "\n" for line in lines))
    except UnreadableError:
        return


@pytest.mark.parametrize("parser", BYTES_PARSERS)
@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=800))
def test_any_bytes(parser: Callable[[bytes], Any], data: bytes) -> None:
    try:
        drained(parser(data))
    except UnreadableError:
        return


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=60), cut=st.integers(0, 60))
def test_netlink_messages_that_lie_about_their_length(data: bytes, cut: int) -> None:
    message = struct.pack("=IHHII", 16 + len(data), 20, 0, 1, 1) + data
    try:
        drained(netlink.parse_addresses(message[: len(message) - cut], {}))
    except UnreadableError:
        return


PROPERTIES = st.sampled_from(
    [
        "productState",
        "Shell",
        "Type",
        "InstallState",
        "State",
        "class",
        "SerialNumber",
        "NetEnabled",
    ]
)


@pytest.mark.parametrize("reader", CIM_READERS, ids=[q.name for q in cim.QUERIES])
@settings(deadline=None, max_examples=60)
@example(objects=[{"productState": float("inf")}])
@given(objects=st.lists(st.dictionaries(PROPERTIES, JSON), max_size=3))
def test_any_objects_of_windows(
    reader: Callable[[list[powershell.Answer]], Any], objects: list[powershell.Answer]
) -> None:
    try:
        drained(reader(objects))
    except UnreadableError:
        return


@settings(deadline=None, max_examples=60)
@given(value=st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.booleans(), max_size=4))
def test_whole_property_lists_are_read_back(value: dict[str, int]) -> None:
    assert plists.parse(plistlib.dumps(value, fmt=plistlib.FMT_BINARY), "x") == value


@settings(deadline=None, max_examples=60)
@given(pattern=st.text(alphabet="a%_.(Z", max_size=8), value=st.text(alphabet="aA._(z", max_size=8))
def test_like_agrees_with_sqlite(pattern: str, value: str) -> None:
    database = apsw.Connection(":memory:")
    expected = bool(next(iter(database.execute("SELECT ? LIKE ?", (value, pattern))))[0])
    database.close()
    assert patterns.like(pattern, value) == expected


def test_a_certificate_store_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "cert9.db"
    assert list(linux_certificates.read_nss(path)) == []
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(UnreadableError, match="could not be read"):
        list(linux_certificates.read_nss(path))


def test_a_certificate_store_gives_its_certificates(tmp_path: Path) -> None:
    path = tmp_path / "cert9.db"
    database = apsw.Connection(str(path))
    database.execute("CREATE TABLE nssPublic (id INTEGER PRIMARY KEY, a0, a11)")
    database.execute("INSERT INTO nssPublic (a0, a11) VALUES (?, ?)", (b"\0\0\0\x01", b"DER"))
    database.execute(
        "INSERT INTO nssPublic (a0, a11) VALUES (?, ?)", (b"\xce\x53\x43\x51", b"trust")
    )
    database.close()
    assert list(linux_certificates.read_nss(path)) == [b"DER"]
