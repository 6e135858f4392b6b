"""The verification: the store against its chain, its checkpoints and those that left."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from sqlalchemy import Row, exc

from sekisho.evidence.engine import timestamps
from sekisho.evidence.engine.audit import ChainAudit, Problems
from sekisho.evidence.engine.checkpoints import check_signature, read_line, write_line
from sekisho.evidence.model import Checkpoint, ProblemKind, Verification
from sekisho.evidence.service.records import record
from sekisho.evidence.sources.shelf import Shelf
from sekisho.evidence.store import checkpoints as checkpoint_store
from sekisho.evidence.store import records as record_store
from sekisho.evidence.store import scan
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.kernel.installation import set_fact
from sekisho.kernel.principal import SYSTEM

_TOLD_EVERY = 2_000
# What SQLite says as an operational error although the file itself is at fault.
_DAMAGE = re.compile("decode|no such|malformed|not a database|unsupported file format")


def _say_nothing(done: int, total: int) -> None:
    """Be the progress that nobody listens to."""


@dataclass(frozen=True, slots=True)
class OutsideLine:
    """A checkpoint line that came back from outside, and where it stood (``file:7``)."""

    source: str
    line: bytes


def verify(
    tx: Transaction,
    *,
    outside: Iterable[OutsideLine] = (),
    shelf: Path | None = None,
    roots: Sequence[x509.Certificate] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Hold everything stored against the chain, and the chain against the checkpoints.

    ``outside`` are checkpoint lines that were kept elsewhere; without them a chain that was
    rewritten as a whole cannot be told from a true one. ``shelf`` is the folder of artefacts,
    ``roots`` certificates of time-stamp authorities. ``progress`` hears (done, total). Needs
    ``evidence.read``; reads only.
    """
    tx.principal.require("evidence.read")
    problems = Problems()
    returned = _read_outside(outside, problems)
    stored = _read_stored(tx, problems)
    known_keys = _read_keys(tx, problems)
    for checkpoint in returned:
        _check_key(checkpoint, known_keys, problems)
    audit = ChainAudit([*stored, *returned], problems)
    unsealed = _walk(tx, audit, problems, progress or _say_nothing)
    stamped = _check_timestamps(tx, stored, roots, problems)
    artifacts = _check_artifacts(tx, audit, shelf, problems)
    _check_sides(tx, audit, problems)
    confirmed = [audit.confirmed[c.id] for c in returned if c.id in audit.confirmed]
    return Verification(
        sealed=audit.count, seq=audit.seq, chain=audit.value.hex(), unsealed=unsealed,
        erased=audit.erased, artifacts=artifacts, stored_checkpoints=len(stored),
        outside=len({c.id for c in returned}), outside_seq=max(confirmed, default=0),
        timestamps=stamped, problems=problems.in_order(), problem_count=problems.count,
    )  # fmt: skip


def verify_database(
    database: Database,
    *,
    outside: Iterable[OutsideLine] = (),
    shelf: Path | None = None,
    roots: Sequence[x509.Certificate] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Verify a database that may be too damaged to be opened at all; see ``verify``.

    Raises UnavailableError if the database is locked or away.
    """
    problems = Problems()
    with _DamageNoted(problems), database.read(SYSTEM) as tx:
        return verify(tx, outside=outside, shelf=shelf, roots=roots, progress=progress)
    return Verification(
        sealed=0, seq=0, chain="", unsealed=0, erased={}, artifacts=0, stored_checkpoints=0,
        outside=0, outside_seq=0, timestamps=0, problems=problems.in_order(),
        problem_count=problems.count,
    )  # fmt: skip


def verify_regularly(database: Database, *, outside: Iterable[OutsideLine], shelf: Path) -> bool:
    """Verify, remember and record the result (the worker's daily duty); tell if it was sound."""
    result = verify_database(database, outside=outside, shelf=shelf)
    with database.write(SYSTEM) as tx:
        remember_verification(tx, result)
    return result.sound


def remember_verification(tx: Transaction, result: Verification) -> None:
    """Write down a result so that pages can show it, and record it."""
    detail = {
        "sealed": result.sealed,
        "outside": result.outside,
        "outside_seq": result.outside_seq,
        "problems": result.problem_count,
        "first": str(result.problems[0].message) if result.problems else "",
    }
    set_fact(tx, "evidence.last_verification", {**detail, "at": tx.now.isoformat()})
    record(tx, kind="evidence.verified", subject="evidence:chain", detail=detail)


def _read_outside(lines: Iterable[OutsideLine], problems: Problems) -> list[Checkpoint]:
    """Read the lines; a torn one that was written again in full right after it is forgiven."""
    kept = [item for item in lines if item.line.strip()]
    found = []
    for index, item in enumerate(kept):
        following = kept[index + 1].line if index + 1 < len(kept) else b""
        try:
            found.append(read_line(item.line))
        except InvalidInputError as error:
            if not following.startswith(item.line.rstrip(b"\r\n")):
                problems.add(
                    ProblemKind.CHECKPOINT_BROKEN,
                    msg("%(source)s: %(why)s", source=item.source, why=error.message),
                )
    return found


def _read_stored(tx: Transaction, problems: Problems) -> list[Checkpoint]:
    sound: list[Checkpoint] = []
    with _DamageNoted(problems):
        for checkpoint in checkpoint_store.list_checkpoints(tx):
            try:
                check_signature(checkpoint)
                sound.append(checkpoint)
            except InvalidInputError as error:
                problems.add(
                    ProblemKind.CHECKPOINT_BROKEN,
                    msg("The stored checkpoint %(id)s: %(why)s",
                        id=checkpoint.id, why=error.message),
                    record=checkpoint.id,
                )  # fmt: skip
    return sound


def _read_keys(tx: Transaction, problems: Problems) -> set[str]:
    found: set[str] = set()
    with _DamageNoted(problems):
        found |= {row.id for row in checkpoint_store.list_keys(tx)}
    return found


def _check_key(checkpoint: Checkpoint, known: set[str], problems: Problems) -> None:
    if checkpoint.key_id in known:
        return
    problems.add(
        ProblemKind.CHECKPOINT_UNKNOWN_KEY,
        msg("The checkpoint %(id)s is signed by the key %(key)s, which this store does not know: "
            "it is of another installation, or the store's keys were replaced.",
            id=checkpoint.id, key=checkpoint.key_id),
        record=checkpoint.id, got=checkpoint.key_id, expected=", ".join(sorted(known)),
    )  # fmt: skip


def _walk(
    tx: Transaction, audit: ChainAudit, problems: Problems, progress: Callable[[int, int], None]
) -> int:
    """Read every record; return how many are not sealed yet."""
    unsealed = 0
    with _DamageNoted(problems):
        total = scan.count_records(tx)
        for seq, fields, stored, payload in scan.scan_records(tx, sealed=True):
            if not isinstance(seq, int):
                problems.add(
                    ProblemKind.RECORD_UNREADABLE,
                    msg("A record (%(id)s) has %(got)r for its place in the chain.",
                        id=fields.id.decode("utf-8", "replace"), got=seq),
                )  # fmt: skip
                continue
            audit.feed(seq, fields, stored, payload)
            if audit.count % _TOLD_EVERY == 0:
                progress(audit.count, total)
        for _, fields, _, payload in scan.scan_records(tx, sealed=False):
            audit.feed_payload(0, fields, payload)
            unsealed += 1
        progress(audit.count + unsealed, total)
    with _DamageNoted(problems):
        head = record_store.get_head(tx)
        audit.finish(head.seq if head else -1, head.chain if head else "")
    return unsealed


def _check_timestamps(
    tx: Transaction, stored: Sequence[Checkpoint], roots: Sequence[x509.Certificate],
    problems: Problems,
) -> int:  # fmt: skip
    """Hold every time stamp against its checkpoint; return how many fit."""
    lines = {checkpoint.id: write_line(checkpoint) for checkpoint in stored}
    fitting = 0
    with _DamageNoted(problems):
        for row in checkpoint_store.list_receipts(tx):
            line = lines.get(row.checkpoint_id, b"")
            try:
                if roots:
                    timestamps.check_token(row.receipt, line, roots)
                else:
                    timestamps.check_imprint(row.receipt, line)
                fitting += 1
            except InvalidInputError as error:
                problems.add(
                    ProblemKind.TIMESTAMP_BROKEN,
                    msg("The time stamp of checkpoint %(id)s from %(place)s: %(why)s",
                        id=row.checkpoint_id, place=row.destination, why=error.message),
                    record=row.checkpoint_id,
                )  # fmt: skip
    return fitting


def _check_artifacts(
    tx: Transaction, audit: ChainAudit, shelf: Path | None, problems: Problems
) -> int:
    """Hold the list of artefacts against the records, the files against their digests."""
    claims = dict(audit.artifacts)
    count = 0
    with _DamageNoted(problems):
        for row in scan.list_artifacts(tx):
            count += 1
            if claims.pop(row.id, None) != _claim_of(row):
                problems.add(
                    ProblemKind.ARTIFACT_CHANGED,
                    msg("The entry of artefact %(id)s is not what was recorded.", id=row.id),
                    record=row.id,
                )
            elif shelf is not None:
                _check_file(Shelf(shelf), row, problems)
    for identifier in claims:
        problems.add(
            ProblemKind.ARTIFACT_MISSING,
            msg("The entry of artefact %(id)s is missing.", id=identifier),
            record=identifier,
        )
    return count


def _claim_of(row: Row[Any]) -> dict[str, Any]:
    """Return what the record of this artefact must say."""
    claim = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a row's names
    claim["artifact"] = claim.pop("id")
    return claim


def _check_file(shelf: Shelf, row: Row[Any], problems: Problems) -> None:
    found = shelf.digest_of(row.digest)
    if found == row.digest:
        return
    missing = found is None
    text = (
        msg("The file of artefact %(digest)s is missing.", digest=row.digest)
        if missing
        else msg("The file of artefact %(digest)s was changed.", digest=row.digest)
    )
    kind = ProblemKind.ARTIFACT_MISSING if missing else ProblemKind.ARTIFACT_CHANGED
    problems.add(kind, text, record=row.record_id, expected=row.digest, got=found or "")


def _check_sides(tx: Transaction, audit: ChainAudit, problems: Problems) -> None:
    """Look for payloads that should not be there, and for an index of erasures that lies."""
    with _DamageNoted(problems):
        stray = scan.count_stray_payloads(tx)
        if stray:
            problems.add(
                ProblemKind.PAYLOAD_STRAY,
                msg("%(n)s payloads belong to no record or were erased before.", n=stray),
                got=stray, expected=0,
            )  # fmt: skip
        if scan.list_erasures(tx) != audit.erased:
            problems.add(
                ProblemKind.STORE_DAMAGED,
                msg("The list of erasures is not what the erasure records say."),
            )


class _DamageNoted:
    """Turns what a damaged database makes the driver say into a finding.

    A database that is locked or away is another matter (an operational error without these
    words) and stays an error: then nothing was verified.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Note the damage and go on behind the block."""
        told = isinstance(error, UnavailableError | InvalidInputError)
        cause = error.__cause__ if error and told else error
        if not isinstance(cause, exc.DBAPIError | ValueError | TypeError):
            return False
        said = str(getattr(cause, "orig", cause))
        if isinstance(cause, exc.OperationalError) and not _DAMAGE.search(said):
            return False
        self._problems.add(
            ProblemKind.STORE_DAMAGED, msg("The database is damaged: %(why)s", why=said)
        )
        return True
