"""Who is asking: a person, a device, a token, the command line or Sekisho itself.

There is one front door (``server/auth.py``) that makes a principal; services ask it for rights
and know nothing of cookies or headers.

A right is held in the whole organisation (``rights``) or in some units (``scoped``). Who asks for
a right without naming a unit asks for the whole organisation: doubt denies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn

from sekisho.kernel.errors import NotPermittedError, StepUpNeededError, UnauthenticatedError
from sekisho.kernel.i18n import msg

ALL_RIGHTS = "*"
STEP_UP_LIFE = timedelta(minutes=15)
# What neither ``*`` nor ``room.*`` includes: only a role that names it gives it. People are not
# blamed, so how one person did in training is for the trainer alone, not for administrators.
RESERVED_RIGHTS = frozenset({"training.results"})


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
    ``*`` for everything but RESERVED_RIGHTS. ``scoped`` holds, for rights that are held in some
    units only, the ids of those units with all units below them. ``authenticated_at`` is when a
    person last proved who they are (for step-up); ``address`` is where the request came from;
    ``owner_id`` is the person whose token this is.
    """

    kind: PrincipalKind
    id: str
    name: str
    rights: frozenset[str] = field(default_factory=frozenset)
    session_id: str | None = None
    authenticated_at: datetime | None = None
    address: str | None = None
    scoped: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    owner_id: str | None = None

    def allows(self, right: str, unit: str | None = None) -> bool:
        """Tell whether this principal has ``right`` in ``unit``.

        Without a unit only a right held in the whole organisation counts.
        """
        reach = self.reach(right)
        return reach is None or (unit is not None and unit in reach)

    def require(self, right: str, unit: str | None = None) -> None:
        """Return if this principal has ``right`` in ``unit`` (without one: everywhere).

        Raises UnauthenticatedError for a stranger and NotPermittedError for anyone else.
        """
        if not self.allows(right, unit):
            self._refuse(right)

    def reach(self, right: str) -> frozenset[str] | None:
        """Return the ids of the units where ``right`` is held; None is everywhere, empty nowhere.

        For lists: show what belongs to these units. What belongs to none is shown to None only.
        """
        names = _including(right)
        if not self.rights.isdisjoint(names):
            return None
        return frozenset[str]().union(*(self.scoped.get(name, ()) for name in names))

    def require_reach(self, right: str) -> frozenset[str] | None:
        """Return ``reach`` if ``right`` is held anywhere; raise as ``require`` does otherwise."""
        reach = self.reach(right)
        if reach is not None and not reach:
            self._refuse(right)
        return reach

    def holds(self, right: str) -> bool:
        """Tell whether ``right`` is held anywhere: to show a door, never to open what is behind."""
        reach = self.reach(right)
        return reach is None or bool(reach)

    def require_fresh(self, now: datetime) -> None:
        """Return if the person proved themselves within 15 minutes; for acts that matter.

        Raises StepUpNeededError for a person who did not. Tokens were made with such a proof, and
        commands prove themselves by the secret key, so both pass.
        """
        if self.kind is not PrincipalKind.PERSON:
            return
        proved = self.authenticated_at
        if proved is None or now - proved > STEP_UP_LIFE:
            raise StepUpNeededError(
                msg("Please confirm that it is you."),
                hint=msg("Sign in again; this is asked before changes that matter."),
            )

    def _refuse(self, right: str) -> NoReturn:
        if self.kind is PrincipalKind.ANONYMOUS:
            raise UnauthenticatedError(
                msg("This needs a sign-in."), hint=msg("Sign in and try again.")
            )
        raise NotPermittedError(
            msg("%(name)s has no right to do this (%(right)s).", name=self.name, right=right),
            hint=msg("Ask an administrator for a role that includes it."),
        )

    @property
    def person_id(self) -> str | None:
        """Return whose act this is: the person, or the owner of the token; None for anyone else."""
        return self.id if self.kind is PrincipalKind.PERSON else self.owner_id

    @property
    def reference(self) -> str:
        """Return ``kind:id``, the form in which evidence names an actor."""
        return f"{self.kind}:{self.id}"


def _including(right: str) -> frozenset[str]:
    """Return the names of which each one includes ``right``."""
    if right in RESERVED_RIGHTS:
        return frozenset({right})
    return frozenset({right, f"{right.split('.', 1)[0]}.*", ALL_RIGHTS})


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "", "")
SYSTEM = Principal(PrincipalKind.SYSTEM, "sekisho", "Sekisho", frozenset({ALL_RIGHTS}))
