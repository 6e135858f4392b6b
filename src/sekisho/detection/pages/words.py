"""Words and figures that several pages of the library use."""

from collections.abc import Mapping

from sekisho.detection.store.staged import State
from sekisho.kernel.i18n import Text, msg

WORDS_OF_STATE: Mapping[str, Text] = {
    "tuned": msg("Other level"),
    "off": msg("Turned off"),
    "suppressed": msg("Partly suppressed"),
}
WORDS_OF_STAGED: Mapping[State, Text] = {
    State.WAITING: msg("Being read"),
    State.READY: msg("Ready to look at"),
    State.APPROVED: msg("Being taken over"),
    State.FAILED: msg("Cannot be used"),
}


def paging(total: int, page: int, size: int) -> dict[str, int]:
    """Return what a pager needs."""
    return {
        "page": page,
        "pages": max(1, -(-total // size)),
        "first": min(total, (page - 1) * size + 1),
        "last": min(total, page * size),
        "total": total,
    }
