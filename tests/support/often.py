"""How many examples a property test tries: few on every run, many when somebody asks for it."""

import os


def often(usual: int) -> int:
    """Return ``usual`` times the number in SEKISHO_EXAMPLES (1 where nothing is said)."""
    return usual * int(os.environ.get("SEKISHO_EXAMPLES", "1"))
