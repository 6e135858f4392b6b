"""What the overview shows."""

from datetime import datetime, timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.kernel.i18n import Text, msg
from sekisho.ui import charts
from ui.made_up.common import (
    NOW,
    RULES,
    TITLES,
    Words,
    before,
    both,
    counts,
    trend,
    trend_chart,
)


def task(
    severity: str,
    title: Words,
    detail: Words,
    since: datetime,
    owner: str,
    due: datetime | None,
    action: Text,
) -> S:
    return S(
        severity=severity,
        title=title,
        detail=detail,
        since=since,
        owner=owner,
        due=due,
        address="/devices/dev_01?open=disk-encryption",
        action=action,
    )


TASKS = [
    task(
        "critical",
        both("ディスクの暗号化がオフの端末", "Disk encryption is off"),
        both(
            "MNT-L-0231（高橋 遥）。機械で確認、猶予はあと3日です。",
            "MNT-L-0231 (Haruka Takahashi). Checked by machine; three days of grace are left.",
        ),
        before(days=3, hours=15),
        "高橋 遥",
        NOW + timedelta(days=3),
        msg("See how to fix it"),
    ),
    task(
        "critical",
        both("RDPが待ち受けている", "Something listens for RDP"),
        both("解析サーバ ana-01。NLAは「任意」。", "Analysis server ana-01. NLA is optional."),
        before(hours=2),
        "三浦 千尋",
        NOW + timedelta(hours=9),
        msg("See how to fix it"),
    ),
    task(
        "high",
        both("OSの更新が38日ない", "No system update for 38 days"),
        both(
            "MNT-L-0092。ベンダの修正が2件、当たっていない。",
            "MNT-L-0092. Two vendor fixes are missing.",
        ),
        before(days=5),
        "大西 健",
        before(days=1),
        msg("See how to fix it"),
    ),
    task(
        "high",
        both("許可していない遠隔操作ソフトがある", "An unapproved remote-control tool"),
        both("BYOD-0031。AnyDesk 8.1。", "BYOD-0031. AnyDesk 8.1."),
        before(days=1, hours=9),
        "",
        None,
        msg("Assign"),
    ),
    task(
        "medium",
        both("便りのない端末が4台", "Four devices have gone silent"),
        both("判定は「未確認」に変わります。", "Their verdicts turn unknown."),
        before(days=4),
        "",
        None,
        msg("See the devices"),
    ),
]


def overview(_language: str) -> dict[str, Any]:
    shares = [
        ("f-machine", msg("Machine"), 8283),
        ("f-document", msg("Document"), 1107),
        ("f-third", msg("Third party"), 358),
        ("f-self", msg("Self-report"), 738),
        ("f-unknown", msg("Unknown"), 1050),
    ]
    scale = 52.6
    worst = [
        ("os-updates", 7, 5, "−11"),
        ("disk-encryption", 9, 2, "−3"),
        ("screen-lock", 9, 0, "+9"),
        ("router-firmware", 1, 6, "±0"),
        ("remote-tools", 2, 1, "+1"),
    ]
    days = trend()
    return {
        "dated": [],
        "view": S(
            device_total=412,
            device_counts=counts(371, 23, 14, 4),
            tasks=TASKS,
            tasks_more=12,
            verdict_total=11536,
            device_changes={"pass": "+11", "fail": "−9", "unknown": "−2", "exempt": "±0"},
            device_rest=3,
            proofs=[(look, words, n, "+0.4") for look, words, n in shares],
            control_total=len(RULES),
            proof_bar=charts.draw_shares([charts.Part(k, n) for k, _, n in shares], "71.8% …"),
            comparisons=[
                S(
                    title=msg("Not checked at all"),
                    ours_share="9.1%",
                    nation_share="35.5%",
                    ours=charts.draw_bar([charts.Part("f-unknown", 9.1)], scale),
                    nation=charts.draw_bar([charts.Part("f-nation", 35.5)], scale),
                ),
                S(
                    title=msg("Of what is checked, self-check only"),
                    ours_share="7.0%",
                    nation_share="49.5%",
                    ours=charts.draw_bar([charts.Part("f-self", 7.0)], scale),
                    nation=charts.draw_bar([charts.Part("f-nation", 49.5)], scale),
                ),
            ],
            not_passing=41,
            not_passing_change="−6",
            trend=days,
            trend_chart=trend_chart(days, "44 → 23"),
            worst=[
                S(
                    id=k,
                    title=TITLES[k],
                    failing=f,
                    unknown=u,
                    change=c,
                    bar=charts.draw_bar(
                        [charts.Part("f-fail", f), charts.Part("f-unknown", u)], 14
                    ),
                )
                for k, f, u, c in worst
            ],
            silent=[
                S(
                    id="dev_1",
                    title="MNT-L-0187",
                    owner="森 拓海",
                    ownership="company",
                    seen=before(days=4),
                ),
                S(
                    id="dev_2",
                    title="MNT-L-0092",
                    owner="大西 健",
                    ownership="company",
                    seen=before(days=5),
                ),
                S(
                    id="dev_3",
                    title="BYOD-0031",
                    owner="",
                    ownership="private",
                    seen=before(days=8),
                ),
                S(id="dev_4", title="MNT-D-0003", owner="森下 彩", ownership="company", seen=None),
            ],
            silent_total=11,
        ),
    }
