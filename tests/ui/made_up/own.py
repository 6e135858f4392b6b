"""A person's own devices."""

from datetime import timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.controls.pictures import draw_picture
from sekisho.kernel.i18n import msg
from sekisho.ui import charts
from ui.made_up.common import (
    FIX,
    LOOKS,
    MANIFEST,
    NOW,
    before,
)
from ui.made_up.devices import verdict_rows

LIFE = S(
    errands=[
        S(
            title={"ja": "在宅勤務のセルフチェック", "en": "Working from home"},
            words=msg("Self-check, %(n)s questions", n=10),
            due=NOW + timedelta(days=9),
            address="/my/self-checks/rnd_1",
        )
    ],
    decisions=2,
    signed_in=2,
    exceptions=1,
    reports=0,
)


def my_none(_language: str) -> dict[str, Any]:
    return {"life": LIFE, "withdrawn": True}


def my(language: str) -> dict[str, Any]:
    rows = verdict_rows()
    for row in rows:
        row.fix = FIX[language]
        row.picture = draw_picture("disk-windows", language)
    view = S(
        id="dev_01",
        mood="fail",
        headline=msg("One thing needs fixing"),
        due=NOW + timedelta(days=3, hours=9),
        meter=charts.draw_meter(7, 3, "7 → 3"),
        access="fix_by",
        comfort=msg(
            "Until then you can go on as before. After that, access ends until it is fixed."
        ),
        progress=None,
        state="active",
        consent=[],
        system="Windows 11",
        failing=rows[:1],
        unproven=rows[1:4],
        passing=rows[4:],
        sees=[
            msg("The system, its version and how up to date it is"),
            msg("Whether encryption, firewall and virus protection are on"),
        ],
        hidden=[
            msg("What is in your files and mail"),
            msg("Web pages you visited"),
            msg("Screen, camera, microphone, keystrokes"),
            msg("Where you are"),
        ],
        manifest=MANIFEST,
        facts=[
            (msg("Name"), "MNT-L-0231"),
            (msg("Kind"), msg("Company")),
            (msg("System"), "Windows 11 Pro 24H2"),
        ],
        seen=before(minutes=12),
        ownership="company",
        consented_at=None,
        others=[],
        looks=LOOKS,
        life=LIFE,
    )
    return {"view": view, "withdrawn": False}


def my_private(language: str) -> dict[str, Any]:
    context = my(language)
    view: S = context["view"]
    view.access, view.ownership, view.mood, view.headline = (
        "fine",
        "private",
        "pass",
        msg("Everything is fine"),
    )
    view.failing, view.unproven, view.due, view.comfort = (
        [],
        [],
        None,
        msg("Nothing to do. Have a good day."),
    )
    view.consented_at, view.others = (
        before(days=30),
        [S(id="dev_7", mood="unknown", title="MNT-L-0007", words=msg("Paused"))],
    )
    return context


def my_consent(language: str) -> dict[str, Any]:
    context = my_private(language)
    view: S = context["view"]
    view.access, view.state, view.mood, view.headline = (
        "",
        "consent",
        "unknown",
        msg("Nothing is asked yet"),
    )
    view.passing, view.comfort = [], msg("Nothing is read before you consent.")
    lines = {
        "ja": [
            ("", "版: 2026-11"),
            ("目的", "会社のルールが守られているかを、はい・いいえだけで確かめます。"),
            ("読み取らないもの", "ファイルやメールの中身は読みません。"),
        ],
        "en": [
            ("", "Version 2026-11"),
            ("What it is for", "Whether the company's rules are kept, as yes or no only."),
            ("What is never read", "What is in files and mail."),
        ],
    }
    view.consent = lines[language]
    return context
