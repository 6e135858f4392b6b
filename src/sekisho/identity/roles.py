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
WORDS_OF_SCOPE: Mapping[str, Text] = {
    "devices.read": msg("See devices, their state and their verdicts"),
    "devices.write": msg("Enrol, change and remove devices"),
    "devices.approve": msg("Approve devices that wait"),
    "controls.read": msg("See rules and how far they are kept"),
    "controls.write": msg("Bring in proofs and exports of device managers"),
    "findings.read": msg("See findings"),
    "findings.write": msg("Assign findings and note what was done"),
    "exceptions.read": msg("See exceptions"),
    "exceptions.request": msg("Ask for exceptions"),
    "selfchecks.read": msg("See results of self-checks"),
    "notices.read": msg("See which notices were sent"),
    "cases.read": msg("See reports"),
    "cases.report": msg("Report something"),
    "detection.read": msg("See detection rules"),
    "access.read": msg("See resources, policies and decisions of the gate"),
    "access.write": msg("Change resources and propose policies of the gate"),
    "access.cut": msg("Cut connections"),
    "access.decide": msg("Ask the gate whether somebody may come in"),
    "access.request": msg("Ask for access for a while"),
    "evidence.read": msg("Read the evidence"),
    "identity.read": msg("See people, units and groups"),
    "identity.scim": msg("Keep people and groups in step with a directory (SCIM)"),
    "settings.read": msg("See the settings"),
    "self.read": msg("See one's own devices and notices"),
}
TOKEN_SCOPES = tuple(WORDS_OF_SCOPE)
