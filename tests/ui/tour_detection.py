"""Stops of the tour about detection rules: list, one rule, coverage, sources, what is held back."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from sekisho.detection.attack import own_attack_table
from support.visiting import query, wait_until

WAIT_SECONDS = 60
_ID = "7c9f3c52-0000-4000-8000-{:012d}"
_TITLES = (
    "Remote Tool Put On Servers From One Source", "RDP From A Public Address",
    "Shadow Copies Deleted", "Security Log Cleared By A Service Account With A Long Name",
    "Network Scan After A VPN Log-In", "New Local Administrator At Night",
)  # fmt: skip
_TAGS = ("t1219.002", "t1133", "t1490", "t1070.001", "t1046", "t1136.001")
_LEVELS = ("critical", "high", "high", "medium", "low", "informational")
EVENT = (
    '{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "User": "MINATO\\\\svc",'
    ' "Image": "C:\\\\Tools\\\\rc.exe", "CommandLine": "rc.exe sample-0"}'
)
GUESSES = (
    "".join(
        f"Nov 23 01:20:{n:02} gw sshd[7]: Failed password for user{n % 7} from 198.51.100.7 "
        "port 4 ssh2\n"
        for n in range(12)
    )
    + "Nov 23 01:25:00 gw sshd[7]: Accepted password for taro from 198.51.100.7 port 4 ssh2\n"
)
REASON = "バックアップ用のサービスアカウントによる定期処理。2027年3月の更改で廃止予定"
CONDITION = "User|startswith: svc_backup"
# The names of ATT&CK are English.
_TECHNIQUES = [technique.name for technique in own_attack_table().techniques.values()]
# What people and rules wrote, in whatever language.
TYPED_OF_RULES = [
    REASON,
    CONDITION,
    "SOCチームのルール集",
    "壊れたルール集",
    "Sekisho",
    "ATT&CK for Enterprise",
    "条件（condition）は、検索条件の名前を and・or・not・「1 of x*」でつなぎます。",
    *_TITLES,
    *_TECHNIQUES,
]


def _rule(n: int) -> bytes:
    return (
        f"title: {_TITLES[n]}\nid: {_ID.format(n)}\nstatus: test\nlevel: {_LEVELS[n]}\n"
        f"tags: [attack.{_TAGS[n]}]\nlogsource: {{product: windows, category: process_creation}}\n"
        f"detection:\n  selection:\n    CommandLine|contains: sample-{n}\n  condition: selection\n"
    ).encode()


def _pack() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(len(_TITLES)):
            archive.writestr(f"windows/rule_{n}.yml", _rule(n))
        archive.writestr("windows/broken.yml", b"title: x\nlogsource: {product: windows}\n"
                         b"detection:\n  a: {b: c}\n  condition: z\n")  # fmt: skip
    return out.getvalue()


def settle_detection(town: Any) -> None:
    """Bring rules in, turn one off, hold one back, and leave a broken archive waiting."""
    page = town.admin.new_page()
    town.devices["staged"] = _upload(town, page, "SOCチームのルール集", _pack())
    with page.expect_navigation():
        page.click("form[action$='/approve'] button")
    wait_until(lambda: query(town.up, "SELECT 1 FROM detection_rules WHERE source_id <> "
                             "'src_sekisho'"), WAIT_SECONDS, "rules taken over")  # fmt: skip
    page.goto(town.url(f"/detection/rules/{_ID.format(4)}"))
    page.select_option("#level", "off")
    page.fill("#reason", REASON)
    with page.expect_navigation():
        page.click("form[action$='/tune'] button")
    page.goto(town.url(f"/detection/rules/{_ID.format(0)}"))
    page.click("details summary")
    page.fill("#condition", CONDITION)
    page.fill("#held-why", REASON)
    with page.expect_navigation():
        page.click("form[action$='/suppress'] button")
    town.devices["staged_broken"] = _upload(town, page, "壊れたルール集", b"PK\x03\x04broken")
    town.devices["staged_ready"] = _upload(town, page, "SOCチームのルール集 2", _pack())
    rows = query(town.up, "SELECT id FROM detection_sources WHERE id <> 'src_sekisho'")
    town.devices["rule_source"] = str(rows[0][0])
    page.close()


def _upload(town: Any, page: Page, name: str, content: bytes) -> str:
    path = Path(town.folder) / "rules.zip"
    path.write_bytes(content)
    page.goto(town.url("/detection/sources"))
    page.fill("#name", name)
    page.set_input_files("#file", path)
    with page.expect_navigation():
        page.click("form[action$='/upload'] button")
    staged = page.url.rsplit("/", 1)[-1]
    wait_until(
        lambda: query(town.up, "SELECT 1 FROM detection_staged WHERE id = ? AND state <> 'waiting'",
                      staged), WAIT_SECONDS, "an upload read",
    )  # fmt: skip
    page.goto(town.url(f"/detection/staged/{staged}"))
    return staged


def _why(event: str) -> Any:
    """Ask why a rule matches one event, or does not."""

    def walk(town: Any, page: Page) -> None:
        page.goto(town.url(f"/detection/rules/{_ID.format(0)}"))
        page.fill("#event", event)
        with page.expect_navigation():
            page.click("form[action*='/why'] button")

    return walk


def _hunt(town: Any, page: Page) -> None:
    """Hunt through a log of guesses and look at the report, which is a file of its own."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    language, folder = cookies["sekisho_language"], Path(town.folder)
    report = folder / f"hunt-{language}.html"
    (folder / "auth.log").write_text(GUESSES, encoding="utf-8")
    command = [sys.executable, "-m", "sekisho", "hunt", "auth.log", "--format", "html", "--quiet",
               "--language", language, "--timezone", "Asia/Tokyo",
               "--output", str(report)]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env={**os.environ, "HOME": str(folder)}, check=False)
    assert done.returncode == 1, "something was to be found"
    page.goto(report.as_uri())


def _to(path: str) -> Any:
    return lambda town, page: page.goto(town.url(path.format(**town.devices)))


DETECTION = {
    "rules": _to("/detection/rules"),
    "rules_no_match": _to("/detection/rules?q=nothing-of-the-kind"),
    "rule": _to(f"/detection/rules/{_ID.format(0)}"),
    "rule_own": _to("/detection/rules/31216b91-7d52-55e4-926c-4066da6e568b"),
    "rule_why": _why(EVENT),
    "rule_why_not": _why(EVENT.replace("sample-0", "sample-7")),
    "rule_why_wrong": _why("{"),
    "hunt_report": _hunt,
    "rule_off": _to(f"/detection/rules/{_ID.format(4)}"),
    "rules_coverage": _to("/detection/coverage"),
    "rules_held_back": _to("/detection/suppressions"),
    "rules_held_back_ended": _to("/detection/suppressions?ended=1"),
    "rules_sources": _to("/detection/sources"),
    "rules_staged": _to("/detection/staged/{staged_ready}"),
    "rules_staged_broken": _to("/detection/staged/{staged_broken}"),
    "rules_faults": _to("/detection/sources/{rule_source}/faults"),
}
