"""Exceptions that wait for somebody who decides away from the desk."""

from datetime import timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.kernel.i18n import msg
from ui.made_up.common import NOW, TITLES, WHY, before

PLEA = {
    "ja": ("古い会計ソフトが管理者の確認画面で止まるため", "その端末は社内網に接続しない"),
    "en": ("The old accounting program stops at that window", "Kept off the company network"),
}


def _row(place: int, key: str, severity: str, target: str) -> S:
    return S(
        id=f"exc_{place}", control=key, title=TITLES[key], severity=severity,
        kind_word=msg("Device"), target=target, address="", ownership="company",
        state="requested", state_word=msg("Waits for a decision"), mark="unknown",
        until=NOW + timedelta(days=9 + 20 * place), last=NOW + timedelta(days=9 + 20 * place),
        began=before(days=place), renewals=place, requester="高橋 遥", devices=0, late=False,
    )  # fmt: skip


def decisions(_language: str) -> dict[str, Any]:
    return {"rows": [
        _row(0, "disk-encryption", "critical", "MNT-L-0231"),
        _row(2, "router-firmware", "low", "keiri-kyoyu-notebook-0417.minato-sekkei.example.jp"),
    ]}  # fmt: skip


def decision(language: str) -> dict[str, Any]:
    row = _row(2, "router-firmware", "low", "MNT-L-0231")
    reason, measure = PLEA[language]
    exception = S(
        settler="", paper="", reason=reason, measure=measure, settled_because="", ended_because=""
    )
    asked = S(at=before(hours=3), words=msg("Request made"), who="高橋 遥", because="", number="")
    return {
        "row": row, "exception": exception, "chain": [], "history": [asked], "why": WHY,
        "limit": S(longest_days=180), "decides": True,
        "acts": S(decide=True, withdraw=False, revoke=False, renew=False),
    }  # fmt: skip
