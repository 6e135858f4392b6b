"""macOS tables over recorded answers and a folder that stands for the disk."""

import datetime as dt
import plistlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sekisho.agent.table import Row, UnreadableError, Where
from sekisho.agent.tables.commands import Output
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos import tables
from sekisho.agent.tables.macos.disks import parse_filevault
from sekisho.agent.tables.macos.security import parse_disabled

RECORDED = Path(__file__).with_name("recorded") / "macos"


class Mac:
    """A Mac: files below a folder, commands answered from recordings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uid = 501
        self.answers: dict[str, Output] = {}
        self.says("/usr/bin/dscl -plist . -readall /Users", "users.plist")
        self.says("/usr/bin/dscl -plist . -readall /Groups", "groups.plist")

    def says(self, command: str, name: str) -> None:
        self.answers[command] = Output((RECORDED / name).read_text("utf-8"), "", 0)

    def prints(self, command: str, text: str, errors: str = "", code: int = 0) -> None:
        self.answers[command] = Output(text, errors, code)

    def write(self, path: str, content: Any, *, binary: bool = False) -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        fmt = plistlib.FMT_BINARY if binary else plistlib.FMT_XML
        place.write_bytes(
            content if isinstance(content, bytes) else plistlib.dumps(content, fmt=fmt)
        )

    def run(self, argv: Sequence[str], **_: object) -> Output:
        line = " ".join(argv)
        for command, output in self.answers.items():
            if line.startswith(command):
                return output
        raise UnreadableError(f"the command {argv[0]} is not installed on this computer")

    def read(self, name: str, where: Where | None = None) -> list[Row]:
        host = Host(root=self.root, run=self.run, uid=self.uid)
        return list({table.name: table for table in tables(host)}[name].rows(where or {}))


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


class TestPlist:
    PATH = "/Library/Preferences/com.apple.SoftwareUpdate.plist"

    @pytest.mark.parametrize("binary", [False, True])
    def test_values_of_both_formats(self, mac: Mac, *, binary: bool) -> None:
        mac.write(
            self.PATH,
            {
                "AutomaticCheckEnabled": False,
                "Level": 3,
                "When": dt.datetime(2026, 11, 22, 3, 0),  # noqa: DTZ001 - as property lists hold them
                "Nested": {"名前": ["a", "b"]},
            },
            binary=binary,
        )
        rows = mac.read("plist", {"path": (self.PATH,)})
        found = {(row["key"], row["subkey"]): row["value"] for row in rows}
        assert found == {
            ("AutomaticCheckEnabled", ""): "0",
            ("Level", ""): "3",
            ("When", ""): "1795316400",
            ("Nested", "名前/0"): "a",
            ("Nested", "名前/1"): "b",
        }

    def test_no_file_gives_no_rows(self, mac: Mac) -> None:
        assert mac.read("plist", {"path": (self.PATH,)}) == []

    @pytest.mark.parametrize(
        "broken",
        [b"", b"bplist00", b"bplist00" + b"\xff" * 40, b"<plist><dict>", b"\xff\xfe\x00", b"[1]"],
    )
    def test_a_broken_file_is_unreadable(self, mac: Mac, broken: bytes) -> None:
        mac.write(self.PATH, broken)
        with pytest.raises(UnreadableError):
            mac.read("plist", {"path": (self.PATH,)})

    def test_a_path_must_be_named(self, mac: Mac) -> None:
        with pytest.raises(UnreadableError, match="path ="):
            mac.read("plist")


def test_os_version(mac: Mac) -> None:
    with pytest.raises(UnreadableError):
        mac.read("os_version")
    mac.write(
        "/System/Library/CoreServices/SystemVersion.plist",
        {"ProductName": "macOS", "ProductVersion": "26.3", "ProductBuildVersion": "25D101"},
    )
    (row,) = mac.read("os_version")
    assert (row["major"], row["minor"], row["patch"], row["build"]) == (26, 3, 0, "25D101")


class TestFirewall:
    @pytest.mark.parametrize(
        ("text", "state"),
        [
            ("Firewall is disabled. (State = 0)\n", 0),
            ("Firewall is enabled. (State = 1)\n", 1),
            ("Firewall is blocking all non-essential incoming connections. (State = 2)\n", 2),
        ],
    )
    def test_state_by_number(self, mac: Mac, text: str, state: int) -> None:
        tool = "/usr/libexec/ApplicationFirewall/socketfilterfw"
        mac.prints(f"{tool} --getglobalstate", text)
        mac.prints(f"{tool} --getstealthmode", "Firewall stealth mode is on\n")
        (row,) = mac.read("alf")
        assert (row["global_state"], row["stealth_enabled"]) == (state, 1)

    def test_other_words_are_unreadable(self, mac: Mac) -> None:
        mac.prints("/usr/libexec/ApplicationFirewall/socketfilterfw", "must be root\n")
        with pytest.raises(UnreadableError):
            mac.read("alf")


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("System Integrity Protection status: enabled.\n", 1),
        ("System Integrity Protection status: disabled.\n", 0),
        ("System Integrity Protection status: unknown (Custom Configuration).\n", 0),
        ("System Integrity Protection status: enabled (Custom Configuration).\n", 0),
    ],
)
def test_sip(mac: Mac, text: str, enabled: int) -> None:
    mac.prints("/usr/bin/csrutil status", text)
    (row,) = mac.read("sip_config")
    assert (row["config_flag"], row["enabled"]) == ("sip", enabled)


def test_gatekeeper_tells_also_when_it_ends_with_an_error(mac: Mac) -> None:
    mac.prints("/usr/sbin/spctl --status", "", "assessments disabled\n", 1)
    assert mac.read("gatekeeper")[0]["assessments_enabled"] == 0
    mac.prints("/usr/sbin/spctl --status", "assessments enabled\n")
    assert mac.read("gatekeeper")[0]["assessments_enabled"] == 1
    mac.prints("/usr/sbin/spctl --status", "spctl: internal error\n", code=3)
    with pytest.raises(UnreadableError):
        mac.read("gatekeeper")


class TestFileVault:
    def test_the_system_volume_carries_the_state(self, mac: Mac) -> None:
        mac.prints("/usr/bin/fdesetup status", "FileVault is On.\n")
        mac.says("/sbin/mount", "mount.txt")
        (row,) = mac.read("disk_encryption")
        assert (row["name"], row["filevault_status"], row["encrypted"]) == (
            "/dev/disk3s1s1",
            "on",
            1,
        )

    @pytest.mark.parametrize(
        ("text", "state"),
        [
            ("FileVault is Off.\n", "off"),
            ("FileVault is On.\nEncryption in progress: Percent completed = 40\n", "unknown"),
        ],
    )
    def test_other_states(self, text: str, state: str) -> None:
        assert parse_filevault(text) == state

    def test_other_words_are_unreadable(self) -> None:
        with pytest.raises(UnreadableError):
            parse_filevault("Error: -69594\n")


def test_an_external_disk_is_found_by_its_bus(mac: Mac) -> None:
    mac.says("/usr/sbin/diskutil list -plist", "diskutil_list.plist")
    for name, bus in (("disk0", "PCI-Express"), ("disk4", "USB")):
        described = plistlib.dumps({"BusProtocol": bus}).decode()
        mac.prints(f"/usr/sbin/diskutil info -plist {name}", described)
    mac.says("/sbin/mount", "mount.txt")
    devices = {row["name"]: row["type"] for row in mac.read("block_devices")}
    assert devices["/dev/disk4s1"] == "USB"
    assert devices["/dev/disk0s1"] == "PCI-Express"
    external = [row["path"] for row in mac.read("mounts") if devices.get(row["device"]) == "USB"]
    assert external == ["/Volumes/共有 USB (1)"]


class TestSharing:
    COMMAND = "/bin/launchctl print-disabled system"

    def test_services_that_may_run_are_shared(self, mac: Mac) -> None:
        mac.says(self.COMMAND, "print_disabled.txt")
        mac.write(
            "/Library/Preferences/SystemConfiguration/com.apple.nat.plist", {"NAT": {"Enabled": 1}}
        )
        (row,) = mac.read("sharing_preferences")
        assert (row["remote_login"], row["screen_sharing"], row["file_sharing"]) == (1, 0, 1)
        assert (row["internet_sharing"], row["remote_management"]) == (1, 0)

    def test_older_systems_say_true_for_disabled(self) -> None:
        found = parse_disabled((RECORDED / "print_disabled_older.txt").read_text())
        assert found == {"com.apple.screensharing": False, "com.openssh.sshd": True}

    def test_a_refusal_is_unreadable(self, mac: Mac) -> None:
        mac.prints(self.COMMAND, "Could not print: 1\n")
        with pytest.raises(UnreadableError):
            mac.read("sharing_preferences")


class TestScreenLock:
    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("2026-11-23 10:00:00 sysadminctl[1:2] screenLock delay is 300 seconds\n", (1, 300)),
            ("sysadminctl[1:2] screenLock delay is immediate\n", (1, 0)),
            ("sysadminctl[1:2] screenLock is off\n", (0, -1)),
        ],
    )
    def test_as_the_person(self, mac: Mac, said: str, expected: tuple[int, int]) -> None:
        mac.prints("/usr/sbin/sysadminctl -screenLock status", "", said)
        (row,) = mac.read("screenlock")
        assert (row["enabled"], row["grace_period"]) == expected

    def test_root_is_not_a_person(self, mac: Mac) -> None:
        mac.uid = 0
        with pytest.raises(UnreadableError, match="agent of that person"):
            mac.read("screenlock")


def test_managed_policies_of_the_machine_and_of_a_person(mac: Mac) -> None:
    assert mac.read("managed_policies") == []
    base = "/Library/Managed Preferences"
    mac.write(f"{base}/com.apple.screensaver.plist", {"askForPassword": True, "idleTime": 600})
    mac.write(f"{base}/hanako/com.apple.dock.plist", {"autohide": False})
    found = {
        (r["domain"], r["name"], r["value"], r["username"]) for r in mac.read("managed_policies")
    }
    assert found == {
        ("com.apple.screensaver", "askForPassword", "1", ""),
        ("com.apple.screensaver", "idleTime", "600", ""),
        ("com.apple.dock", "autohide", "0", "hanako"),
    }


def test_accounts(mac: Mac) -> None:
    users = {row["username"]: row for row in mac.read("users")}
    assert (users["hanako"]["uid"], users["hanako"]["description"]) == (501, "山田 花子")
    assert (users["nobody"]["uid"], users["nobody"]["uid_signed"]) == (4294967294, -2)
    assert users["_mbsetupuser"]["is_hidden"] == 1
    assert {row["groupname"]: row["gid"] for row in mac.read("groups")} == {
        "admin": 80,
        "staff": 20,
    }
    assert {"uid": 501, "gid": 80} in mac.read("user_groups")
    mac.prints(
        "/usr/bin/who", "hanako  console  Nov 23 09:00\nhanako ttys001 Nov 23 09:01 (10.0.0.2)\n"
    )
    sessions = mac.read("logged_in_users")
    assert [(row["type"], row["host"]) for row in sessions] == [
        ("active", ""),
        ("user", "10.0.0.2"),
    ]


class TestWifi:
    def test_protection_without_any_name(self, mac: Mac) -> None:
        mac.says("/usr/sbin/system_profiler -json SPAirPortDataType", "airport.json")
        assert mac.read("wifi_status") == [{"interface": "en0", "security_type": "WPA2 Personal"}]

    def test_no_json_is_unreadable(self, mac: Mac) -> None:
        mac.prints("/usr/sbin/system_profiler -json SPAirPortDataType", "<xml/>")
        with pytest.raises(UnreadableError):
            mac.read("wifi_status")


def test_secure_boot_of_the_security_chip(mac: Mac) -> None:
    command = "/usr/sbin/system_profiler -json SPiBridgeDataType"
    mac.says(command, "ibridge.json")
    assert mac.read("secureboot")[0]["secure_boot"] == 1
    mac.prints(command, '{"SPiBridgeDataType": []}')
    assert mac.read("secureboot") == []
    mac.prints(command, '{"SPiBridgeDataType": [{"ibridge_secure_boot": "最高"}]}')
    with pytest.raises(UnreadableError, match="not known"):
        mac.read("secureboot")


def test_apps_of_the_machine_and_of_the_person(mac: Mac) -> None:
    facts = {"CFBundleIdentifier": "us.zoom.xos", "CFBundleShortVersionString": "6.6.0"}
    mac.write("/Applications/zoom.us.app/Contents/Info.plist", facts, binary=True)
    mac.write("/Applications/Broken.app/Contents/Info.plist", b"bplist00??")
    mac.write("/Users/hanako/Applications/AnyDesk.app/Contents/Info.plist", {})
    rows = {row["name"]: row for row in mac.read("apps")}
    assert rows["zoom.us.app"]["bundle_short_version"] == "6.6.0"
    assert rows.keys() == {"zoom.us.app", "Broken.app", "AnyDesk.app"}


def test_software_updates(mac: Mac) -> None:
    path = "/Library/Preferences/com.apple.SoftwareUpdate.plist"
    with pytest.raises(UnreadableError, match="never searched"):
        mac.read("software_update")
    checked = dt.datetime(2026, 11, 22, 3, 0)  # noqa: DTZ001 - as property lists hold them
    mac.write(
        path,
        {"LastUpdatesAvailable": 2, "RecommendedUpdates": [{}, {}], "LastSuccessfulDate": checked},
    )
    (row,) = mac.read("software_update")
    assert (row["pending_count"], row["recommended_count"], row["checked_at"]) == (2, 2, 1795316400)


def test_time_machine(mac: Mac) -> None:
    assert mac.read("backup_jobs") == []
    content = (RECORDED / "time_machine.plist").read_bytes()
    mac.write("/Library/Preferences/com.apple.TimeMachine.plist", content)
    (job,) = mac.read("backup_jobs")
    assert (job["tool"], job["enabled"], job["encrypted"]) == ("time_machine", 1, 1)
    assert job["last_success"] == 1795316400
    assert len(mac.read("time_machine_backups")) == 2
    assert mac.read("time_machine_destinations")[0]["encryption"] == "Encrypted"


def test_certificates_of_keychains_and_files(mac: Mac) -> None:
    mac.write("/Library/Keychains/System.keychain", b"x")
    mac.prints("/usr/bin/security", "")
    assert mac.read("certificates") == []
    mac.prints("/usr/bin/security", "-----BEGIN CERTIFICATE-----\nMIIB")
    with pytest.raises(UnreadableError, match="middle of a certificate"):
        mac.read("certificates", {"path": ("/Library/Keychains/System.keychain",)})
