"""Opens the house: the data folder, the keys, the database and what the rooms share.

Everything that a process of the server needs is made here, once, and passed down; no room
reaches for a global.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from sekisho.kernel.changes import Nudge
from sekisho.kernel.clock import Clock, SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.migrations import migrate
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.server.folder import prepare_data

GATE_SOCKET = "gate.sock"  # where the gate waits to be nudged after a commit (kernel.changes)


@dataclass(frozen=True, slots=True)
class House:
    """What a process of the server works with."""

    settings: Settings
    clock: Clock
    database: Database
    box: SecretBox
    authority: CertificateAuthority


@contextlib.contextmanager
def open_house(settings: Settings, clock: Clock | None = None) -> Iterator[House]:
    """Open everything, bring the database up to date, and close it again at the end."""
    prepare_data(settings.data)
    clock = clock or SystemClock()
    box = SecretBox.load_or_create(settings.secret_key)
    database = Database(settings.database, clock)
    nudge = Nudge(settings.data / GATE_SOCKET)
    database.wakers.append(nudge)
    try:
        migrate(database)
        yield House(
            settings=settings,
            clock=clock,
            database=database,
            box=box,
            authority=CertificateAuthority.load_or_create(
                settings.data / "ca", box, settings.organisation or "Sekisho", clock.now()
            ),
        )
    finally:
        database.close()
        nudge.close()
