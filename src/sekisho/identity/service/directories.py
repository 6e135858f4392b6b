"""Whether a directory reaches SCIM on the public listener: off until somebody decides it."""

from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.installation import get_fact, set_fact

_FACT = "identity.scim_public"


def is_scim_public(tx: Transaction) -> bool:
    """Tell whether SCIM is served on the public listener."""
    return bool(get_fact(tx, _FACT, False))


def set_scim_public(tx: Transaction, wanted: bool) -> None:
    """Serve SCIM on the public listener, or no longer (``settings.write``, proved recently)."""
    tx.principal.require("settings.write")
    tx.principal.require_fresh(tx.now)
    before = is_scim_public(tx)
    set_fact(tx, _FACT, wanted)
    if before != wanted:
        evidence.record(
            tx, kind="settings.changed", subject="settings",
            detail={_FACT: {"before": before, "after": wanted}},
        )  # fmt: skip
