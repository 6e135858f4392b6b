"""A made-up organisation in every state a page can show, for looking at and for axe-core."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace as S

from sekisho.ui import charts

NOW = datetime(2026, 11, 24, 0, 12, tzinfo=UTC)
Words = Mapping[str, str]


def both(ja: str, en: str) -> Words:
    return {"ja": ja, "en": en}


def before(**span: float) -> datetime:
    return NOW - timedelta(**span)


RULES = [
    ("disk-encryption", "ディスクの暗号化が有効", "Disk encryption is on"),
    ("os-updates", "OSの更新が14日以内", "The system was updated within 14 days"),
    ("screen-lock", "画面ロックが10分以内", "The screen locks within 10 minutes"),
    ("router-firmware", "自宅ルータのファームウェアが最新", "Home router firmware is current"),
    ("remote-tools", "許可していない遠隔操作ソフトがない", "No unapproved remote-control tool"),
    ("firewall", "ファイアウォールが有効", "The firewall is on"),
    ("av-signatures", "ウイルス対策の定義が3日以内", "Virus definitions are at most 3 days old"),
    ("usb-storage", "USBメモリを制限", "USB storage is restricted"),
    ("rdp-off", "RDPの待ち受けがない", "Nothing listens for RDP"),
    ("wifi-security", "Wi-FiがWPA2以上", "Wi-Fi uses WPA2 or better"),
]
TITLES = {key: both(ja, en) for key, ja, en in RULES}
FIX = {
    "ja": [
        "設定（歯車のマーク）を開きます",
        "「プライバシーとセキュリティ」→「デバイスの暗号化」の順に選びます",
        "「デバイスの暗号化」をオンにします。終わるまで30分ほど、仕事は続けられます",
    ],
    "en": [
        "Open Settings (the gear).",
        "Choose “Privacy & security”, then “Device encryption”.",
        "Turn “Device encryption” on. It takes about 30 minutes; you can keep working.",
    ],
}
SQL = "SELECT 1 FROM bitlocker_info\nWHERE drive_letter = 'C:'\n  AND protection_status = 1;"
READY = "SELECT 1 FROM bitlocker_info LIMIT 1;"
WHY = both(
    "このままだと、パソコンをなくしたときに、図面やお客さまの情報を読み取られるおそれがあります。",
    "If this computer is lost, drawings and customer data on it could be read.",
)
MANIFEST = [
    ("bitlocker_info", ["drive_letter", "protection_status"]),
    ("os_version", ["build", "name", "platform", "version"]),
    ("patches", ["hotfix_id", "installed_on"]),
    ("windows_security_center", ["antivirus", "firewall"]),
    ("screenlock", ["enabled", "grace_period"]),
    ("wifi_networks", ["security_type"]),
]
LOOKS = [
    S(
        name="佐伯 航",
        purpose=both("判定の一覧を開いた", "Opened the verdicts"),
        at=before(hours=3),
    ),
    S(name="三浦 千尋", purpose=both("端末の詳細を開いた", "Opened the device"), at=before(days=6)),
]


def trend() -> list[S]:
    fails = [44, 43, 45, 42, 41, 41, 41, 39, 40, 40, 38, 37, 37, 37, 35, 36, 34, 33, 33, 33]
    fails += [33, 51, 47, 40, 33, 29, 27, 27, 26, 23]
    found = []
    for n, fail in enumerate(fails):
        date = (NOW - timedelta(days=29 - n)).date()
        off = date.weekday() >= 5
        found.append(
            S(
                date=date.isoformat(),
                label=f"{date.month}/{date.day}",
                fail=fail,
                off=off,
                unknown=27 if off else 12 + n % 4,
                exempt=max(4, 9 - n // 5),
            )
        )
    return found


def trend_chart(days: list[S], label: str) -> str:
    return charts.draw_trend(
        [charts.Day(d.label, d.fail, d.unknown, d.exempt, d.off) for d in days], label
    )


def counts(passing: int, fail: int, unknown: int, exempt: int) -> dict[str, int]:
    return {"pass": passing, "fail": fail, "unknown": unknown, "exempt": exempt}


UNITS = [("uni_1", "営業本部", 0), ("uni_2", "西日本営業部", 1), ("uni_3", "開発本部", 0)]
