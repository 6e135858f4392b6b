"""Linux tables over made-up computers: a folder as root, recorded commands."""

import pytest

from sekisho.agent.table import UnreadableError
from sekisho.agent.tables.commands import Output
from support.linux_computer import Computer


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
