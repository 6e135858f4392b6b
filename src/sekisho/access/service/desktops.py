"""What the gate writes down about desktops in the browser."""

from sekisho.access.store import sessions as store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction


def record_desktop(
    tx: Transaction, session_id: str, *, opened: bool, detail: dict[str, object]
) -> None:
    """Write down that a desktop was reached, or why it was not or no more. Called by the gate."""
    session = store.find_session(tx, session_id)
    if session is None:
        return
    evidence.record(
        tx, kind="access.desktop_opened" if opened else "access.desktop_ended",
        subject=f"session:{session.id}",
        detail={"resource": session.resource_id, **detail}, person=session.person_id,
    )  # fmt: skip
