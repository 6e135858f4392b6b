"""Lists of devices, one device, enrolment kits."""

from datetime import timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.controls.pictures import draw_picture
from sekisho.devices.service.searching import DeviceSearch
from sekisho.devices.web.kits import STATES
from sekisho.devices.web.listing import COLUMNS, USUAL_COLUMNS
from sekisho.kernel.i18n import msg
from sekisho.ui import charts
from ui.made_up.common import (
    FIX,
    LOOKS,
    MANIFEST,
    NOW,
    SQL,
    TITLES,
    UNITS,
    WHY,
    before,
    both,
    counts,
)


def device_rows() -> list[S]:
    people = ["高橋 遥", "森下 彩", "大西 健", "三浦 千尋", "森 拓海", "北川 智子", "水野 隆", ""]
    found = []
    for n in range(14):
        fail, unknown = (2, 1) if n < 3 else (0, 2) if n < 6 else (0, 0)
        found.append(
            S(
                id=f"dev_{n:02}",
                title=f"MNT-L-{231 - 7 * n:04}" if n % 5 else f"BYOD-{31 + n:04}",
                flagged=n == 2,
                state="active" if n != 8 else "paused",
                state_word=msg("Paused by its owner"),
                standing="fail" if fail else "unknown" if unknown else "pass",
                access="fix_by" if fail else "unknown" if unknown else "fine",
                failing=fail,
                unknown=unknown,
                owner=people[n % 8],
                ownership="company" if n % 5 else "private",
                platform=["windows", "darwin", "linux"][n % 3],
                os=["Windows 11 Pro 24H2", "macOS 26.1", "Debian GNU/Linux 12"][n % 3],
                seen=None if n == 5 else before(minutes=4 + n * n * 37),
                silent=n > 6,
                tags=["在宅", "重点確認"][: n % 3],
                unit="西日本営業部",
                note="",
                enrolled=before(days=40),
            )
        )
    return found


def device_list(_language: str) -> dict[str, Any]:
    filters = DeviceSearch(verdict="fail", sort="-seen")
    return {
        "columns": USUAL_COLUMNS,
        "column_words": COLUMNS,
        "tags": [("在宅", 120), ("重点確認", 14)],
        "units": UNITS,
        "may_act": True,
        "rows": device_rows(),
        "filters": filters,
        "pending": 2,
        "any_device": True,
        "may_enrol": True,
        "totals": counts(371, 23, 14, 4),
        "page": 2,
        "pages": 9,
        "total": 412,
        "first": 51,
        "last": 100,
    }


def verdict_rows() -> list[S]:
    outcomes = ["fail", "unknown", "unknown", "exempt"] + ["pass"] * 6
    proven = ["machine", None, "self", "document"] + ["machine"] * 6
    order = [
        "disk-encryption",
        "wifi-security",
        "router-firmware",
        "usb-storage",
        "os-updates",
        "av-signatures",
        "remote-tools",
        "screen-lock",
        "rdp-off",
        "firewall",
    ]
    return [
        S(
            control=key,
            title=TITLES[key],
            outcome=outcome,
            proven=how,
            at=before(minutes=12),
            due=NOW + timedelta(days=3, hours=9) if outcome == "fail" else None,
            until=NOW + timedelta(days=37) if outcome == "exempt" else None,
            judged="fail" if outcome == "exempt" else outcome,
            since=before(days=3, hours=15),
            first_failed=before(days=3, hours=15),
            why=WHY,
            sql=SQL,
            answer=both("0行", "0 rows"),
            reason=both("端末がまだ答えていません。", "The device has not answered yet."),
        )
        for key, outcome, how in zip(order, outcomes, proven, strict=True)
    ]


def history() -> tuple[list[S], str]:
    rows = [
        ("disk-encryption", [("pass", 25), ("fail", 5)]),
        ("screen-lock", [("", 2), ("pass", 3), ("unknown", 2), ("pass", 23)]),
        ("router-firmware", [("pass", 7), ("unknown", 23)]),
        ("usb-storage", [("fail", 6), ("exempt", 24)]),
        ("os-updates", [("pass", 9), ("fail", 4), ("pass", 7), ("unknown", 2), ("pass", 8)]),
    ]
    cells = [[state for state, days in runs for _ in range(days)] for _, runs in rows]
    days = [(NOW - timedelta(days=29 - n)).date() for n in range(30)]
    chart = charts.draw_history(cells, [f"{d.month}/{d.day}" for d in days], "5 rules, 30 days")
    return [S(title=TITLES[key], runs=runs) for key, runs in rows], chart


def device(language: str) -> dict[str, Any]:
    lines, chart = history()
    answer = S(
        version=4,
        sql=SQL,
        answer=both("0行（protection_status = 0）", "0 rows (protection_status = 0)"),
        device_time=before(minutes=12, seconds=21),
        evidence="183977",
        evidence_name="183,977",
        fix=FIX[language],
        picture=draw_picture("disk-windows", language),
        why=WHY,
        reason=None,
    )
    access = S(
        kind="fix_by",
        fix_by=NOW + timedelta(days=3),
        valid_until=NOW + timedelta(hours=1),
        reasons=[
            S(
                kind="fix_by",
                control="disk-encryption",
                title=TITLES["disk-encryption"],
                verdict="fail",
                judged="fail",
                until=NOW + timedelta(days=3),
                bar="",
            )
        ],
    )
    view = S(
        access=access,
        key=msg("in the TPM; it cannot leave it"),
        id="dev_01",
        title="MNT-L-0231",
        owner="高橋 遥" if language == "ja" else "Haruka Takahashi",
        ownership="company",
        state="active",
        state_word="",
        counts=counts(6, 1, 2, 1),
        total=10,
        due=NOW + timedelta(days=3, hours=9),
        seen=before(minutes=4),
        enrolled=before(days=602),
        progress=None,
        flagged="",
        filter="",
        open="disk-encryption",
        answer=answer,
        facts=[
            (msg("Model"), "ThinkPad X1"),
            (msg("System"), "Windows 11 Pro 24H2"),
            (msg("Serial number"), "PF-4K2M8"),
            (msg("Agent"), "osqueryd 5.14.1"),
        ],
        rows=verdict_rows(),
        history=lines,
        history_chart=chart,
        manifest=MANIFEST,
        looks=LOOKS,
    )
    return {"view": view, "may_check": True, "may_remove": True}


def device_new(language: str) -> dict[str, Any]:
    context = device(language)
    view: S = context["view"]
    view.rows, view.history, view.answer, view.open = [], [], None, ""
    view.counts, view.total, view.looks = counts(0, 0, 0, 0), 0, []
    view.flagged = both(
        "2つの機器が同じ識別子を名乗っています。片方を登録し直してください。",
        "Two machines use one identifier. Enrol one of them again.",
    )
    view.progress = S(asked=NOW, answered=3, total=28, done=False, bar="")
    return context


def kits_none(_language: str) -> dict[str, Any]:
    return {"pending": [], "kits": [], "counts": {"open": 0}}


def kits(_language: str) -> dict[str, Any]:
    pending = [
        S(
            id="dev_8",
            title="MNT-L-0300",
            ownership="company",
            os="Windows 11 Pro 24H2",
            platform="windows",
            kit="営業部 2027春",
            asked=before(minutes=14),
        ),
        S(
            id="dev_9",
            title="MNT-L-0301",
            ownership="company",
            os="",
            platform="darwin",
            kit="営業部 2027春",
            asked=before(hours=2),
        ),
    ]
    listed = [
        S(
            id="kit_1",
            label="営業部 2027春",
            ownership="company",
            kind="group",
            used=12,
            limit=40,
            ends=NOW + timedelta(days=9),
            revoked=False,
            made_by="佐伯 航",
        ),
        S(
            id="kit_2",
            label="森下 彩",
            ownership="private",
            kind="device",
            used=1,
            limit=1,
            ends=NOW + timedelta(days=1),
            revoked=False,
            made_by="佐伯 航",
        ),
        S(
            id="kit_3",
            label="設計部 予備機",
            ownership="company",
            kind="device",
            used=0,
            limit=1,
            ends=before(days=3),
            revoked=False,
            made_by="三浦 千尋",
        ),
    ]
    return {
        "pending": pending, "kits": listed, "filters": {"q": "", "state": "", "sort": "-made"},
        "states": STATES,
        "counts": {"open": 12, "used": 230, "ended": 7, "revoked": 1},
        "page": 2, "pages": 5, "total": 250, "first": 51, "last": 100,
    }  # fmt: skip


def kit_new(_language: str) -> dict[str, Any]:
    people = [S(id="per_1", name="高橋 遥"), S(id="per_2", name="森下 彩")]
    form = S(ownership="company", kind="device", label="", owner="", max_devices=10, days=7)
    return {"form": form, "people": people, "fault": None}


def kit_made(_language: str) -> dict[str, Any]:
    kit = S(
        label="森下 彩",
        ownership="private",
        limit=1,
        ends=NOW + timedelta(days=7),
        needs_approval=False,
    )
    secret = "sk_3f9Kq2vX7bT1mZ8pR5wL0cD4"
    flags = "--tls_hostname=sekisho.example.jp:8443\n--host_identifier=uuid\n"
    ways = [
        S(
            platform=p,
            name=f"sekisho-kit-{p}.zip",
            archive="data:application/zip;base64,UEsFBgAAAAA=",
            command="pip install --user sekisho && sekisho agent enroll sekisho-kit.json",
            flags=flags,
        )
        for p in ("linux", "windows", "darwin")
    ]
    return {"kit": kit, "secret": secret, "server": "https://sekisho.example.jp:8443", "ways": ways}
