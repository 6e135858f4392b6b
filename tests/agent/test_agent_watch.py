"""Watched settings: what counts as a change, and that none is missed."""

import itertools
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from sekisho.agent.netsigns import (
    parse_generation,
    parse_listening,
    read_listening_sign,
    read_nftables_sign,
)
from sekisho.agent.watch import (
    UNREADABLE,
    Damper,
    Source,
    Watcher,
    linux_sources,
    macos_sources,
    read_path_sign,
)
from sekisho.agent.winwatch import RegistryNotice


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("etc/ssh", "etc/ufw", "etc/apt/apt.conf.d", "proc/net", "proc/self"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/system.slice/ssh.service").mkdir(parents=True)
    (tmp_path / "etc/ssh/sshd_config").write_text("PasswordAuthentication no\n")
    (tmp_path / "proc/self/mounts").write_text("/dev/sda1 / ext4 rw 0 0\n")
    (tmp_path / "proc/net/tcp").write_text(TCP_HEAD + listening("0100007F:0016"))
    return tmp_path


TCP_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n"


def listening(address: str, state: str = "0A") -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000\n"


def test_nothing_changed_is_nothing(root: Path) -> None:
    assert Watcher(linux_sources(root)).find_changes() == frozenset()


def test_each_change_names_the_tables_once(root: Path) -> None:
    watcher = Watcher(linux_sources(root))

    (root / "etc/ssh/sshd_config").write_text("PasswordAuthentication yes\n")
    assert "sshd_config" in watcher.find_changes()
    assert watcher.find_changes() == frozenset()

    (root / "etc/apt/apt.conf.d/20auto-upgrades").write_text("x")
    assert watcher.find_changes() >= {"augeas", "apt_config"}

    (root / "etc/ufw/ufw.conf").write_text("ENABLED=no")
    assert "augeas" in watcher.find_changes()
    (root / "etc/ufw/ufw.conf").unlink()
    assert "augeas" in watcher.find_changes()

    (root / "sys/fs/cgroup/system.slice/ssh.service").rmdir()
    assert "systemd_units" in watcher.find_changes()

    (root / "proc/self/mounts").write_text("/dev/sda1 / ext4 ro 0 0\n")
    assert watcher.find_changes() == {"mounts", "disk_encryption"}


def test_a_file_changed_in_place_with_its_old_time_but_new_size_is_seen(root: Path) -> None:
    path = root / "etc/ssh/sshd_config"
    before = path.stat()
    watcher = Watcher(linux_sources(root))

    path.write_text("PasswordAuthentication yes  # longer\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert "augeas" in watcher.find_changes()


def test_only_listening_sockets_count(root: Path) -> None:
    watcher = Watcher(linux_sources(root))
    tcp = root / "proc/net/tcp"

    tcp.write_text(
        TCP_HEAD
        + listening("0100007F:0016")
        + listening("00000000:C001", "01")
        + listening("0100007F:C002")
    )
    assert watcher.find_changes() == frozenset()
    tcp.write_text(TCP_HEAD + listening("0100007F:0016") + listening("00000000:0D3D"))
    assert watcher.find_changes() == {"listening_ports"}


def test_a_change_passes_at_once_and_noise_ever_more_rarely() -> None:
    damper = Damper()
    passed = [second for second in range(300) if damper.filter_changes({"noisy"}, second)]

    assert passed[:5] == [0, 5, 15, 35, 75]
    assert max(b - a for a, b in itertools.pairwise(passed)) == 60
    assert damper.filter_changes({"quiet"}, 300) == {"quiet"}


def test_a_change_that_was_held_back_passes_later() -> None:
    damper = Damper()
    damper.filter_changes({"t"}, 0)

    assert damper.filter_changes({"t"}, 2) == frozenset()
    assert damper.filter_changes((), 4) == frozenset()
    assert damper.filter_changes((), 5) == {"t"}
    assert damper.filter_changes((), 100) == frozenset()


def test_becoming_unreadable_is_a_change() -> None:
    signs: list[object] = [1, 1]

    def read() -> object:
        if not signs:
            raise PermissionError
        return signs.pop()

    watcher = Watcher([Source(read, frozenset({"t"}))])

    assert watcher.find_changes() == frozenset()
    assert watcher.find_changes() == {"t"}
    assert watcher.find_changes() == frozenset()


def test_a_missing_file_has_the_empty_sign(tmp_path: Path) -> None:
    assert read_path_sign(tmp_path / "none") == ""
    assert read_listening_sign(tmp_path) == frozenset()


def test_macos_property_lists_are_watched(tmp_path: Path) -> None:
    preferences = tmp_path / "Library/Preferences"
    preferences.mkdir(parents=True)
    watcher = Watcher(macos_sources(tmp_path, tmp_path / "Users/hanako"))

    (preferences / "com.apple.alf.plist").write_bytes(b"bplist00")
    assert watcher.find_changes() == {"alf"}
    (tmp_path / "Users/hanako/Library/Preferences/ByHost").mkdir(parents=True)
    assert watcher.find_changes() == {"screenlock", "plist"}


def test_a_netlink_answer_gives_its_generation() -> None:
    head = (28).to_bytes(4, "little") + ((10 << 8) | 15).to_bytes(2, "little") + bytes(10)
    attribute = (8).to_bytes(2, "little") + (1).to_bytes(2, "little")

    assert parse_generation(head + bytes(4) + attribute + (7).to_bytes(4, "big")) == 7
    with pytest.raises(ValueError, match="netlink"):
        parse_generation(head)
    with pytest.raises(ValueError, match="netlink"):
        parse_generation(bytes(64))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's real sources")
def test_the_real_sources_of_this_computer_are_cheap_and_quiet() -> None:
    watcher = Watcher(linux_sources())
    watcher.find_changes()

    started = time.process_time()
    for _ in range(12):
        watcher.find_changes()

    assert time.process_time() - started < 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's real sources")
def test_a_real_listener_is_seen() -> None:
    watcher = Watcher([Source(lambda: read_listening_sign(Path("/proc/net")), frozenset({"p"}))])

    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))  # noqa: S104 - being seen from outside is the point
        listener.listen()
        assert watcher.find_changes() == {"p"}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's real sources")
def test_netlink_and_proc_tell_the_same_listeners() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        by_netlink = read_listening_sign(Path("/proc/net"))
        by_proc = parse_listening(Path("/proc/net"))

    assert isinstance(by_netlink, frozenset)
    assert isinstance(by_proc, frozenset)
    # Other programs may come and go in between.
    assert abs(len(by_netlink) - len(by_proc)) <= 2
    assert all(isinstance(one, bytes) for one in by_netlink)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs CAP_NET_ADMIN")
def test_the_real_firewall_has_a_generation_or_is_unreadable() -> None:
    source = Source(read_nftables_sign, frozenset({"nftables_chains"}))
    watcher = Watcher([source])

    assert watcher.find_changes() == frozenset()


@pytest.mark.skipif(sys.platform == "win32", reason="says what happens elsewhere")
def test_registry_notices_exist_on_windows_only() -> None:
    watcher = Watcher([Source(RegistryNotice("SOFTWARE").read_sign, frozenset({"registry"}))])

    assert watcher.find_changes() == frozenset()
    assert UNREADABLE == "unreadable"
