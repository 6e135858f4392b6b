"""Flags: two machines behind one identity become a finding and a record, and are told apart."""

from sekisho.devices.model import Device
from sekisho.devices.service.telling import tell_flag
from sekisho.devices.store import devices as store
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.findings.model import NewFinding
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, msg

CLONE = "clone"
DUPLICATE = "duplicate"


def raise_clone(tx: Transaction, device: Device, network: str) -> None:
    """Flag ``device``: its node key came from another machine (seen from ``network``)."""
    _raise(
        tx,
        device,
        CLONE,
        {"ja": f"{device.title} の鍵を別の端末が使っています（複製の疑い）",
         "en": f"Another machine uses the key of {device.title} (a clone?)"},
        {"network": network},
        msg("Another machine uses the key of %(device)s (a clone?)", device=device.title),
    )  # fmt: skip


def raise_duplicate(tx: Transaction, device: Device, other: Device) -> None:
    """Flag both devices: they claim one identifier and are two machines."""
    for one, two in ((device, other), (other, device)):
        _raise(
            tx,
            one,
            DUPLICATE,
            {"ja": f"{one.title} と {two.title} が同じ識別子を名のっています",
             "en": f"{one.title} and {two.title} claim the same identifier"},
            {"other": two.id},
            msg("%(device)s and %(other)s claim the same identifier",
                device=one.title, other=two.title),
        )  # fmt: skip


def _raise(
    tx: Transaction, device: Device, flag: str, title: dict[str, str], detail: dict[str, object],
    told: Text,
) -> None:  # fmt: skip
    if store.find_device(tx, device.id) is None:
        return
    store.update_device(tx, device.id, flagged=flag)
    findings.raise_findings(
        tx,
        [
            NewFinding(
                kind="compliance",
                key=f"device:{flag}:{device.id}",
                subject=f"device:{device.id}",
                title=title,
                severity="high",
                detail=detail,
            )
        ],
    )
    if device.flagged != flag:
        tell_flag(tx, device, told)
        evidence.record(
            tx,
            kind=f"device.{flag}_seen",
            subject=f"device:{device.id}",
            detail=detail,
            person=device.owner_id,
        )
