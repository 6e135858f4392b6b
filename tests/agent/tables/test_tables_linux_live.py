"""Linux tables read from the machine the tests run on, against truths found another way."""

import grp
import os
import pwd
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekisho.agent.table import Row, Where
from sekisho.agent.tables import tables_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these tables are Linux's")


def read(name: str, where: Where | None = None) -> list[Row]:
    return list(tables_for("linux")[name].rows(where or {}))


def test_os_version_says_what_a_shell_reads_from_os_release() -> None:
    script = '. /etc/os-release; printf "%s|%s|%s" "$NAME" "$ID" "$VERSION_ID"'
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    name, platform, version = shell.stdout.split("|")
    (row,) = read("os_version")
    assert (row["name"], row["platform"], str(row["major"])) == (
        name,
        platform,
        version.split(".")[0],
    )
    assert row["arch"] == os.uname().machine


def test_uptime_agrees_with_the_boot_clock() -> None:
    (row,) = read("uptime")
    assert abs(int(str(row["total_seconds"])) - time.clock_gettime(time.CLOCK_BOOTTIME)) <= 2


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_socket_opened_here_is_listed_with_this_process(family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        address = "127.0.0.1" if family == socket.AF_INET else "::1"
        listener.bind((address, 0))
        port = listener.getsockname()[1]
        assert not [row for row in read("listening_ports") if row["port"] == port]
        listener.listen()
        (row,) = [row for row in read("listening_ports") if row["port"] == port]
        assert row["address"] == address
        assert (row["protocol"], row["family"], row["pid"]) == (6, int(family), os.getpid())
        assert row["fd"] == listener.fileno()
    assert not [row for row in read("listening_ports") if row["port"] == port]


def test_a_udp_socket_listens_until_it_is_connected() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        (row,) = [row for row in read("listening_ports") if row["port"] == port]
        assert row["protocol"] == 17
        listener.connect(("127.0.0.1", 9))
        assert not [row for row in read("listening_ports") if row["port"] == port]


def test_users_and_groups_agree_with_the_name_service() -> None:
    local = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    expected = {(p.pw_name, p.pw_uid, p.pw_dir) for p in pwd.getpwall() if p.pw_name in local}
    assert {(r["username"], r["uid"], r["directory"]) for r in read("users")} == expected
    names = {r["groupname"]: r["gid"] for r in read("groups")}
    assert names["root"] == grp.getgrnam("root").gr_gid
    assert {"uid": 0, "gid": 0} in read("user_groups")


def test_users_can_be_asked_by_uid() -> None:
    assert [row["username"] for row in read("users", {"uid": ("0",)})] == ["root"]


@pytest.mark.skipif(not Path("/var/lib/dpkg/status").exists(), reason="not a Debian family system")
def test_deb_packages_agree_with_dpkg_query() -> None:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Status}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = sorted(line.split("\t") for line in asked.stdout.splitlines())
    found = sorted([r["name"], r.get("version", ""), r["status"]] for r in read("deb_packages"))
    assert found == expected


def test_file_finds_by_equality_pattern_and_folder(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("12345")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "two.txt").write_text("")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (row,) = read("file", {"path": (f"{tmp_path}/one.txt",)})
    assert (row["size"], row["type"], row["filename"]) == (5, "regular", "one.txt")
    assert read("file", {"path": (f"{tmp_path}/none.txt",)}) == []
    level = {r["filename"] for r in read("file", {"path~": (f"{tmp_path}/%",)})}
    assert level == {"one.txt", "deep", "gone"}
    every = {r["filename"] for r in read("file", {"path~": (f"{tmp_path}/%%",)})}
    assert every == {"one.txt", "deep", "two.txt", "gone"}
    listed = {r["filename"] for r in read("file", {"directory": (str(tmp_path),)})}
    assert listed == level
    (link,) = read("file", {"path": (f"{tmp_path}/gone",)})
    assert (link["symlink"], link["type"]) == (1, "symlink")
