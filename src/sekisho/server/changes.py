"""Leaves a record when the settings are not what they were at the last start.

Settings are changed in a file or on the command line, where nobody is signed in; the next start
notices, names what changed, and says nothing of values that could be secret.
"""

from dataclasses import fields

from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.settings import Settings

_FACT = "server.settings"
# Addresses may hold a password; ports chosen anew at each start are no change of anyone's mind.
_UNSAID = frozenset({"data", "database_url", "smtp", "public", "intake", "admin"})


def record_settings(tx: Transaction, settings: Settings) -> list[str]:
    """Record which settings differ from the last start's; return their names."""
    now = {f.name: str(getattr(settings, f.name)) for f in fields(settings)}
    kept = {name: value for name, value in now.items() if name not in _UNSAID}
    before = get_fact(tx, _FACT)
    changed = sorted(n for n in kept if before is None or before.get(n) != kept[n])
    if before is not None and changed:
        evidence.record(
            tx,
            kind="settings.changed",
            subject="settings",
            detail={n: {"before": before.get(n), "after": kept[n]} for n in changed},
        )
    if changed:
        set_fact(tx, _FACT, kept)
    return changed if before is not None else []
