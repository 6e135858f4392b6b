"""Faults of content files: all of them at once, each with its file and line."""

from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake: where it is (line from 1) and what to do about it."""

    file: str
    line: int
    message: Text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class CatalogueError(InvalidInputError):
    """A set of controls cannot be used; ``faults`` are all mistakes found, in reading order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda f: (f.file, f.line)))
        super().__init__(
            msg("The controls have %(count)s mistakes; the first: %(first)s",
                count=len(faults), first=str(self.faults[0])),
            hint=msg("Correct each at its file and line; the last good set stays in force."),
        )  # fmt: skip
