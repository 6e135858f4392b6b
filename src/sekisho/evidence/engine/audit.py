"""Holds a stored chain against itself and against checkpoints; keeps only what it must.

- Records are fed in the order of their place; one pass, constant memory per record.
- After a mismatch the audit goes on from the stored value, so that each changed record is named
  once and everything behind it is still examined.
- A chain that is sound in itself proves nothing against who may write the whole store: only a
  checkpoint that left the machine does (``Verification.outside``).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sekisho.evidence.engine import chain
from sekisho.evidence.model import Checkpoint, Problem, ProblemKind, SealedFields
from sekisho.kernel.i18n import Text, msg

MOST_PROBLEMS = 200
ERASED = b"evidence.erased"
ARTIFACT_STORED = b"evidence.artifact_stored"


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload as it lies in the store; ``person`` is the column beside it."""

    salt: bytes
    payload: bytes
    person: bytes | None


class Problems:
    """Collects what was found; keeps the first ones and counts them all."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0

    def add(
        self, kind: ProblemKind, text: Text, *, seq: int = 0, record: str = "",
        expected: object = "", got: object = "",
    ) -> None:  # fmt: skip
        """Keep one finding."""
        self.count += 1
        if len(self.kept) < MOST_PROBLEMS:
            self.kept.append(Problem(kind, seq, record, str(expected), str(got), text))

    def in_order(self) -> tuple[Problem, ...]:
        """Return what was kept, the first place in the chain first."""
        return tuple(sorted(self.kept, key=lambda p: (p.seq == 0, p.seq)))


class ChainAudit:
    """One pass over the sealed records."""

    def __init__(self, checkpoints: Iterable[Checkpoint], problems: Problems) -> None:
        self.problems = problems
        self.seq = 0
        self.count = 0
        self.value = chain.GENESIS
        self.confirmed: dict[str, int] = {}
        self.erased: dict[str, str] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self._bare: dict[str, int] = {}
        self._awaited: dict[int, list[Checkpoint]] = defaultdict(list)
        self._sound_until = 0
        for checkpoint in checkpoints:
            self._awaited[checkpoint.seq].append(checkpoint)
        self._meet_checkpoints()

    def feed(
        self, seq: int, fields: SealedFields, stored: bytes, payload: StoredPayload | None
    ) -> None:
        """Take the next record as it is stored; ``stored`` is its chain value in hex digits."""
        self.count += 1
        gap = seq != self.seq + 1
        if gap:
            self._note_gap(seq, fields)
        else:
            computed = chain.extend_chain(self.value, seq, fields)
            if computed.hex().encode() != stored:
                self._note_changed(seq, fields, computed, stored)
        self.seq, self.value = seq, _unhex(stored)
        if seq in self._awaited:
            self._meet_checkpoints()
        self.feed_payload(seq, fields, payload)

    def feed_payload(self, seq: int, fields: SealedFields, payload: StoredPayload | None) -> None:
        """Hold a payload against the digest that the record carries."""
        if payload is None:
            self._bare[_say(fields.id)] = seq
            return
        digest = chain.digest_payload(payload.salt, payload.payload)
        if digest.encode() != fields.digest or not chain.names_person(
            payload.payload, payload.person
        ):
            self.problems.add(
                ProblemKind.PAYLOAD_CHANGED,
                msg("The payload of record %(seq)s (%(id)s) was changed.",
                    seq=seq or "—", id=_say(fields.id)),
                seq=seq, record=_say(fields.id), expected=_say(fields.digest), got=digest,
            )  # fmt: skip
        elif fields.kind in (ERASED, ARTIFACT_STORED):
            self._note_claim(fields, msgspec.json.decode(payload.payload)["detail"])

    def finish(self, head_seq: int, head_chain: str) -> None:
        """Close the pass: the end of the chain, the checkpoints beyond it, the erasures."""
        if (head_seq, head_chain) != (self.seq, self.value.hex()):
            self._note_end(head_seq, head_chain)
        for seq in sorted(place for place in self._awaited if place > self.seq):
            for checkpoint in self._awaited[seq]:
                self._note_cut(checkpoint)
        for identifier, seq in self._bare.items():
            if identifier not in self.erased:
                self.problems.add(
                    ProblemKind.PAYLOAD_MISSING,
                    msg("The payload of record %(seq)s (%(id)s) is missing, and no erasure record "
                        "tells of it.", seq=seq or "—", id=identifier),
                    seq=seq, record=identifier, expected=msg("a payload or an erasure record"),
                )  # fmt: skip

    def _note_claim(self, fields: SealedFields, detail: Mapping[str, Any]) -> None:
        if fields.kind == ERASED:
            self.erased |= dict.fromkeys(detail["records"], _say(fields.id))
        else:
            self.artifacts[detail["artifact"]] = {
                **detail, "record_id": _say(fields.id), "subject": _say(fields.subject)
            }  # fmt: skip

    def _note_gap(self, seq: int, fields: SealedFields) -> None:
        first = self.seq + 1
        self.problems.add(
            ProblemKind.RECORD_MISSING,
            msg("Record %(first)s is missing; record %(next)s follows.", first=first, next=seq),
            seq=first, record=_say(fields.id), expected=first, got=seq,
        )  # fmt: skip

    def _note_changed(self, seq: int, fields: SealedFields, computed: bytes, stored: bytes) -> None:
        self.problems.add(
            ProblemKind.RECORD_CHANGED,
            msg("Record %(seq)s (%(id)s) is not what was sealed.", seq=seq, id=_say(fields.id)),
            seq=seq, record=_say(fields.id), expected=_say(stored), got=computed.hex(),
        )  # fmt: skip

    def _note_end(self, head_seq: int, head_chain: str) -> None:
        cut = head_seq > self.seq
        text = (
            msg("The chain ends at record %(got)s; it was sealed up to %(want)s.",
                got=self.seq, want=head_seq)
            if cut
            else msg("The note of where the chain ends does not fit its last record.")
        )  # fmt: skip
        self.problems.add(
            ProblemKind.CHAIN_CUT if cut else ProblemKind.STORE_DAMAGED, text,
            seq=self.seq + 1 if cut else 0, expected=f"{head_seq} {head_chain}",
            got=f"{self.seq} {self.value.hex()}",
        )  # fmt: skip

    def _note_cut(self, checkpoint: Checkpoint) -> None:
        self.problems.add(
            ProblemKind.CHAIN_CUT,
            msg("The checkpoint of %(at)s tells of %(want)s records; the store holds %(got)s.",
                at=chain.write_instant(checkpoint.at), want=checkpoint.seq, got=self.seq),
            seq=self.seq + 1, expected=checkpoint.seq, got=self.seq,
        )  # fmt: skip

    def _meet_checkpoints(self) -> None:
        for checkpoint in self._awaited.get(self.seq, ()):
            if checkpoint.chain == self.value.hex():
                self.confirmed[checkpoint.id] = self._sound_until = self.seq
                continue
            self.problems.add(
                ProblemKind.CHAIN_REWRITTEN,
                msg("The chain was rewritten: at record %(seq)s the checkpoint of %(at)s says "
                    "something else. The change lies behind record %(sound)s.",
                    seq=self.seq, at=chain.write_instant(checkpoint.at), sound=self._sound_until),
                seq=self._sound_until + 1, expected=checkpoint.chain, got=self.value.hex(),
            )  # fmt: skip


def _say(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _unhex(stored: bytes) -> bytes:
    """Return the chain value of hex digits; of anything else, a value that fits nothing."""
    try:
        return bytes.fromhex(stored.decode("ascii"))
    except ValueError:
        return stored
