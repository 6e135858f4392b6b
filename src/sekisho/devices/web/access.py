"""May this device come in: the answer as its page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sekisho.controls import service as controls
from sekisho.controls.access import AccessReason
from sekisho.controls.model import Catalogue, Localized, VerdictKind
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import DeviceID

_NO_TITLE: Localized = {"ja": "", "en": ""}


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """One thing that counts for access; ``bar`` is "" for a rule."""

    kind: str
    control: str
    title: Localized
    verdict: str
    judged: str
    until: datetime | None
    bar: str


@dataclass(frozen=True, slots=True)
class AccessView:
    """The answer for one device: the word, by when to fix, why, and how long it holds."""

    kind: str
    fix_by: datetime | None
    valid_until: datetime
    reasons: Sequence[ReasonRow]


def read_access(tx: Transaction, catalogue: Catalogue, device_id: str) -> AccessView:
    """Return the answer; rules that do not count for it and are not excepted are left out."""
    state = controls.access_state(tx, DeviceID(device_id))
    counted = [r for r in state.reasons if r.kind != "fine" or r.verdict is VerdictKind.EXEMPT]
    return AccessView(
        state.kind.value, state.fix_by, state.valid_until,
        [_row(catalogue, reason) for reason in counted],
    )  # fmt: skip


def _row(catalogue: Catalogue, reason: AccessReason) -> ReasonRow:
    control = catalogue.controls.get(reason.control_id) if reason.control_id else None
    return ReasonRow(
        kind=reason.kind.value,
        control=reason.control_id or "",
        title=control.title if control is not None else _NO_TITLE,
        verdict=reason.verdict.value if reason.verdict is not None else "",
        judged=reason.judged.value if reason.judged is not None else "",
        until=reason.until,
        bar=reason.bar.value if reason.bar is not None else "",
    )
