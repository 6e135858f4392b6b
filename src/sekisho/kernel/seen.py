"""Forms that were filled in while somebody else changed what they show.

A form carries the mark of what it was filled in from; the service holds that against what there is
by then. Things with a version of their own compare that instead.
"""

import hashlib

import msgspec

from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import msg

_LETTERS = 16


def mark_of(*values: object) -> str:
    """Return 16 hex digits that differ whenever ``values`` (plain data) do."""
    plain = msgspec.json.encode(values, order="deterministic")
    return hashlib.sha256(plain).hexdigest()[:_LETTERS]


def require_unchanged(seen: str | None, now: str, name: object) -> None:
    """Raise ConflictError if a form was filled in from something else than there is ``now``.

    ``seen`` is None for whoever saw no form (a program, a file): they say what shall be.
    """
    if seen is not None and seen != now:
        raise ConflictError(
            msg("%(name)s was changed by somebody else meanwhile.", name=name),
            hint=msg("Look at what it says now, then repeat your change if it is still right."),
        )
