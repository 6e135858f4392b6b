"""What the gate's data plane refused: its configuration is older than what is decided here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sekisho.access.service import telling
from sekisho.kernel.db import Transaction
from sekisho.kernel.installation import get_fact, set_fact

ALARM = "gate.refused"


@dataclass(frozen=True, slots=True)
class GateAlarm:
    """Which kind of update Envoy refused, why in its own words, and since when (UTC)."""

    kind: str
    why: str
    since: datetime


def raise_alarm(tx: Transaction, kind: str, why: str) -> None:
    """Keep and tell that an update was refused; "" for ``kind`` says that all is well again."""
    told = {"kind": kind, "why": why[:2000], "since": tx.now.isoformat()} if kind else {}
    set_fact(tx, ALARM, told)
    if kind:
        telling.tell_gate_refused(tx, _short(kind), why)


def find_alarm(tx: Transaction) -> GateAlarm | None:
    """Return the alarm that stands, None while all is well. Needs ``access.read``."""
    tx.principal.require("access.read")
    told: dict[str, Any] = get_fact(tx, ALARM) or {}
    if not told:
        return None
    since = datetime.fromisoformat(told["since"]) if "since" in told else tx.now
    return GateAlarm(_short(told["kind"]), told["why"], since)


def _short(kind: str) -> str:
    return kind.rpartition(".")[2]
