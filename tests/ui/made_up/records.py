"""Evidence and settings."""

from types import SimpleNamespace as S
from typing import Any

from sekisho.evidence.words import name_kind
from sekisho.kernel.i18n import Text, msg
from ui.made_up.common import (
    before,
    both,
)


def evidence(_language: str) -> dict[str, Any]:
    state = S(
        outcome="pass",
        words=msg("The chain holds"),
        detail=both(
            "184,206件を読み直し、すべて一致しました。",
            "184,206 records were read again and all of them match.",
        ),
        count=184209,
        sealed=184206,
        waiting=3,
        checkpoint_at=before(minutes=38),
        left_at=before(minutes=37),
        verified_at=before(hours=5),
    )
    seen = [
        ("control.verdict_changed", "device:dev_01", "MNT-L-0231"),
        ("device.enrolled", "device:dev_02", "osquery"),
        ("identity.signed_in", "person:per_01", "佐伯 航"),
        ("device.looked_at", "device:dev_01", "佐伯 航"),
    ]
    rows = [
        S(
            id=str(184206 - n),
            number=184206 - n if n else None,
            at=before(minutes=3 * n + 1),
            kind=name_kind(k),
            kind_id=k,
            subject=s,
            subject_id=s,
            address="/devices/dev_01" if s.startswith("device") else "",
            actor=a,
            actor_id=a,
            digest="9f2c41d07ab3aa41" if n else "",
        )
        for n, (k, s, a) in enumerate(seen * 3)
    ]
    checkpoints = [
        S(
            at=before(minutes=38 + 60 * n),
            upto=184100 - 400 * n,
            sent_to=["file:/mnt/worm/sekisho"] if n else [],
            digest="51b8a9c3f0d2e771",
        )
        for n in range(3)
    ]
    kinds = [("control", msg("Verdicts")), ("device", msg("Devices")), ("identity", msg("People"))]
    return {
        "state": state,
        "rows": rows,
        "further": 184194,
        "kinds": kinds,
        "checkpoints": checkpoints,
        "checks": [
            S(
                id=str(9 - n),
                at=before(days=n),
                records=184206 - 900 * n,
                outside=31 - n,
                problems=n,
            )
            for n in range(2)
        ],
        "filters": S(q="", kind="device", sort="-time", after=None),
    }


def record(_language: str) -> dict[str, Any]:
    row = S(
        at=before(days=1),
        kind=name_kind("control.verdict_changed"),
        kind_id="control.verdict_changed",
        subject="MNT-L-0231",
        address="/devices/dev_01",
        actor=msg("Sekisho itself"),
    )
    return {
        "row": row,
        "name": "183,977",
        "utc": "2026-11-24 00:00:02.114 UTC",
        "needs": None,
        "payload": '{\n  "control": "disk-encryption",\n  "from": "pass",\n  "to": "fail"\n}',
        "chain": [
            (msg("Digest of this record"), "9f2c41d07ab3aa41" * 4),
            (msg("Digest of the record before"), "51b8a9c3f0d2e771" * 4),
            (msg("Salted digest of the content"), "07ab3aa419f2c41d" * 4),
        ],
    }


def settings(_language: str) -> dict[str, Any]:
    def row(name: Text, value: object, **more: object) -> S:
        return S(
            **{
                "name": name,
                "value": value,
                "state": "",
                "code": False,
                "note": "",
                "place": "",
                **more,
            }
        )

    groups = [
        S(
            title=msg("Organisation"),
            rows=[
                row(msg("Name"), both("株式会社みなと設計", "Minato Sekkei K.K.")),
                row(msg("Language"), "日本語"),
            ],
        ),
        S(
            title=msg("How others reach this server"),
            rows=[
                row(msg("Public name"), "sekisho.example.jp", code=True),
                row(
                    msg("Passkeys"),
                    msg("Work"),
                    state="pass",
                    note=msg("Registered for this name."),
                ),
                row(msg("Listener for agents and people"), "0.0.0.0:8443", code=True),
            ],
        ),
        S(
            title=msg("Checkpoints of the evidence"),
            rows=[
                row(msg("File"), "/mnt/worm/sekisho", code=True),
                row(msg("Mail"), ""),
                row(msg("Time stamp (RFC 3161)"), msg("Not set"), state="unknown"),
            ],
        ),
    ]
    return {"groups": groups, "file": "/var/lib/sekisho/settings.yaml"}
