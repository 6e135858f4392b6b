"""What policies are made of: one policy, the form that makes usual ones, and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sekisho.kernel.i18n import Text, msg

MOST_POLICIES = 2_000
LONGEST_TEXT = 20_000


class Effect(StrEnum):
    """What a policy does where it fits; a forbid wins over every permit."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of the organisation: Cedar text under a name that never changes.

    ``titles`` and ``fixes`` are what people read where it decides, by language; ``approvers`` says
    who grants requests it asks for: "" holders of ``access.approve``, ``manager``, or
    ``group:grp_…``.
    """

    id: str
    text: str
    title_ja: str = ""
    title_en: str = ""
    fix_ja: str = ""
    fix_en: str = ""
    approvers: str = ""
    enabled: bool = True

    def titled(self, language: str) -> str:
        """Return its title in a language, falling back to the other, then to its name."""
        first, second = (self.title_ja, self.title_en)
        return (first or second or self.id) if language == "ja" else (second or first or self.id)


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """A usual policy as a form. What is empty asks for nothing.

    Who: in any of ``units`` (with those below), ``groups`` or ``roles``. Where: ``resources`` by
    id. What must hold: all the rest. A permit lets in whom all of it fits; a forbid keeps out who
    is meant unless all that must hold does. ``begin``/``end`` are minutes of the day in the
    person's time zone, ``weekdays`` 1 (Monday) to 7, ``mfa_minutes`` how old the proof may be.
    """

    effect: Effect = Effect.PERMIT
    units: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    trusts: tuple[int, ...] = ()
    strength: int = 0
    mfa_minutes: int = 0
    controls: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    weekdays: tuple[int, ...] = ()
    begin: int = -1
    end: int = -1
    until: int = 0
    needs_grant: bool = False


class VersionState(StrEnum):
    """Where a version of all policies stands; one is in force."""

    WAITING = "waiting"
    IN_FORCE = "in_force"
    REPLACED = "replaced"
    REFUSED = "refused"


WORDS_OF_VERSION: Mapping[VersionState, Text] = {
    VersionState.WAITING: msg("Waits for approval"),
    VersionState.IN_FORCE: msg("In force"),
    VersionState.REPLACED: msg("Replaced"),
    VersionState.REFUSED: msg("Refused"),
}


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """All policies as they were at one time; numbers grow by one and are never used twice."""

    number: int
    state: VersionState
    policies: tuple[Policy, ...]
    note: str
    author: str
    created_at: datetime
    based_on: int
    decider: str | None = None
    decided_at: datetime | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """What is wrong with a policy; nothing of a version with a fault is stored."""

    policy_id: str
    text: Text
