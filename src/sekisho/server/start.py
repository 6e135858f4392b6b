"""What ``sekisho up`` does once before its processes run, and needs the whole house for."""

from sekisho.identity import service as identity
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import open_house
from sekisho.server.certificates import ensure_certificate
from sekisho.server.changes import record_settings
from sekisho.server.gate.seed import seed_sample
from sekisho.server.rulebook import open_rulebook


def prepare(settings: Settings, *, has_gate: bool = False) -> None:
    """Bring the database up to date, make what is missing, and record the settings in force."""
    with open_house(settings) as house:
        ensure_certificate(house)
        if settings.controls:
            open_rulebook(settings)  # a mistake is told here and now, not by a child's log
        with house.database.write(SYSTEM) as tx:
            record_settings(tx, settings)
            if has_gate:
                seed_sample(tx)


def issue_link(settings: Settings) -> str | None:
    """Return the address of a one-time first-admin link; None where somebody can sign in."""
    with open_house(settings) as house, house.database.write(SYSTEM) as tx:
        return identity.issue_first_admin_link(tx)
