"""Numbers in what other programs wrote: a number, or ``Unreadable``."""

from sekisho.agent.table import Unreadable


def number(text: str, base: int = 10) -> int:
    """Return ``text`` as a whole number; what is none raises ``Unreadable`` with the text."""
    try:
        return int(text, base)
    except ValueError:
        raise Unreadable(f"a number was expected, not {text[:40]!r}") from None
