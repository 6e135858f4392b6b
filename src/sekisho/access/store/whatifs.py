"""Reads and writes questions of the kind "who would lose access if"."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from sekisho.access.store.tables import WHATIFS
from sekisho.kernel.db import Transaction


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One question; ``done`` of ``total`` devices are through, ``state`` is running or done."""

    id: str
    state: str
    asked_by: str
    asked_at: datetime
    proposal: Mapping[str, Any]
    done: int
    total: int
    result: Mapping[str, Any]


def insert_whatif(tx: Transaction, job: WhatIf) -> None:
    """Add a question."""
    tx.execute(insert(WHATIFS), {name: getattr(job, name) for name in WhatIf.__slots__})


def update_whatif(tx: Transaction, job_id: str, **values: Any) -> None:
    """Set the named columns of a question."""
    tx.execute(update(WHATIFS).where(WHATIFS.c.id == job_id).values(**values))


def find_whatif(tx: Transaction, job_id: str) -> WhatIf | None:
    """Return a question, or None."""
    rows = tx.rows(select(WHATIFS).where(WHATIFS.c.id == job_id))
    return WhatIf(**rows[0]._asdict()) if rows else None


def find_running(tx: Transaction) -> WhatIf | None:
    """Return the oldest question that is not answered yet, or None."""
    query = select(WHATIFS).where(WHATIFS.c.state == "running")
    rows = tx.rows(query.order_by(WHATIFS.c.asked_at, WHATIFS.c.id).limit(1))
    return WhatIf(**rows[0]._asdict()) if rows else None


def delete_before(tx: Transaction, before: datetime) -> None:
    """Delete questions asked before then."""
    tx.execute(delete(WHATIFS).where(WHATIFS.c.asked_at < before))
