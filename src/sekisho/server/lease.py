"""Whose house the application serves: its handlers are laid out once, and houses move in."""

from dataclasses import dataclass

from sekisho.kernel.kept import Kept
from sekisho.kernel.pages import PageRenderer
from sekisho.server.answers import Answers
from sekisho.server.auth import FrontDoor
from sekisho.server.bootstrap import House
from sekisho.server.frames import FrameMaker
from sekisho.server.live import Announcer


@dataclass(frozen=True, slots=True)
class Fittings:
    """What one house brings into the application."""

    house: House
    door: FrontDoor
    frames: FrameMaker
    replies: Answers
    announcer: Announcer
    counted: Kept


@dataclass(slots=True)
class Lease:
    """What handlers ask for the house that they serve; the renderer outlasts every house."""

    renderer: PageRenderer
    _fittings: Fittings | None = None

    @property
    def held(self) -> Fittings:
        """Return what the house brought; RuntimeError before one has moved in."""
        if self._fittings is None:
            raise RuntimeError("no house has moved into this application")
        return self._fittings

    def sign(self, fittings: Fittings) -> None:
        """Let a house in, in place of the one before."""
        self._fittings = fittings
