"""A made-up organisation in every state a page can show, for looking at and for axe-core."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace as S

from sekisho.kernel.i18n import Text, msg
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
    S(name="佐伯 航", purpose=both("判定の一覧を開いた", "Opened the verdicts"), at=before(hours=3)),
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
            S(date=date.isoformat(), label=f"{date.month}/{date.day}", fail=fail, off=off,
              unknown=27 if off else 12 + n % 4, exempt=max(4, 9 - n // 5))
        )  # fmt: skip
    return found


def trend_chart(days: list[S], label: str) -> str:
    return charts.draw_trend(
        [charts.Day(d.label, d.fail, d.unknown, d.exempt, d.off) for d in days], label
    )


def counts(passing: int, fail: int, unknown: int, exempt: int) -> dict[str, int]:
    return {"pass": passing, "fail": fail, "unknown": unknown, "exempt": exempt}


def task(severity: str, title: Words, detail: Words, since: datetime, owner: str,
         due: datetime | None, action: Text) -> S:  # fmt: skip
    return S(severity=severity, title=title, detail=detail, since=since, owner=owner, due=due,
             address="/devices/dev_01?open=disk-encryption", action=action)  # fmt: skip


TASKS = [
    task("critical", both("ディスクの暗号化がオフの端末", "Disk encryption is off"),
         both("MNT-L-0231（高橋 遥）。機械で確認、猶予はあと3日です。",
              "MNT-L-0231 (Haruka Takahashi). Checked by machine; three days of grace are left."),
         before(days=3, hours=15), "高橋 遥", NOW + timedelta(days=3), msg("Look and tell")),
    task("critical", both("RDPが待ち受けている", "Something listens for RDP"),
         both("解析サーバ ana-01。NLAは「任意」。", "Analysis server ana-01. NLA is optional."),
         before(hours=2), "三浦 千尋", NOW + timedelta(hours=9), msg("Look and tell")),
    task("high", both("OSの更新が38日ない", "No system update for 38 days"),
         both("MNT-L-0092。ベンダの修正が2件、当たっていない。", "MNT-L-0092. Two vendor fixes are missing."),
         before(days=5), "大西 健", before(days=1), msg("Look and tell")),
    task("high", both("許可していない遠隔操作ソフトがある", "An unapproved remote-control tool"),
         both("BYOD-0031。AnyDesk 8.1。", "BYOD-0031. AnyDesk 8.1."),
         before(days=1, hours=9), "", None, msg("Assign")),
    task("medium", both("便りのない端末が4台", "Four devices have gone silent"),
         both("判定は「未確認」に変わります。", "Their verdicts turn unknown."),
         before(days=4), "", None, msg("See the devices")),
]  # fmt: skip


def overview(language: str) -> dict[str, object]:
    shares = [("f-machine", msg("Machine"), 8283), ("f-document", msg("Document"), 1107),
              ("f-third", msg("Third party"), 358), ("f-self", msg("Self-report"), 738),
              ("f-unknown", msg("Unknown"), 1050)]  # fmt: skip
    scale = 52.6
    worst = [("os-updates", 7, 5, "−11"), ("disk-encryption", 9, 2, "−3"),
             ("screen-lock", 9, 0, "+9"), ("router-firmware", 1, 6, "±0"),
             ("remote-tools", 2, 1, "+1")]  # fmt: skip
    days = trend()
    return {"view": S(
        device_total=412, device_counts=counts(371, 23, 14, 4), tasks=TASKS, tasks_more=12,
        verdict_total=11536, proofs=shares, control_total=len(RULES),
        proof_bar=charts.draw_shares([charts.Part(k, n) for k, _, n in shares], "71.8% …"),
        comparisons=[
            S(title=msg("Not checked at all"), ours_share="9.1%", nation_share="35.5%",
              ours=charts.draw_bar([charts.Part("f-unknown", 9.1)], scale),
              nation=charts.draw_bar([charts.Part("f-nation", 35.5)], scale)),
            S(title=msg("Of what is checked, self-check only"), ours_share="7.0%",
              nation_share="49.5%", ours=charts.draw_bar([charts.Part("f-self", 7.0)], scale),
              nation=charts.draw_bar([charts.Part("f-nation", 49.5)], scale))],
        not_passing=41, trend=days, trend_chart=trend_chart(days, "44 → 23"),
        worst=[S(id=k, title=TITLES[k], failing=f, unknown=u, change=c,
                 bar=charts.draw_bar([charts.Part("f-fail", f), charts.Part("f-unknown", u)], 14))
               for k, f, u, c in worst],
        silent=[S(id="dev_1", title="MNT-L-0187", owner="森 拓海", ownership="company", seen=before(days=4)),
                S(id="dev_2", title="MNT-L-0092", owner="大西 健", ownership="company", seen=before(days=5)),
                S(id="dev_3", title="BYOD-0031", owner="", ownership="private", seen=before(days=8)),
                S(id="dev_4", title="MNT-D-0003", owner="森下 彩", ownership="company", seen=None)],
        silent_total=11)}  # fmt: skip


def device_rows() -> list[S]:
    people = ["高橋 遥", "森下 彩", "大西 健", "三浦 千尋", "森 拓海", "北川 智子", "水野 隆", ""]
    found = []
    for n in range(14):
        fail, unknown = (2, 1) if n < 3 else (0, 2) if n < 6 else (0, 0)
        found.append(S(
            id=f"dev_{n:02}", title=f"MNT-L-{231 - 7 * n:04}" if n % 5 else f"BYOD-{31 + n:04}",
            flagged=n == 2, state="active" if n != 8 else "paused",
            state_word=msg("Paused by its owner"),
            standing="fail" if fail else "unknown" if unknown else "pass", failing=fail,
            unknown=unknown, owner=people[n % 8], ownership="company" if n % 5 else "private",
            platform=["windows", "darwin", "linux"][n % 3],
            os=["Windows 11 Pro 24H2", "macOS 26.1", "Debian GNU/Linux 12"][n % 3],
            seen=None if n == 5 else before(minutes=4 + n * n * 37), silent=n > 6))  # fmt: skip
    return found


def device_list(language: str) -> dict[str, object]:
    filters = S(q="", verdict="fail", ownership="", platform="", seen="", sort="-standing", kept=[])
    return {"rows": device_rows(), "filters": filters, "pending": 2, "any_device": True,
            "may_enrol": True, "totals": counts(371, 23, 14, 4), "page": 2, "pages": 9,
            "total": 412, "first": 51, "last": 100}  # fmt: skip


def verdict_rows() -> list[S]:
    outcomes = ["fail", "unknown", "unknown", "exempt"] + ["pass"] * 6
    proven = ["machine", None, "self", "document"] + ["machine"] * 6
    order = ["disk-encryption", "wifi-security", "router-firmware", "usb-storage", "os-updates",
             "av-signatures", "remote-tools", "screen-lock", "rdp-off", "firewall"]  # fmt: skip
    return [
        S(control=key, title=TITLES[key], outcome=outcome, proven=how, at=before(minutes=12),
          due=NOW + timedelta(days=3, hours=9) if outcome == "fail" else None,
          until=NOW + timedelta(days=37) if outcome == "exempt" else None,
          since=before(days=3, hours=15), first_failed=before(days=3, hours=15),
          why=WHY, sql=SQL, answer=both("0行", "0 rows"),
          reason=both("端末がまだ答えていません。", "The device has not answered yet."))
        for key, outcome, how in zip(order, outcomes, proven, strict=True)
    ]  # fmt: skip


def history() -> tuple[list[S], str]:
    rows = [("disk-encryption", [("pass", 25), ("fail", 5)]),
            ("screen-lock", [("", 2), ("pass", 3), ("unknown", 2), ("pass", 23)]),
            ("router-firmware", [("pass", 7), ("unknown", 23)]),
            ("usb-storage", [("fail", 6), ("exempt", 24)]),
            ("os-updates", [("pass", 9), ("fail", 4), ("pass", 7), ("unknown", 2), ("pass", 8)])]  # fmt: skip
    cells = [[state for state, days in runs for _ in range(days)] for _, runs in rows]
    days = [(NOW - timedelta(days=29 - n)).date() for n in range(30)]
    chart = charts.draw_history(cells, [f"{d.month}/{d.day}" for d in days], "5 rules, 30 days")
    return [S(title=TITLES[key], runs=runs) for key, runs in rows], chart


def device(language: str) -> dict[str, object]:
    lines, chart = history()
    answer = S(version=4, sql=SQL, answer=both("0行（protection_status = 0）", "0 rows (protection_status = 0)"),
               device_time=before(minutes=12, seconds=21), evidence="183977",
               evidence_name="183,977", fix=FIX[language], why=WHY, reason=None)  # fmt: skip
    view = S(
        id="dev_01", title="MNT-L-0231", owner="高橋 遥" if language == "ja" else "Haruka Takahashi",
        ownership="company", state="active", state_word="", counts=counts(6, 1, 2, 1), total=10,
        due=NOW + timedelta(days=3, hours=9), seen=before(minutes=4), enrolled=before(days=602),
        checking_until=None, flagged="", filter="", open="disk-encryption", answer=answer,
        facts=[(msg("Model"), "ThinkPad X1"), (msg("System"), "Windows 11 Pro 24H2"),
               (msg("Serial number"), "PF-4K2M8"), (msg("Agent"), "osqueryd 5.14.1")],
        rows=verdict_rows(), history=lines, history_chart=chart, manifest=MANIFEST, looks=LOOKS)  # fmt: skip
    return {"view": view, "may_check": True, "may_remove": True}


def device_new(language: str) -> dict[str, object]:
    context = device(language)
    view = context["view"]
    view.rows, view.history, view.answer, view.open = [], [], None, ""
    view.counts, view.total, view.looks = counts(0, 0, 0, 0), 0, []
    view.flagged = both("2つの機器が同じ識別子を名乗っています。片方を登録し直してください。",
                        "Two machines use one identifier. Enrol one of them again.")  # fmt: skip
    view.checking_until = NOW + timedelta(minutes=5)
    return context


def kits(language: str) -> dict[str, object]:
    pending = [S(id="dev_8", title="MNT-L-0300", ownership="company", os="Windows 11 Pro 24H2",
                 platform="windows", kit="営業部 2027春", asked=before(minutes=14)),
               S(id="dev_9", title="MNT-L-0301", ownership="company", os="", platform="darwin",
                 kit="営業部 2027春", asked=before(hours=2))]  # fmt: skip
    listed = [S(id="kit_1", label="営業部 2027春", ownership="company", kind="group", used=12,
                limit=40, ends=NOW + timedelta(days=9), revoked=False, made_by="佐伯 航"),
              S(id="kit_2", label="森下 彩", ownership="private", kind="device", used=1, limit=1,
                ends=NOW + timedelta(days=1), revoked=False, made_by="佐伯 航"),
              S(id="kit_3", label="設計部 予備機", ownership="company", kind="device", used=0,
                limit=1, ends=before(days=3), revoked=False, made_by="三浦 千尋")]  # fmt: skip
    return {"pending": pending, "kits": listed}


def kit_new(language: str) -> dict[str, object]:
    people = [S(id="per_1", name="高橋 遥"), S(id="per_2", name="森下 彩")]
    form = S(ownership="company", kind="device", label="", owner="", max_devices=10, days=7)
    return {"form": form, "people": people, "fault": None}


def kit_made(language: str) -> dict[str, object]:
    kit = S(label="森下 彩", ownership="private", limit=1, ends=NOW + timedelta(days=7), needs_approval=False)
    secret = "sk_3f9Kq2vX7bT1mZ8pR5wL0cD4"
    flags = f"--tls_hostname=sekisho.example.jp:8443\n--enroll_secret_path=/etc/osquery/secret\n--host_identifier=uuid"
    ways = [S(platform=p, name=f"sekisho-kit-{p}.zip", archive="data:application/zip;base64,UEsFBgAAAAA=",
              command="python3 -m pip install --user sekisho && sekisho agent enroll sekisho-kit.json", flags=flags)
            for p in ("linux", "windows", "darwin")]  # fmt: skip
    return {"kit": kit, "secret": secret, "server": "https://sekisho.example.jp:8443", "ways": ways}


def control_list(language: str) -> dict[str, object]:
    severities = ["critical", "high", "high", "medium", "critical", "high", "high", "medium", "critical", "low"]
    rows = []
    for n, (key, _, _) in enumerate(RULES):
        found = counts(380 - 9 * n, max(0, 23 - 4 * n), 9 + n % 4, n % 3)
        parts = [charts.Part("h-pass-k", found["pass"]), charts.Part("f-fail", found["fail"] * 4),
                 charts.Part("f-unknown", found["unknown"] * 4), charts.Part("f-exempt", found["exempt"])]  # fmt: skip
        rows.append(S(id=key, title=TITLES[key], severity=severities[n], counts=found,
                      bar=charts.draw_bar(parts, sum(p.value for p in parts))))  # fmt: skip
    filters = S(q="", verdict="", severity="", ownership="", kept=[])
    return {"rows": rows, "filters": filters, "digest": "9f2c41d07a", "faults": ["content/controls/remote-tools.yaml:14: severity “urgent” is not one of critical, high, medium, low"]}


def control(language: str) -> dict[str, object]:
    found = counts(371, 23, 14, 4)
    parts = [charts.Part("h-pass-k", 371), charts.Part("f-fail", 23), charts.Part("f-unknown", 14), charts.Part("f-exempt", 4)]
    days = trend()
    failing = [S(id=r.id, title=r.title, outcome=r.standing, owner=r.owner, since=before(days=3), due=NOW + timedelta(days=3) if r.standing == "fail" else None)
               for r in device_rows()[:6]]  # fmt: skip
    systems = [S(name="windows", sql=SQL, ready=READY, fix=FIX[language]),
               S(name="darwin", sql="SELECT 1 FROM disk_encryption WHERE encrypted = 1;", ready="SELECT 1 FROM disk_encryption LIMIT 1;", fix=FIX[language])]  # fmt: skip
    view = S(id="disk-encryption", version=4, title=TITLES["disk-encryption"], severity="critical",
             statement=both("会社の情報を扱う端末は、内蔵ディスクの全体を暗号化する。", "A device that handles the company's information encrypts its whole built-in disk."),
             why=WHY, counts=found, total=412, bar=charts.draw_shares(parts, "90% …"), trend=days,
             trend_chart=trend_chart(days, "44 → 23"), failing=failing, failing_more=17, systems=systems, manifest=MANIFEST[:1],
             facts=[(msg("Guideline class"), both("データ保護", "Data protection")), (msg("Applies to"), both("社給・私物", "Company, private")),
                    (msg("Grace"), both("7日", "7 d")), (msg("Evidence is good for"), both("2日", "2 d")), (msg("Proven by"), msg("Machine"))])  # fmt: skip
    return {"view": view}


def evidence(language: str) -> dict[str, object]:
    state = S(outcome="pass", words=msg("The chain holds"), detail=both("184,206件を読み直し、すべて一致しました。", "184,206 records were read again and all of them match."),
              count=184209, sealed=184206, waiting=3, checkpoint_at=before(minutes=38), verified_at=before(hours=5))  # fmt: skip
    seen = [("control.verdict_changed", "device:dev_01", "MNT-L-0231"), ("device.enrolled", "device:dev_02", "osquery"),
            ("identity.signed_in", "person:per_01", "佐伯 航"), ("device.looked_at", "device:dev_01", "佐伯 航")]  # fmt: skip
    rows = [S(id=str(184206 - n), number=184206 - n if n else None, at=before(minutes=3 * n + 1), kind=k, subject=s,
              address="/devices/dev_01" if s.startswith("device") else "", actor=a, digest="9f2c41d07ab3aa41" if n else "")
            for n, (k, s, a) in enumerate(seen * 3)]  # fmt: skip
    checkpoints = [S(at=before(minutes=38 + 60 * n), upto=184100 - 400 * n, sent_to="/mnt/worm/sekisho", digest="51b8a9c3f0d2e771") for n in range(3)]
    kinds = [("control", msg("Verdicts")), ("device", msg("Devices")), ("identity", msg("People"))]
    return {"state": state, "rows": rows, "older": "184194", "kinds": kinds, "checkpoints": checkpoints,
            "filters": S(q="", kind="device")}  # fmt: skip


def record(language: str) -> dict[str, object]:
    row = S(kind="control.verdict_changed", subject="device:dev_01", address="/devices/dev_01", actor="MNT-L-0231")
    return {"row": row, "name": "183,977", "utc": "2026-11-24 00:00:02.114 UTC", "payload": '{\n  "control": "disk-encryption",\n  "from": "pass",\n  "to": "fail"\n}',
            "chain": [(msg("Digest of this record"), "9f2c41d07ab3aa41" * 4), (msg("Digest of the record before"), "51b8a9c3f0d2e771" * 4), (msg("Salted digest of the content"), "07ab3aa419f2c41d" * 4)]}  # fmt: skip


def settings(language: str) -> dict[str, object]:
    def row(name: Text, value: object, **more: object) -> S:
        return S(**{"name": name, "value": value, "state": "", "code": False, "note": "", **more})

    groups = [S(title=msg("Organisation"), rows=[row(msg("Name"), both("株式会社みなと設計", "Minato Sekkei K.K.")), row(msg("Language"), "日本語")]),
              S(title=msg("How others reach this server"), rows=[row(msg("Public name"), "sekisho.example.jp", code=True), row(msg("Passkeys"), msg("Work"), state="pass", note=msg("Registered for this name.")), row(msg("Listener for agents and people"), "0.0.0.0:8443", code=True)]),
              S(title=msg("Checkpoints of the evidence"), rows=[row(msg("File"), "/mnt/worm/sekisho", code=True), row(msg("Mail"), ""), row(msg("Time stamp (RFC 3161)"), msg("Not set"), state="unknown")])]  # fmt: skip
    return {"groups": groups, "file": "/var/lib/sekisho/settings.yaml"}


def my(language: str) -> dict[str, object]:
    rows = verdict_rows()
    for row in rows:
        row.fix = FIX[language]
    view = S(id="dev_01", mood="fail", headline=msg("One thing needs fixing"), due=NOW + timedelta(days=3, hours=9),
             meter=charts.draw_meter(7, 3, "7 → 3"), comfort=msg("Until then you can go on as before."), checking_until=None,
             state="active", consent=[], system="Windows 11", failing=rows[:1], unproven=rows[1:4], passing=rows[4:],
             sees=[msg("The system, its version and how up to date it is"), msg("Whether encryption, firewall and virus protection are on")],
             hidden=[msg("What is in your files and mail"), msg("Web pages you visited"), msg("Screen, camera, microphone, keystrokes"), msg("Where you are")],
             manifest=MANIFEST, facts=[(msg("Name"), "MNT-L-0231"), (msg("Kind"), msg("Company")), (msg("System"), "Windows 11 Pro 24H2")],
             seen=before(minutes=12), ownership="company", consented_at=None, others=[], looks=LOOKS)  # fmt: skip
    return {"view": view}


def my_private(language: str) -> dict[str, object]:
    context = my(language)
    view = context["view"]
    view.ownership, view.mood, view.headline = "private", "pass", msg("Everything is fine")
    view.failing, view.unproven, view.due, view.comfort = [], [], None, msg("Nothing to do. Have a good day.")
    view.consented_at, view.others = before(days=30), [S(id="dev_7", mood="unknown", title="MNT-L-0007")]
    return context


def my_consent(language: str) -> dict[str, object]:
    context = my_private(language)
    view = context["view"]
    view.state, view.mood, view.headline = "consent", "unknown", msg("Nothing is asked yet")
    view.passing, view.comfort = [], msg("Nothing is read before you consent.")
    lines = {"ja": ["会社のルールが守られているかを、はい・いいえだけで確かめます。", "ファイルやメールの中身は読みません。"],
             "en": ["Whether the company's rules are kept is checked, as yes or no only.", "What is in files and mail is not read."]}  # fmt: skip
    view.consent = lines[language]
    return context
