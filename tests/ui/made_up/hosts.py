"""The certificate of a desktop's host: nobody vouches for it, another than before, none to see."""

from datetime import timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.server.desktop.grants import Why
from sekisho.server.desktop.words import WHY
from ui.made_up.common import NOW

_SHOWN = "9f2c41d07be3586a1c0e94b7d2f8a35e6604c1b98d7f20aa53e1c7b4960fd812"
_PINNED = "1b77e0a9c4d2f3586ea09c81d7b245f0936ad1e4c8057bf2a6913ed04c5f8b27"


def _page(language: str, pin: str, *, doubt: str = "self-signed certificate") -> dict[str, Any]:
    name = {"ja": "経理部のデスクトップ（夜間の締め処理）", "en": "Accounting desktop"}[language]
    upstream = S(host="keiri-yakan-desktop-0417.minato-sekkei.example.jp", port=3389)
    return {
        "resource": S(id="res_1", version=4, pin=pin, upstreams=[upstream], named=lambda _: name),
        "seen": S(digest=_SHOWN, doubt=doubt), "fault": None, "is_rdp": True,
        "facts": {
            "subject": "CN=keiri-yakan-desktop-0417", "issuer": "CN=keiri-yakan-desktop-0417",
            "begins": NOW - timedelta(days=90), "ends": NOW + timedelta(days=93),
        },
    }  # fmt: skip


def unknown(language: str) -> dict[str, Any]:
    return _page(language, "")


def other(language: str) -> dict[str, Any]:
    return _page(language, _PINNED)


def silent(language: str) -> dict[str, Any]:
    fault = WHY[Why.UNREACHABLE]
    return {**_page(language, _PINNED), "seen": None, "facts": {}, "fault": fault}
