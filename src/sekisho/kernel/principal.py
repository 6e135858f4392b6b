"""Who is asking: a person, a device, a token, the command line or Sekisho itself.

There is one front door (``server/auth.py``) that makes a principal; services ask it for rights
and know nothing of cookies or headers.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sekisho.kernel.errors import NotPermittedError, UnauthenticatedError
from sekisho.kernel.i18n import msg

ALL_RIGHTS = "*"


class PrincipalKind(StrEnum):
    """By which way a principal came in."""

    PERSON = "person"
    DEVICE = "device"
    TOKEN = "token"  # noqa: S105 - a kind of caller, no secret
    COMMAND = "command"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller and what it may do.

    ``rights`` holds names such as ``devices.read``; ``devices.*`` stands for a whole room and
    ``*`` for everything. ``authenticated_at`` is when a person last proved who they are (for
    step-up); ``address`` is where the request came from.
    """

    kind: PrincipalKind
    id: str
    name: str
    rights: frozenset[str] = field(default_factory=frozenset)
    session_id: str | None = None
    authenticated_at: datetime | None = None
    address: str | None = None

    def allows(self, right: str) -> bool:
        """Tell whether this principal has ``right``."""
        room = right.split(".", 1)[0]
        return not self.rights.isdisjoint({right, f"{room}.*", ALL_RIGHTS})

    def require(self, right: str) -> None:
        """Return if this principal has ``right``; raise otherwise.

        Raises UnauthenticatedError for a stranger and NotPermittedError for anyone else.
        """
        if self.allows(right):
            return
        if self.kind is PrincipalKind.ANONYMOUS:
            raise UnauthenticatedError(
                msg("This needs a sign-in."), hint=msg("Sign in and try again.")
            )
        raise NotPermittedError(
            msg("%(name)s has no right to do this (%(right)s).", name=self.name, right=right),
            hint=msg("Ask an administrator for a role that includes it."),
        )

    @property
    def reference(self) -> str:
        """Return ``kind:id``, the form in which evidence names an actor."""
        return f"{self.kind}:{self.id}"


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "", "")
SYSTEM = Principal(PrincipalKind.SYSTEM, "sekisho", "Sekisho", frozenset({ALL_RIGHTS}))
