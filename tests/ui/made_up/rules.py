"""The list of rules and one rule."""

from datetime import timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.controls.pictures import draw_picture
from sekisho.kernel.i18n import msg
from sekisho.ui import charts
from ui.made_up.common import (
    FIX,
    MANIFEST,
    NOW,
    READY,
    RULES,
    SQL,
    TITLES,
    WHY,
    before,
    both,
    counts,
    trend,
    trend_chart,
)
from ui.made_up.devices import device_rows


def control_list(_language: str) -> dict[str, Any]:
    severities = [
        "critical",
        "high",
        "high",
        "medium",
        "critical",
        "high",
        "high",
        "medium",
        "critical",
        "low",
    ]
    rows = []
    for n, (key, _, _) in enumerate(RULES):
        found = counts(380 - 9 * n, max(0, 23 - 4 * n), 9 + n % 4, n % 3)
        parts = [
            charts.Part("h-pass-k", found["pass"]),
            charts.Part("f-fail", found["fail"] * 4),
            charts.Part("f-unknown", found["unknown"] * 4),
            charts.Part("f-exempt", found["exempt"]),
        ]
        rows.append(
            S(
                id=key,
                title=TITLES[key],
                severity=severities[n],
                counts=found,
                bar=charts.draw_bar(parts, sum(p.value for p in parts)),
            )
        )
    filters = S(q="", verdict="", severity="", ownership="", sort="", kept=[])
    return {
        "rows": rows,
        "filters": filters,
        "digest": "9f2c41d07a",
        "dated": [],
        "faults": [
            S(
                file="controls/remote-tools.yaml",
                line=14,
                message=msg(
                    "“%(got)s” is not known; expected one of: %(known)s.",
                    got="urgent",
                    known="critical, high, medium, low",
                ),
            )
        ],
    }


def control(language: str) -> dict[str, Any]:
    found = counts(371, 23, 14, 4)
    parts = [
        charts.Part("h-pass-k", 371),
        charts.Part("f-fail", 23),
        charts.Part("f-unknown", 14),
        charts.Part("f-exempt", 4),
    ]
    days = trend()
    failing = [
        S(
            id=r.id,
            title=r.title,
            outcome=r.standing,
            owner=r.owner,
            since=before(days=3),
            due=NOW + timedelta(days=3) if r.standing == "fail" else None,
        )
        for r in device_rows()[:6]
    ]
    systems = [
        S(
            name="windows",
            sql=SQL,
            ready=READY,
            fix=FIX[language],
            picture=draw_picture("disk-windows", language),
        ),
        S(
            name="darwin",
            sql="SELECT 1 FROM disk_encryption WHERE encrypted = 1;",
            ready="SELECT 1 FROM disk_encryption LIMIT 1;",
            fix=FIX[language],
            picture=draw_picture("disk-darwin", language),
        ),
    ]
    view = S(
        id="disk-encryption",
        version=4,
        title=TITLES["disk-encryption"],
        severity="critical",
        statement=both(
            "会社の情報を扱う端末は、内蔵ディスクの全体を暗号化する。",
            "A device that handles the company's information encrypts its whole built-in disk.",
        ),
        why=WHY,
        counts=found,
        total=412,
        bar=charts.draw_shares(parts, "90% …"),
        trend=days,
        trend_chart=trend_chart(days, "44 → 23"),
        failing=failing,
        listed=S(
            kind="",
            pager={
                "page": 1,
                "pages": 2,
                "total": len(failing) + 17,
                "first": 1,
                "last": len(failing),
            },
        ),
        systems=systems,
        manifest=MANIFEST[:1],
        facts=[
            (msg("Guideline class"), both("データ保護", "Data protection")),
            (msg("Applies to"), both("社給・私物", "Company, private")),
            (msg("Grace"), both("7日", "7 d")),
            (msg("Evidence is good for"), both("2日", "2 d")),
            (msg("Proven by"), msg("Machine")),
        ],
    )
    return {"view": view}
