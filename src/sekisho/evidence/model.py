"""The words of evidence: records, checkpoints, artefacts, and what a verification can find."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from sekisho.kernel.i18n import Text
from sekisho.kernel.ids import RecordID

ArtifactDigest = NewType("ArtifactDigest", str)


@dataclass(frozen=True, slots=True)
class NewRecord:
    """One act to be recorded.

    ``kind`` is dotted (``device.enrolled``), ``subject`` is ``device:dev_…`` or the like,
    ``detail`` any JSON object, ``person`` the person whose personal data the detail holds.
    """

    kind: str
    subject: str
    detail: Mapping[str, object] = field(default_factory=dict)
    person: str | None = None


@dataclass(frozen=True, slots=True)
class SealedFields:
    """The fields of a record that the chain covers, exactly as they are hashed.

    ``at`` is ``2026-11-24T00:00:00.000000Z``; all texts are UTF-8; ``digest`` is the payload's
    SHA-256 as 64 hex digits.
    """

    id: bytes
    at: bytes
    kind: bytes
    actor: bytes
    subject: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is shown.

    ``seq`` and ``chain`` are None until it is sealed; ``detail`` is None once the payload was
    erased, and ``erased_by`` names the erasure record. It is None, too, for whoever lacks the right
    ``needs`` that reading it takes.
    """

    id: RecordID
    seq: int | None
    at: datetime
    kind: str
    actor: str
    subject: str
    digest: str
    chain: str | None
    detail: Mapping[str, object] | None
    person: str | None
    erased_by: RecordID | None
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are wanted; everything given must hold.

    ``kind`` may end in ``.*`` for a whole room; ``search`` is looked for in kind, actor, subject
    and payload; ``since`` and ``until`` are instants (from, and before).
    """

    search: str = ""
    kind: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: after ``seq`` records the chain stood at ``chain``.

    ``key_id`` and ``public_key`` (Ed25519, base64) name the key, ``signature`` is base64.
    """

    id: str
    seq: int
    chain: str
    at: datetime
    key_id: str
    public_key: str
    signature: str


class DeliveryState(StrEnum):
    """Whether a checkpoint has left for one destination."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way of one checkpoint to one destination; ``error`` is what the last try met."""

    checkpoint_id: str
    destination: str
    state: DeliveryState
    tries: int
    error: Text | None
    next_at: datetime
    done_at: datetime | None
    receipt: bytes | None


@dataclass(frozen=True, slots=True)
class DestinationState:
    """How one destination of checkpoints is doing: the last arrival and what waits."""

    destination: str
    delivered_at: datetime | None
    delivered_seq: int | None
    waiting: int
    error: Text | None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs checkpoints; ``public_key`` is Ed25519, base64."""

    id: str
    public_key: str
    made_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one round of sending gave: how many arrived, and for whom it failed (and why)."""

    delivered: int
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes kept as evidence under their SHA-256 ``digest``; ``size`` in bytes."""

    id: str
    digest: ArtifactDigest
    name: str
    media_type: str
    size: int
    subject: str
    record_id: RecordID


class ProblemKind(StrEnum):
    """What a verification can find."""

    RECORD_CHANGED = "record_changed"
    RECORD_MISSING = "record_missing"
    RECORD_UNREADABLE = "record_unreadable"
    PAYLOAD_CHANGED = "payload_changed"
    PAYLOAD_MISSING = "payload_missing"
    PAYLOAD_STRAY = "payload_stray"
    CHAIN_CUT = "chain_cut"
    CHAIN_REWRITTEN = "chain_rewritten"
    CHECKPOINT_BROKEN = "checkpoint_broken"
    CHECKPOINT_UNKNOWN_KEY = "checkpoint_unknown_key"
    TIMESTAMP_BROKEN = "timestamp_broken"
    ARTIFACT_CHANGED = "artifact_changed"
    ARTIFACT_MISSING = "artifact_missing"
    STORE_DAMAGED = "store_damaged"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing found: where (``seq``, 0 if nowhere in the chain), what was expected and got."""

    kind: ProblemKind
    seq: int
    record: str
    expected: str
    got: str
    message: Text


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of holding the store against its chain and its checkpoints.

    ``sealed`` records were checked up to ``seq``; ``erased`` maps a record to its erasure record;
    ``outside`` counts checkpoints handed in from outside, of which ``outside_seq`` is the
    highest confirmed; ``problem_count`` may exceed ``len(problems)``, which is capped.
    """

    sealed: int
    seq: int
    chain: str
    unsealed: int
    erased: Mapping[str, str]
    artifacts: int
    stored_checkpoints: int
    outside: int
    outside_seq: int
    timestamps: int
    problems: tuple[Problem, ...]
    problem_count: int

    @property
    def sound(self) -> bool:
        """Tell whether nothing was found."""
        return self.problem_count == 0


@dataclass(frozen=True, slots=True)
class EvidenceState:
    """Where evidence stands: the chain's end, the last checkpoint, its ways out, the last check.

    ``sealed`` is the number of records in the chain (and the last one's ``seq``).
    ``last_verification`` holds ``at``, ``sealed``, ``outside``, ``problems`` of the last one.
    """

    sealed: int
    chain: str
    sealed_at: datetime | None
    unsealed: int
    oldest_unsealed_at: datetime | None
    last_checkpoint: Checkpoint | None
    destinations: tuple[DestinationState, ...]
    last_verification: Mapping[str, object] | None
