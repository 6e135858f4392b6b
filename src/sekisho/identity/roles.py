"""Which rights each role gives, and what an API token may be made for.

A right is ``room.verb``. A role is held in the whole organisation or in one unit with all below
it; what it gives reaches as far (``docs/adr``, "Rights that reach as far as a unit"). Nothing
here names one person: what everybody has is SELF_RIGHTS, about their own things only.
"""

from collections.abc import Mapping

from sekisho.identity.model import Role
from sekisho.kernel.i18n import Text, msg

# What every signed-in person has, also on the public listener: to see and change their own things,
# to ask for an exception for themselves, to report and consult.
SELF_RIGHTS = frozenset(
    {"self.read", "self.write", "exceptions.request", "cases.report", "access.request"}
)

# What a role gives on the public listener, too (``docs/adr/0009``): to decide on what waits for
# somebody, from wherever they are. Everything else is for the admin listener, at the machine or
# behind the gate.
AWAY_RIGHTS = frozenset({"exceptions.read", "exceptions.approve"})

_READS = frozenset(
    {
        "devices.read",
        "controls.read",
        "findings.read",
        "evidence.read",
        "identity.read",
        "settings.read",
        "exceptions.read",
        "selfchecks.read",
        "notices.read",
        "training.read",
        "detection.read",
        "access.read",
    }
)
RIGHTS_OF_ROLE: Mapping[Role, frozenset[str]] = {
    Role.ADMIN: frozenset({"*"}),
    Role.SECURITY: _READS
    | {
        "devices.*",
        "controls.*",
        "findings.*",
        "exceptions.*",
        "notices.*",
        "cases.*",
        "detection.*",
        "selfchecks.*",
        "identity.recover",
        "access.*",
    },
    Role.CSIRT: _READS
    | {
        "devices.write",
        "findings.*",
        "cases.*",
        "detection.*",
        "notices.write",
        "identity.recover",
        "access.cut",
    },
    # A manager answers for people, not for machines: what fails and until when, exceptions of
    # their unit. Low severities only; the room of exceptions judges which.
    Role.MANAGER: frozenset(
        {
            "devices.read",
            "controls.read",
            "findings.read",
            "identity.read",
            "exceptions.read",
            "exceptions.approve",
            "selfchecks.read",
            "training.read",
        }
    ),
    # Nobody else sees how one person did (``kernel.principal.RESERVED_RIGHTS``).
    Role.TRAINER: frozenset(
        {"identity.read", "training.read", "training.write", "training.results"}
        | {"selfchecks.read", "notices.read"}
    ),
    # Sums and exceptions that need their word; no look into one person's PC.
    Role.EXECUTIVE: frozenset(
        {
            "controls.read",
            "findings.read",
            "evidence.read",
            "exceptions.read",
            "exceptions.approve",
            "selfchecks.read",
            "training.read",
        }
    ),
    Role.AUDITOR: _READS | {"cases.read"},
    Role.TELEWORKER: frozenset(),
}
WORDS_OF_ROLE: Mapping[Role, Text] = {
    Role.ADMIN: msg("Administrator"),
    Role.SECURITY: msg("Security"),
    Role.CSIRT: msg("CSIRT"),
    Role.MANAGER: msg("Manager"),
    Role.TRAINER: msg("Trainer"),
    Role.EXECUTIVE: msg("Executive"),
    Role.AUDITOR: msg("Auditor"),
    Role.TELEWORKER: msg("Teleworker"),
}
# What a token may be made for; always narrowed again to what its owner may do. There is none for
# identity.write: who holds a token cannot make other people or give roles but by SCIM.
TOKEN_SCOPES = (
    "devices.read",
    "devices.write",
    "devices.approve",
    "controls.read",
    "controls.write",
    "findings.read",
    "findings.write",
    "exceptions.read",
    "exceptions.request",
    "selfchecks.read",
    "notices.read",
    "cases.read",
    "cases.report",
    "detection.read",
    "access.read",
    "access.write",
    "access.cut",
    "access.decide",
    "access.request",
    "evidence.read",
    "identity.read",
    "identity.scim",
    "settings.read",
    "self.read",
)
