"""Linux from files: desktops, wireless networks, the firewall, services, backups and sessions."""

import struct

import pytest

from sekisho.agent.table import UnreadableError
from support.linux_computer import Computer


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
