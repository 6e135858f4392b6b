"""How much of somebody else's file is taken in before it counts as an attack or an accident.

The figures are wide for logs (text of a busy server packs to a hundredth) and narrow for bombs.
"""

from dataclasses import dataclass

from sekisho.kernel.i18n import Text, msg

MEBI = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one path that was named: sizes in bytes.

    depth: archives inside archives. members: files out of archives, all levels together. total:
    bytes that all of it may unpack to. ratio: unpacked to packed, asked once ``floor`` bytes are
    out. record: one line, one JSON value or one XML event.
    """

    depth: int = 4
    members: int = 100_000
    total: int = 64 * 1024 * MEBI
    ratio: int = 1_500
    floor: int = 256 * MEBI
    record: int = 16 * MEBI


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be read: where, why, and what to do about it.

    ``record`` counts from 1 and is None where a whole file (or what is left of it) is meant.
    ``lost`` is false where nothing is known to be left out for it.
    """

    file: str
    record: int | None
    what: Text
    hint: Text
    lost: bool = True


class UnreadableError(Exception):
    """A file, or the rest of it, cannot be read; said to the person and never fatal."""

    def __init__(self, what: Text, hint: Text) -> None:
        super().__init__(str(what))
        self.what = what
        self.hint = hint


@dataclass(slots=True)
class Allowance:
    """What is left of the limits for one path; shared by everything inside it."""

    limits: Limits = DEFAULT_LIMITS
    unpacked: int = 0
    members: int = 0

    def spend(self, size: int, packed: int, here: int) -> None:
        """Count ``size`` bytes more; ``here`` came out of ``packed`` bytes of this stream."""
        self.unpacked += size
        if self.unpacked > self.limits.total:
            raise UnreadableError(
                msg("It unpacks to more than %(n)s bytes.", n=self.limits.total),
                msg("If that is meant, unpack it yourself and name the folder."),
            )
        if here > self.limits.floor and here > self.limits.ratio * max(1, packed):
            raise UnreadableError(
                msg("It unpacks to more than %(n)s times its size.", n=self.limits.ratio),
                msg("That is how an archive bomb looks; unpack it yourself if you trust it."),
            )

    def enter(self) -> None:
        """Count one file more out of an archive."""
        self.members += 1
        if self.members > self.limits.members:
            raise UnreadableError(
                msg("It holds more than %(n)s files.", n=self.limits.members),
                msg("If that is meant, unpack it yourself and name the folder."),
            )
