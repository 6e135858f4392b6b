"""What every filter between a browser and a host does."""

from dataclasses import dataclass
from typing import Protocol

from sekisho.server.desktop.grants import Why


class ViolationError(Exception):
    """One side sent what may not pass; the connection ends."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class Filter(Protocol):
    """Takes bytes of either side; gives (to the host, to the browser); raises ViolationError."""

    @property
    def begun(self) -> bool:
        """Tell whether the host has let the person in, as far as can be seen."""
        ...

    @property
    def done(self) -> str:
        """Say what was taken out, for the record; "" for nothing."""
        ...

    def from_browser(self, data: bytes) -> tuple[bytes, bytes]:
        """Judge what the browser sent."""
        ...

    def from_host(self, data: bytes) -> tuple[bytes, bytes]:
        """Judge what the host sent."""
        ...


@dataclass(slots=True)
class Bare:
    """Lets everything through: for tests and for the measure of a relay without a filter."""

    @property
    def begun(self) -> bool:
        """Return True: nothing is looked at."""
        return True

    @property
    def done(self) -> str:
        """Return "": nothing is taken out."""
        return ""

    def from_browser(self, data: bytes) -> tuple[bytes, bytes]:
        """Pass it on."""
        return data, b""

    def from_host(self, data: bytes) -> tuple[bytes, bytes]:
        """Pass it on."""
        return b"", data
