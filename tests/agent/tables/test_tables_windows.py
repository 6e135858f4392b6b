"""Windows tables over recorded answers, in English and Japanese: never by localized text."""

import base64
import datetime as dt
import struct
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sekisho.agent.table import UnreadableError
from sekisho.agent.tables.commands import Output
from sekisho.agent.tables.windows import accounts, cim, registry, security, updates
from sekisho.agent.tables.windows.certificates import store_rows
from sekisho.agent.tables.windows.network import wifi_rows, wifi_security
from sekisho.agent.tables.windows.powershell import Answer
from support.windows_computer import RECORDED, read, recorded, recorded_registry

LANGUAGES = ("en", "ja")

TERMINAL = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Terminal Server"


class TestRegistry:
    def test_by_key_with_values_and_subkeys(self) -> None:
        rows = {str(row["name"]): row for row in read("registry", {"key": (TERMINAL,)})}
        assert rows["fDenyTSConnections"]["data"] == "0"
        assert rows["fDenyTSConnections"]["type"] == "REG_DWORD"
        assert rows["blob"]["data"] == "00FF"
        assert rows["WinStations"]["type"] == "subkey"
        assert rows["fDenyTSConnections"]["mtime"] == 1_700_000_000

    def test_the_spelling_of_the_query_is_kept_so_that_sql_agrees(self) -> None:
        path = rf"{TERMINAL}\FDENYTSCONNECTIONS"
        assert path in [row["path"] for row in read("registry", {"path": (path,)})]
        where = {"key": (TERMINAL.lower(),), "name": ("fdenytsconnections",)}
        found = [(row["key"], row["name"]) for row in read("registry", where)]
        assert (TERMINAL.lower(), "fdenytsconnections") in found

    def test_a_pattern_goes_through_the_loaded_profiles(self) -> None:
        pattern = r"HKEY_USERS\S-1-5-21-%\Control Panel\Desktop"
        rows = read("registry", {"key~": (pattern,)})
        assert {row["name"] for row in rows} == {
            "ScreenSaveActive",
            "ScreenSaverIsSecure",
            "ScreenSaveTimeOut",
        }
        assert {row["key"] for row in rows} == {
            r"HKEY_USERS\S-1-5-21-1-2-3-1001\Control Panel\Desktop"
        }

    def test_a_missing_key_gives_no_rows_and_a_refused_one_is_unreadable(self) -> None:
        assert read("registry", {"key": (r"HKEY_LOCAL_MACHINE\SOFTWARE\None",)}) == []
        with pytest.raises(UnreadableError):
            read("registry", {"key": (r"HKEY_LOCAL_MACHINE\refused",)})

    def test_the_whole_registry_is_not_walked(self) -> None:
        with pytest.raises(UnreadableError, match="needs key or path"):
            read("registry")

    @pytest.mark.parametrize(
        ("data", "expected"),
        [(5, "5"), (b"\x0a", "0A"), (["a", "b"], "a,b"), (None, ""), ("x", "x")],
    )
    def test_data_is_shown_as_osquery_does(self, data: object, expected: str) -> None:
        assert registry.shown(data) == expected


def test_windows_eleven_is_told_by_its_build() -> None:
    (row,) = read("os_version")
    assert row["name"] == "Microsoft Windows 11 Pro"
    assert (row["build"], row["revision"], row["version"]) == ("26200", 7019, "10.0.26200")
    assert row["extra"] == "25H2"


def test_secure_boot_comes_from_the_registry() -> None:
    assert [row["secure_boot"] for row in read("secureboot")] == [1]


def test_programs_of_the_machine_and_of_people() -> None:
    rows = {str(row["name"]): row for row in read("programs")}
    assert rows.keys() == {"Zoom Workplace (64-bit)", "一太郎ビューア", "AnyDesk"}
    assert rows["Zoom Workplace (64-bit)"]["version"] == "6.6.0"
    assert rows["一太郎ビューア"]["identifying_number"] == "{AC76BA86}"


def test_firewall_rules_of_the_registry() -> None:
    first, second = read("windows_firewall_rules")
    assert (first["action"], first["enabled"], first["direction"]) == ("Allow", 1, "In")
    assert (first["local_ports"], first["protocol"]) == ("3389", "TCP")
    assert (first["profile_domain"], first["profile_public"]) == (1, 0)
    assert (second["enabled"], second["local_ports"]) == (0, "53,1000-2000")
    assert (second["profile_domain"], second["profile_public"]) == (1, 1)


def test_a_registry_without_firewall_rules_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="FirewallRules"):
        list(security.rule_rows(lambda _: None))


@pytest.mark.parametrize("language", LANGUAGES)
def test_security_products_by_their_packed_state(language: str) -> None:
    first, second = cim.product_rows(recorded(f"{language}/products.json"))
    assert (first["type"], first["state"], first["signatures_up_to_date"]) == ("Antivirus", "On", 1)
    assert (second["state"], second["signatures_up_to_date"]) == ("Off", 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_services_by_fixed_words(language: str) -> None:
    rows = {row["name"]: row for row in cim.service_rows(recorded(f"{language}/services.json"))}
    assert (rows["Sense"]["status"], rows["Sense"]["start_type"]) == ("RUNNING", "AUTO_START")
    assert rows["Sense"]["service_type"] == "OWN_PROCESS"
    assert (rows["TermService"]["status"], rows["TermService"]["start_type"]) == (
        "STOPPED",
        "DEMAND_START",
    )
    assert rows["wuauserv"]["status"] == "START_PENDING"


def test_bitlocker_as_administrator() -> None:
    first, second = cim.bitlocker_rows(recorded("en/bitlocker_admin.json"))
    assert (first["drive_letter"], first["protection_status"], first["conversion_status"]) == (
        "C:",
        1,
        1,
    )
    assert second["protection_status"] == 0


def test_bitlocker_as_a_user() -> None:
    rows = list(cim.bitlocker_rows(recorded("ja/bitlocker_user.json")))
    assert [(r["protection_status"], r["conversion_status"]) for r in rows] == [
        (1, 1),
        (0, 1),  # suspended: encrypted, but the key lies open
        (0, 0),
    ]


@pytest.mark.parametrize("seen", [None, 0, 7, "x"])
def test_a_drive_whose_state_is_hidden_is_unreadable(seen: object) -> None:
    with pytest.raises(UnreadableError, match="needs an administrator"):
        list(cim.bitlocker_rows([{"DriveLetter": "C:", "Shell": seen}]))


def test_disks_shares_features_and_adapters() -> None:
    assert [r["type"] for r in cim.disk_rows(recorded("en/disks.json"))] == ["SCSI", "USB"]
    shares = list(cim.share_rows(recorded("ja/shares.json")))
    assert [(r["name"], r["type"]) for r in shares] == [
        ("ADMIN$", 2147483648),
        ("共有", 0),
        ("IPC$", 2147483651),
    ]
    assert shares[0]["type_name"] == "Disk Drive Admin"
    features = list(cim.feature_rows(recorded("ja/features.json")))
    assert [(r["state"], r["statename"]) for r in features] == [
        (2, "Disabled"),
        (1, "Enabled"),
        (3, "Absent"),
    ]
    adapters = list(cim.adapter_rows(recorded("ja/adapters.json")))
    up = [r["description"] for r in adapters if r["connection_status"] == "2"]
    assert up == ["Intel(R) Ethernet Connection", "WireGuard Tunnel"]


class TestSecurityCenter:
    def test_health_words(self) -> None:
        def health(provider: int) -> tuple[int, int]:
            return {1: (0, 0), 2: (0, 2), 4: (0, 3), 32: (0, 1)}.get(provider, (-1, 0))

        (row,) = security.center_rows(health)
        assert (row["firewall"], row["autoupdate"], row["antivirus"]) == ("Good", "Poor", "Snoozed")
        assert (row["user_account_control"], row["internet_settings"]) == ("Not Monitored", "Error")

    def test_a_center_that_does_not_answer_is_unreadable(self) -> None:
        with pytest.raises(UnreadableError, match="no answer"):
            list(security.center_rows(lambda _: (1, 0)))


class TestPolicy:
    def test_an_administrator_sees_the_whole_policy(self) -> None:
        (row,) = security.profile_rows(recorded("ja/profile_admin.json"))
        assert (row["enable_guest_account"], row["enable_admin_account"]) == (1, 0)
        assert (row["minimum_password_length"], row["audit_logon_events"]) == ("8", "3")
        assert row["new_administrator_name"] == "管理者"

    def test_a_user_sees_the_built_in_accounts(self) -> None:
        (row,) = security.profile_rows(recorded("en/profile_user.json"))
        assert row["enable_guest_account"] == 0
        assert "minimum_password_length" not in row

    def test_without_the_guest_account_nothing_is_claimed(self) -> None:
        with pytest.raises(UnreadableError, match="guest"):
            list(security.profile_rows([{"Policy": "", "Accounts": []}]))


class TestAccounts:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_users_groups_and_members_by_sid(self, language: str) -> None:
        users = list(accounts.user_rows(recorded(f"{language}/accounts.json"), recorded_registry()))
        found = {row["uid"]: (row["username"], row["directory"], row["type"]) for row in users}
        assert found[1001] == ("hanako", r"C:\Users\hanako", "local")
        assert found[1105] == ("taro.KAISHA", r"C:\Users\taro.KAISHA", "roaming")
        groups = list(accounts.group_rows(recorded(f"{language}/groups.json")))
        assert ("S-1-5-32-544", 544) in [(row["group_sid"], row["gid"]) for row in groups]
        members = list(accounts.member_rows(recorded("en/members.json")))
        assert {"uid": 1001, "gid": 544} in members

    def test_only_sessions_with_somebody_in_them(self) -> None:
        listed = [(0, 4, "Services", ""), (1, 0, "Console", "hanako"), (2, 4, "", "taro")]
        rows = list(accounts.session_rows(listed))
        assert [(row["type"], row["user"]) for row in rows] == [
            ("active", "hanako"),
            ("disconnected", "taro"),
        ]


class TestUpdates:
    def test_history(self) -> None:
        first, second = updates.history_rows(recorded("ja/history.json"))
        assert (first["operation"], first["result_code"]) == ("Installation", "Succeeded")
        assert "累積更新プログラム" in str(first["title"])
        assert (second["result_code"], second["server_selection"]) == ("Failed", "Others")

    def test_pending_ones_are_counted_and_kept_for_twelve_hours(self) -> None:
        asked = []
        now = [1_795_392_000.0]

        def run(argv: Sequence[str], **_: object) -> Output:
            asked.append(argv)
            return Output((RECORDED / "en/pending.json").read_text("utf-8"), "", 0)

        table = {t.name: t for t in updates.tables(run, lambda: now[0])}["windows_updates"]
        (row,) = table.rows({})
        assert (row["pending_count"], row["security_count"], row["oldest_days"]) == (2, 1, 8)
        now[0] += 11 * 3600
        list(table.rows({}))
        assert len(asked) == 1
        now[0] += 3600
        (later,) = table.rows({})
        assert len(asked) == 2
        assert later["searched_at"] == 1_795_392_000 + 12 * 3600


class TestWifi:
    def attributes(self, secured: int, algorithm: int, cipher: int) -> bytes:
        """WLAN_CONNECTION_ATTRIBUTES with a profile and network name that must not be seen."""
        name = "山田家".encode("utf-16-le").ljust(512, b"\0")
        network = struct.pack("<I32s", 9, "山田家".encode()) + bytes(32)
        return (
            struct.pack("<II", 1, 0)
            + name
            + network
            + struct.pack("<IIII", secured, 0, algorithm, cipher)
        )

    @pytest.mark.parametrize(
        ("secured", "algorithm", "cipher", "expected"),
        [
            (1, 7, 4, "WPA2 Personal"),
            (1, 6, 4, "WPA2 Enterprise"),
            (1, 9, 4, "WPA3 Personal"),
            (1, 4, 2, "WPA Personal"),
            (1, 1, 5, "WEP"),
            (0, 1, 0, "Open"),
            (1, 10, 4, "OWE"),
        ],
    )
    def test_protection_by_number(
        self, secured: int, algorithm: int, cipher: int, expected: str
    ) -> None:
        assert wifi_security(self.attributes(secured, algorithm, cipher)) == expected

    def test_only_the_interface_and_its_protection_are_told(self) -> None:
        (row,) = wifi_rows([("guid", self.attributes(1, 7, 4))])
        assert row == {"interface": "guid", "security_type": "WPA2 Personal"}

    def test_a_short_description_is_unreadable(self) -> None:
        with pytest.raises(UnreadableError):
            wifi_security(b"\0" * 100)


def certificate(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(255)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def test_certificate_stores_are_named_in_english() -> None:
    data = base64.b64encode(certificate("Example Corp Device CA")).decode()
    stored: list[Answer] = [{"location": "LocalMachine", "store": "Root", "data": data}]
    (row,) = store_rows(stored)
    assert row["store"] == "Trusted Root Certification Authorities"
    assert (row["issuer"], row["ca"], row["serial"]) == ("/CN=Example Corp Device CA", 0, "FF")
    assert row["not_valid_after"] == 1798761600
    with pytest.raises(UnreadableError, match="base64"):
        list(store_rows([{"location": "x", "store": "My", "data": "***"}]))
