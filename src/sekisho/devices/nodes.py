"""What the desk works with: a device in memory, the house's files, and what it counted."""

from dataclasses import dataclass
from pathlib import Path

from sekisho.devices.model import DeviceState, Ownership, Platform
from sekisho.devices.offers import Book
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox


@dataclass(frozen=True, slots=True)
class Files:
    """What the desk needs of the house besides the database.

    ``carves``: where blocks of an upload wait; ``shelf``: where artefacts are kept.
    """

    authority: CertificateAuthority
    box: SecretBox
    organisation: str
    carves: Path
    shelf: Path


@dataclass(slots=True)
class Node:
    """One device as the desk knows it."""

    id: DeviceID
    ownership: Ownership
    platform: Platform
    state: DeviceState
    agent: bool
    owner_id: str | None
    book: Book
    identity: tuple[str, ...] = ()
    last_write: bytes = b""
    stopped: bool = False

    @property
    def principal(self) -> Principal:
        """Return the device as a caller: it may act on itself and on nothing else."""
        return Principal(PrincipalKind.DEVICE, self.id, self.id, frozenset({"device.self"}))


@dataclass(slots=True)
class DeskStatistics:
    """What the desk counted since its start (for metrics)."""

    reads_from_memory: int = 0
    reads_with_questions: int = 0
    writes: int = 0
    repeated: int = 0
    dropped_answers: int = 0
    bad_lines: int = 0
    unknown_keys: int = 0
    refused: int = 0
    flush_failures: int = 0
