"""Linux tables over made-up computers: a folder as root, recorded commands."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from sekisho.agent.table import Row, UnreadableError, Where
from sekisho.agent.tables.commands import Output
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux import tables

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/:/usr/sbin/nologin
hanako:x:1000:1000:山田 花子,,,:/home/hanako:/bin/bash
torn:x:1001
"""


class Computer:
    """A folder that stands for a computer's root, with commands answered from a table."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers: dict[str, Output] = {}
        self.uid = 0

    def write(self, path: str, content: str | bytes = "") -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def says(self, command: str, text: str, code: int = 0, errors: str = "") -> None:
        self.answers[command] = Output(text, errors, code)

    def run(self, argv: Sequence[str], **_: object) -> Output:
        line = " ".join(argv)
        for command, output in self.answers.items():
            if line.startswith(command):
                return output
        raise UnreadableError(f"the command {argv[0]} is not installed on this computer")

    def read(self, name: str, where: Where | None = None) -> list[Row]:
        host = Host(root=self.root, run=self.run, uid=self.uid, clock=lambda: 1_795_395_600.0)
        return list({table.name: table for table in tables(host)}[name].rows(where or {}))


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path)
    made.write("/etc/passwd", PASSWD)
    return made


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (
            'NAME="Ubuntu"\nVERSION="22.04.3 LTS (Jammy Jellyfish)"\nID=ubuntu\nID_LIKE=debian\n',
            ("ubuntu", 22, 4, 3),
        ),
        ('NAME="Fedora Linux"\nVERSION="43 (Workstation)"\nID=fedora\n', ("fedora", 43, 0, 0)),
        ("NAME=Arch\nID=arch\nBUILD_ID=rolling\n", ("arch", 0, 0, 0)),
    ],
)
def test_os_version_of_other_distributions(
    computer: Computer, release: str, expected: tuple[object, ...]
) -> None:
    computer.write("/etc/os-release", release)
    (row,) = computer.read("os_version")
    assert (row["platform"], row["major"], row["minor"], row["patch"]) == expected


@pytest.mark.parametrize(
    "table",
    ["os_version", "uptime", "mounts", "processes", "listening_ports", "block_devices", "groups"],
)
def test_a_missing_source_is_unreadable(computer: Computer, table: str) -> None:
    with pytest.raises(UnreadableError):
        computer.read(table)


@pytest.mark.parametrize("table", ["deb_packages", "rpm_packages", "usb_devices", "secureboot"])
def test_what_a_computer_does_not_have_gives_no_rows(computer: Computer, table: str) -> None:
    assert computer.read(table) == []


class TestSecureBoot:
    VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

    @pytest.mark.parametrize("state", [0, 1])
    def test_the_variable_tells(self, computer: Computer, state: int) -> None:
        computer.write(self.VARIABLE, bytes([6, 0, 0, 0, state]))
        (row,) = computer.read("secureboot")
        assert row["secure_boot"] == state

    def test_efi_without_its_variables_is_unreadable(self, computer: Computer) -> None:
        computer.write("/sys/firmware/efi/fw_platform_size", "64\n")
        with pytest.raises(UnreadableError, match="efivarfs"):
            computer.read("secureboot")

    def test_a_torn_variable_is_unreadable(self, computer: Computer) -> None:
        computer.write(self.VARIABLE, b"\x06\x00")
        with pytest.raises(UnreadableError, match="2 bytes"):
            computer.read("secureboot")


class TestDisks:
    def lay_out(self, computer: Computer, dm_uuid: str) -> None:
        """Root on LVM (dm-1) on dm-0 on the partition vda2."""
        for name, slave in (("dm-0", "vda2"), ("dm-1", "dm-0")):
            computer.write(f"/sys/devices/virtual/block/{name}/slaves/{slave}/x")
            computer.write(f"/sys/devices/virtual/block/{name}/size", "2048\n")
        computer.write("/sys/devices/virtual/block/dm-0/dm/uuid", f"{dm_uuid}\n")
        computer.write("/sys/devices/virtual/block/dm-1/dm/uuid", "LVM-abc\n")
        computer.write("/sys/devices/pci/block/vda/size", "4096\n")
        computer.write("/sys/devices/pci/block/vda/vda2/partition", "2\n")
        (computer.root / "sys/class/block").mkdir(parents=True)
        for name, place in (
            ("dm-0", "virtual/block/dm-0"),
            ("dm-1", "virtual/block/dm-1"),
            ("vda", "pci/block/vda"),
            ("vda2", "pci/block/vda/vda2"),
        ):
            link = computer.root / "sys/class/block" / name
            link.symlink_to(f"../../devices/{place}")

    @pytest.mark.parametrize(
        ("uuid", "encrypted"),
        [
            ("CRYPT-LUKS2-1234-root", {"/dev/dm-0", "/dev/dm-1"}),
            ("CRYPT-VERITY-1234-root", set()),
            ("LVM-1234", set()),
        ],
    )
    def test_what_lies_on_a_crypt_mapping_is_encrypted(
        self, computer: Computer, uuid: str, encrypted: set[str]
    ) -> None:
        self.lay_out(computer, uuid)
        found = {row["name"] for row in computer.read("disk_encryption") if row["encrypted"]}
        assert found == encrypted

    def test_the_chain_from_mount_to_disk_can_be_walked(self, computer: Computer) -> None:
        self.lay_out(computer, "CRYPT-LUKS2-1234-root")
        computer.write("/dev/dm-1")
        (computer.root / "dev/mapper").mkdir()
        (computer.root / "dev/mapper/vg-root").symlink_to("../dm-1")
        computer.write("/proc/mounts", "/dev/mapper/vg-root / ext4 rw 0 0\n")
        (mount,) = computer.read("mounts")
        assert mount["device_alias"] == "/dev/dm-1"
        parents = {row["name"]: row["parent"] for row in computer.read("block_devices")}
        assert parents == {
            "/dev/dm-1": "/dev/dm-0",
            "/dev/dm-0": "/dev/vda2",
            "/dev/vda2": "/dev/vda",
            "/dev/vda": "",
        }

    def test_octal_escapes_in_mounts_are_undone_and_torn_lines_refused(
        self, computer: Computer
    ) -> None:
        computer.write("/proc/mounts", "//nas/a\\040b /mnt/共有\\040x cifs rw 0 0\n")
        (row,) = computer.read("mounts")
        assert (row["device"], row["path"]) == ("//nas/a b", "/mnt/共有 x")
        computer.write("/proc/mounts", "/dev/sda1 /\n")
        with pytest.raises(UnreadableError):
            computer.read("mounts")


def test_a_usb_stick_is_found_by_its_interface_class(computer: Computer) -> None:
    base = "/sys/bus/usb/devices"
    facts = {
        "idVendor": "0951",
        "idProduct": "1666",
        "bDeviceClass": "00",
        "removable": "removable",
    }
    for name, value in facts.items():
        computer.write(f"{base}/1-2/{name}", f"{value}\n")
    computer.write(f"{base}/1-2:1.0/bInterfaceClass", "03\n")
    computer.write(f"{base}/1-2:1.1/bInterfaceClass", "08\n")
    (row,) = computer.read("usb_devices")
    assert (row["class"], row["removable"], row["vendor_id"]) == ("8", 1, "0951")


class TestPackages:
    def test_known_but_removed_packages_keep_their_status(self, computer: Computer) -> None:
        computer.write(
            "/var/lib/dpkg/status",
            "Package: zoom\nStatus: install ok installed\nVersion: 6.6.0-1\n"
            "Description: x\n long text\n .\n more\n\n"
            "Package: old\nStatus: deinstall ok config-files\nVersion: 1\n",
        )
        rows = computer.read("deb_packages")
        assert [(r["name"], r["status"]) for r in rows] == [
            ("zoom", "install ok installed"),
            ("old", "deinstall ok config-files"),
        ]
        assert rows[0]["revision"] == "1"
        assert len(computer.read("deb_packages", {"name": ("zoom",)})) == 1

    @pytest.mark.parametrize(
        "torn",
        [
            "Package: a\nStatus: install ok installed\n\n",
            "Package: a\nStatus: install ok installed\nVers",
            "\x00\x00\x00\n",
            "Version: 1\n\n",
        ],
    )
    def test_a_torn_status_is_unreadable(self, computer: Computer, torn: str) -> None:
        computer.write("/var/lib/dpkg/status", torn)
        with pytest.raises(UnreadableError):
            computer.read("deb_packages")

    def test_rpm_is_asked_only_where_it_has_a_database(self, computer: Computer) -> None:
        computer.write("/var/lib/rpm/rpmdb.sqlite")
        with pytest.raises(UnreadableError, match="not installed"):
            computer.read("rpm_packages")
        line = "zoom\t6.6.0\t1\t(none)\t123\tab\tx86_64\t0\t1700000000\tZoom\tUnspecified\n"
        host_answer = Output(line, "", 0)
        computer.answers["rpm -qa"] = computer.answers["/usr/bin/rpm -qa"] = host_answer
        (row,) = computer.read("rpm_packages")
        assert (row["name"], row["source"], row["version"]) == ("zoom", "", "6.6.0")


class TestPendingUpdates:
    LIST = "/var/lib/apt/lists/security.ubuntu.com_ubuntu_dists_jammy-security_main_Packages"
    STATUS = (
        "Package: openssl\nStatus: install ok installed\nVersion: 3.0.2-0ubuntu1.9\n\n"
        "Package: bash\nStatus: install ok installed\nVersion: 5.1-6ubuntu1\n"
    )

    def test_newer_versions_of_installed_packages_are_counted(self, computer: Computer) -> None:
        computer.write("/var/lib/dpkg/status", self.STATUS)
        computer.write(
            self.LIST,
            "Package: openssl\nVersion: 3.0.2-0ubuntu1.10\n\n"
            "Package: bash\nVersion: 5.1-6\n\nPackage: zsh\nVersion: 9\n",
        )
        (row,) = computer.read("pending_updates")
        assert (row["manager"], row["security_count"]) == ("apt", 1)

    def test_without_lists_of_a_security_archive_nothing_is_claimed(
        self, computer: Computer
    ) -> None:
        computer.write("/var/lib/dpkg/status", self.STATUS)
        computer.write("/var/lib/apt/lists/mirror_dists_jammy_main_Packages", "")
        with pytest.raises(UnreadableError, match="security archive"):
            computer.read("pending_updates")

    def test_dnf_s_security_advisories_are_counted_by_package(self, computer: Computer) -> None:
        computer.write("/usr/bin/dnf")
        computer.write("/var/cache/dnf/x")
        computer.says(
            "/usr/bin/dnf",
            "FEDORA-2026-1234 Important/Sec. openssl-3.2.1-2.fc43.x86_64\n"
            "FEDORA-2026-9999 Moderate/Sec.  curl-8.9.1-3.fc43.x86_64\n",
        )
        (row,) = computer.read("pending_updates")
        assert (row["manager"], row["security_count"]) == ("dnf", 2)


class TestAugeas:
    def test_apt_settings_in_both_notations(self, computer: Computer) -> None:
        computer.write(
            "/etc/apt/apt.conf.d/20auto-upgrades",
            '// note "x"\nAPT::Periodic::Unattended-Upgrade "1";\n'
            'APT { Periodic { Update-Package-Lists "1"; }; };\n'
            'Unattended-Upgrade::Origins-Pattern { "origin=Debian"; "https://x/y"; };\n',
        )
        rows = computer.read("augeas", {"path~": ("/etc/apt/apt.conf.d/%",)})
        found = [(row["label"], row["value"]) for row in rows]
        assert ("Unattended-Upgrade", "1") in found
        assert ("Update-Package-Lists", "1") in found
        assert ("Origins-Pattern", "https://x/y") in found
        assert str(rows[0]["node"]) == (
            "/files/etc/apt/apt.conf.d/20auto-upgrades/APT/Periodic/Unattended-Upgrade"
        )

    def test_ufw_and_gdm(self, computer: Computer) -> None:
        computer.write("/etc/ufw/ufw.conf", "# ufw\nENABLED=yes\nLOGLEVEL=low\n")
        computer.write("/etc/gdm3/custom.conf", "[daemon]\n# x=y\nAutomaticLoginEnable = True\n")
        (ufw,) = [
            row
            for row in computer.read("augeas", {"path": ("/etc/ufw/ufw.conf",)})
            if row["label"] == "ENABLED"
        ]
        assert ufw["value"] == "yes"
        (gdm,) = computer.read("augeas", {"path": ("/etc/gdm3/custom.conf",)})
        assert (gdm["label"], gdm["value"]) == ("AutomaticLoginEnable", "True")

    def test_names_and_keys_of_wireless_networks_never_leave_the_file(
        self, computer: Computer
    ) -> None:
        folder = "/etc/NetworkManager/system-connections"
        computer.write(
            f"{folder}/山田家.nmconnection",
            "[connection]\nid=山田家\ntype=wifi\n[wifi]\nssid=山田家\n"
            "[wifi-security]\nkey-mgmt=wpa-psk\npsk=himitsu123\n",
        )
        computer.write(f"{folder}/cafe.nmconnection", "[connection]\nid=cafe\ntype=wifi\n")
        computer.write(f"{folder}/eth.nmconnection", "[connection]\nid=e\ntype=ethernet\n")
        rows = computer.read("augeas", {"path~": (f"{folder}/%",)})
        assert [(row["label"], row["value"]) for row in rows] == [
            ("security", "open"),
            ("key-mgmt", "wpa-psk"),
        ]
        assert not any(
            "山田" in str(row) or "himitsu" in str(row) or "cafe" in str(row) for row in rows
        )

    def test_sshd_match_blocks_are_kept_apart(self, computer: Computer) -> None:
        computer.write(
            "/etc/ssh/sshd_config",
            "PermitRootLogin no # x\nMatch User x\n  PasswordAuthentication yes\n",
        )
        rows = computer.read("augeas", {"path": ("/etc/ssh/sshd_config",)})
        assert [row["node"] for row in rows] == [
            "/files/etc/ssh/sshd_config/PermitRootLogin",
            "/files/etc/ssh/sshd_config/Match/Settings/PasswordAuthentication",
        ]


class TestDesktops:
    def program(self, computer: Computer, name: str) -> None:
        computer.write("/proc/77/status", f"Name:\t{name}\nUid:\t1000\t1000\t1000\t1000\n")

    def gnome(self, computer: Computer, lock: str, idle: str) -> None:
        self.program(computer, "gnome-shell")
        computer.write("/usr/bin/gsettings")
        computer.write("/usr/lib/gio/modules/libdconfsettings.so")
        say = "gsettings list-recursively org.gnome.desktop."
        computer.says(f"{say}session", f"org.gnome.desktop.session idle-delay uint32 {idle}\n")
        computer.says(
            f"{say}screensaver",
            f"org.gnome.desktop.screensaver lock-enabled {lock}\n"
            "org.gnome.desktop.screensaver lock-delay uint32 30\n",
        )
        computer.says(f"{say}lockdown", "org.gnome.desktop.lockdown disable-lock-screen false\n")
        computer.says("gsettings list-recursively", "", 1, "No such schema “x”\n")

    @pytest.mark.parametrize(
        ("lock", "idle", "expected"),
        [("true", "300", 330), ("false", "300", None), ("true", "0", None)],
    )
    def test_gnome(self, computer: Computer, lock: str, idle: str, expected: int | None) -> None:
        self.gnome(computer, lock, idle)
        (row,) = computer.read("screen_lock")
        assert (row["uid"], row["desktop"]) == (1000, "gnome")
        assert row["locks_within_seconds"] == expected

    def test_gsettings_rows_can_be_asked_by_schema(self, computer: Computer) -> None:
        self.gnome(computer, "true", "300")
        rows = computer.read("gsettings", {"schema": ("org.gnome.desktop.session",)})
        assert {(row["key"], row["value"]) for row in rows} == {("idle-delay", "uint32 300")}

    def test_gsettings_without_dconf_is_not_believed(self, computer: Computer) -> None:
        computer.write("/usr/bin/gsettings")
        with pytest.raises(UnreadableError, match="without dconf"):
            computer.read("gsettings")

    def test_plasma_and_its_defaults(self, computer: Computer) -> None:
        self.program(computer, "plasmashell")
        assert computer.read("screen_lock")[0]["locks_within_seconds"] == 305
        path = "/home/hanako/.config/kscreenlockerrc"
        computer.write(path, "[Daemon]\nAutolock=true\nTimeout=20\nLockGrace=10\n")
        assert computer.read("screen_lock")[0]["locks_within_seconds"] == 1210
        computer.write(path, "[Daemon]\nAutolock=false\n")
        assert computer.read("screen_lock")[0]["lock_enabled"] == 0

    def test_plasma_s_system_settings_and_their_lock(self, computer: Computer) -> None:
        self.program(computer, "plasmashell")
        computer.write("/etc/xdg/kscreenlockerrc", "[Daemon]\nAutolock=false\n")
        assert computer.read("screen_lock")[0]["lock_enabled"] == 0
        own = "/home/hanako/.config/kscreenlockerrc"
        computer.write(own, "[Daemon]\nAutolock=true\n")
        assert computer.read("screen_lock")[0]["lock_enabled"] == 1
        computer.write("/etc/xdg/kscreenlockerrc", "[Daemon][$i]\nAutolock=false\n")
        assert computer.read("screen_lock")[0]["lock_enabled"] == 0

    def test_xfce_and_a_torn_channel(self, computer: Computer) -> None:
        self.program(computer, "xfce4-session")
        with pytest.raises(UnreadableError, match="without xfce4-screensaver"):
            computer.read("screen_lock")
        computer.write("/proc/78/status", "Name:\txfce4-screensav\nUid:\t1000\n")
        assert computer.read("screen_lock")[0]["locks_within_seconds"] == 300
        path = "/home/hanako/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml"
        computer.write(
            path,
            '<channel name="xfce4-screensaver"><property name="saver" type="empty">'
            '<property name="idle-activation" type="empty">'
            '<property name="delay" type="int" value="10"/></property></property></channel>',
        )
        assert computer.read("screen_lock")[0]["locks_within_seconds"] == 600
        computer.write(path, "<channel><prop")
        with pytest.raises(UnreadableError, match="broken"):
            computer.read("screen_lock")

    def test_a_desktop_that_is_not_known_is_unreadable(self, computer: Computer) -> None:
        self.program(computer, "sway")
        with pytest.raises(UnreadableError, match="not known"):
            computer.read("screen_lock")

    def test_nobody_at_a_desktop_gives_no_rows(self, computer: Computer) -> None:
        self.program(computer, "bash")
        assert computer.read("screen_lock") == []


class TestWireless:
    def connect(self, computer: Computer) -> None:
        computer.write("/sys/class/net/wlan0/operstate", "up\n")
        computer.write("/sys/class/net/wlan0/wireless/x")

    @pytest.mark.parametrize(
        ("security", "expected"),
        [
            ("WPA2", "WPA2 Personal"),
            ("WPA1 WPA2", "WPA Personal Mixed"),
            ("WPA2 802.1X", "WPA2 Enterprise"),
            ("WPA2 WPA3", "WPA2 Personal"),
            ("WPA3", "WPA3 Personal"),
            ("WEP", "WEP"),
            ("", "Open"),
            ("--", "Open"),
        ],
    )
    def test_by_network_manager(self, computer: Computer, security: str, expected: str) -> None:
        self.connect(computer)
        computer.says("nmcli", f"no:wlan0:WEP\nyes:wlan0:{security}\n")
        (row,) = computer.read("wifi_status")
        assert (row["interface"], row["security_type"]) == ("wlan0", expected)
        assert not row.get("ssid")

    def test_by_the_supplicant(self, computer: Computer) -> None:
        self.connect(computer)
        computer.says("wpa_cli", "ssid=himitsu\nkey_mgmt=SAE\nwpa_state=COMPLETED\n")
        (row,) = computer.read("wifi_status")
        assert row["security_type"] == "WPA3 Personal"
        assert "himitsu" not in str(row)

    def test_connected_by_means_unknown_is_unreadable(self, computer: Computer) -> None:
        self.connect(computer)
        with pytest.raises(UnreadableError):
            computer.read("wifi_status")

    def test_no_wireless_connection_gives_no_rows(self, computer: Computer) -> None:
        computer.write("/sys/class/net/eth0/operstate", "up\n")
        computer.write("/sys/class/net/wlan0/operstate", "down\n")
        computer.write("/sys/class/net/wlan0/wireless/x")
        assert computer.read("wifi_status") == []


class TestFirewall:
    def test_a_user_cannot_see_rules(self, computer: Computer) -> None:
        computer.uid = 1000
        computer.write("/sys/module/nf_tables/x")
        computer.write("/usr/sbin/iptables-save")
        for table in ("nftables_chains", "iptables"):
            with pytest.raises(UnreadableError, match="root alone"):
                computer.read(table)

    def test_rules_of_iptables(self, computer: Computer) -> None:
        computer.write("/usr/sbin/iptables-save")
        computer.says(
            "/usr/sbin/iptables-save",
            "*filter\n:INPUT DROP [5:300]\n:ufw-in - [0:0]\n"
            "[1:60] -A INPUT -s 192.168.0.0/16 -p tcp -m tcp --dport 22 -j ACCEPT\n"
            "[0:0] -A INPUT ! -i lo -j ufw-in\nCOMMIT\n",
        )
        rows = computer.read("iptables")
        assert (rows[0]["chain"], rows[0]["policy"], rows[0]["filter_name"]) == (
            "INPUT",
            "DROP",
            "filter",
        )
        assert (rows[2]["dst_port"], rows[2]["protocol"], rows[2]["target"]) == ("22", 6, "ACCEPT")
        assert (rows[2]["src_ip"], rows[2]["src_mask"]) == ("192.168.0.0", "16")
        assert rows[3]["iniface"] == "!lo"

    def test_no_firewall_in_the_kernel_gives_no_rows(self, computer: Computer) -> None:
        computer.write("/proc/modules", "ext4 1 0 - Live 0x0\n")
        assert computer.read("nftables_chains") == []
        assert computer.read("iptables") == []


class TestSystemd:
    SHOWN = (
        "Id=ufw.service\nDescription=防火壁\nLoadState=loaded\nActiveState=active\n"
        "SubState=exited\nFragmentPath=/lib/systemd/system/ufw.service\n\n"
        "Id=gone.service\nLoadState=not-found\nActiveState=inactive\n"
    )

    def test_units_that_do_not_exist_are_left_out(self, computer: Computer) -> None:
        computer.write("/run/systemd/system/x")
        computer.says("systemctl show", self.SHOWN)
        (row,) = computer.read("systemd_units", {"id": ("ufw.service", "gone.service")})
        assert (row["id"], row["active_state"], row["job_id"]) == ("ufw.service", "active", 0)

    def test_backup_timers(self, computer: Computer) -> None:
        computer.write("/run/systemd/system/x")
        computer.says(
            "systemctl show",
            "Id=restic-backup.timer\nActiveState=active\nTriggers=restic-backup.service\n\n"
            "Id=dpkg-db-backup.timer\nActiveState=active\nTriggers=dpkg-db-backup.service\n\n"
            "Id=restic-backup.service\nActiveState=inactive\nResult=success\n"
            "ExecMainExitTimestamp=@1795300000\n",
        )
        (row,) = computer.read("backup_jobs")
        assert (row["tool"], row["enabled"], row["last_success"]) == ("restic", 1, 1795300000)

    def test_a_failed_backup_has_no_success(self, computer: Computer) -> None:
        computer.write("/run/systemd/system/x")
        computer.says(
            "systemctl show",
            "Id=borgmatic.timer\nActiveState=active\nTriggers=borgmatic.service\n\n"
            "Id=borgmatic.service\nResult=exit-code\nExecMainExitTimestamp=@1795300000\n",
        )
        (row,) = computer.read("backup_jobs")
        assert row["last_success"] is None


def test_deja_dup_and_timeshift(computer: Computer) -> None:
    computer.write("/usr/bin/deja-dup")
    computer.says("gsettings get org.gnome.DejaDup periodic", "true\n")
    computer.says("gsettings get org.gnome.DejaDup last-backup", "'2026-11-22T03:00:00Z'\n")
    computer.write("/etc/timeshift/timeshift.json", '{"schedule_daily": "true"}')
    computer.write("/timeshift/snapshots/2026-11-20_03-00-01/info.json")
    found = {row["tool"]: row for row in computer.read("backup_jobs") if row["username"] != "root"}
    assert found["deja-dup"]["last_success"] == 1795316400
    (shift,) = [row for row in computer.read("backup_jobs") if row["tool"] == "timeshift"]
    assert shift["enabled"] == 1
    assert shift["last_success"] is not None


def test_extensions_are_told_by_identifier_alone(computer: Computer) -> None:
    identifier = "inomeogfingihgjfjlpeplalcfajhgai"
    base = f"/home/hanako/.config/google-chrome/Profile 1/Extensions/{identifier}/2.1_0"
    computer.write(f"{base}/manifest.json", '{"name": "Chrome Remote Desktop"}')
    computer.write("/home/hanako/.config/google-chrome/Default/Extensions/Temp/x")
    (row,) = computer.read("chrome_extensions")
    assert row == {
        "browser_type": "chrome",
        "uid": 1000,
        "identifier": identifier,
        "version": "2.1",
    }
    assert computer.read("chrome_extensions", {"uid": ("0",)}) == []


def test_utmp_and_logind(computer: Computer) -> None:
    record = struct.Struct("<hxxi32s4s32s256shhiii16s20x").pack(
        7, 900, b"tty2", b"2", b"hanako", b"", 0, 0, 0, 1795300000, 0, b""
    )
    computer.write("/run/utmp", record + b"torn")
    (row,) = computer.read("logged_in_users")
    assert (row["user"], row["tty"], row["time"]) == ("hanako", "tty2", 1795300000)
    (computer.root / "run/utmp").unlink()
    with pytest.raises(UnreadableError):
        computer.read("logged_in_users")
    computer.write("/run/systemd/sessions/3", "USER=hanako\nTTY=tty2\nREALTIME=1795300000000000\n")
    (session,) = computer.read("logged_in_users")
    assert (session["user"], session["time"]) == ("hanako", 1795300000)


def test_a_folder_that_may_not_be_listed_is_unreadable_not_empty(computer: Computer) -> None:
    computer.write("/etc/passwd", "x" * 10)
    (computer.root / "etc/ufw").write_text("not a folder")
    assert computer.read("augeas", {"path": ("/etc/ufw/ufw.conf",)}) == []
    (computer.root / "etc/ufw").unlink()
    (computer.root / "etc/ufw").symlink_to(computer.root / "etc/ufw")  # a loop: ELOOP
    with pytest.raises(UnreadableError):
        computer.read("augeas", {"path": ("/etc/ufw/ufw.conf",)})
