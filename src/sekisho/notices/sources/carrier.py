"""What every way out has in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from sekisho.kernel.i18n import Text
from sekisho.notices.engine.retrying import Failure, Scope
from sekisho.notices.engine.wording import House
from sekisho.notices.model import Fault, Letter


class SendingError(Exception):
    """A letter did not leave; ``failure`` says what that means and how to mend it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.fault.message))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Way:
    """What a carrier needs: the channel's setup with its secrets opened, and who speaks.

    ``inside`` names hosts and networks inside the organisation that webhooks may go to.
    """

    setup: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    house: House
    inside: tuple[str, ...] = ()


class Carrier(Protocol):
    """Takes letters to one place; opened once for many letters."""

    pause_seconds: float

    def __enter__(self) -> Self:
        """Connect; raise SendingError if the other side cannot be used."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        ...

    def send(self, letter: Letter) -> None:
        """Send one letter; raise SendingError if it did not leave."""
        ...


def channel_error(message: Text, hint: Text) -> SendingError:
    """Make the error of a channel that cannot be used now."""
    return SendingError(Failure(Scope.CHANNEL, Fault(message, hint)))


def letter_error(message: Text, hint: Text, *, final: bool) -> SendingError:
    """Make the error of a letter that was refused while the channel works."""
    return SendingError(Failure(Scope.LETTER, Fault(message, hint), final=final))
