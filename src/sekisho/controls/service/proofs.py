"""What people add to what machines prove: documents and statements."""

from datetime import datetime

from sekisho.controls.model import Control, Proof, Verdict, VerdictKind
from sekisho.controls.service.judging import catalogue_in_force, settle_device
from sekisho.controls.statements import Statement
from sekisho.controls.store import statements as statement_store
from sekisho.controls.store import verdicts
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID, DeviceID

_LONGEST_TEXT = 2000


def submit_document(
    tx: Transaction,
    device_id: DeviceID,
    control_id: ControlID,
    statement: str,
    valid_until: datetime,
    artefact: str | None = None,
) -> Verdict:
    """Prove a control of paper for one device by a document, or by a bare statement.

    ``artefact`` is the digest of the stored document; without one the proof is ``self``. Needs
    ``controls.write``. The record keeps who said it. Raises NotFoundError, InvalidInputError.
    """
    tx.principal.require("controls.write")
    control = _require_control(control_id)
    if control.proof is Proof.MACHINE:
        raise InvalidInputError(
            msg("%(control)s is proven by machine; a document cannot stand in for that.",
                control=control_id),
            hint=msg("If it cannot be kept for now, grant an exception with an end date."),
        )  # fmt: skip
    _check_text(statement)
    if valid_until <= tx.now:
        raise InvalidInputError(
            msg("The proof would have ended at %(got)s; a time to come is expected.",
                got=valid_until)
        )  # fmt: skip
    stored = _require_verdicts(tx, device_id)
    if control_id not in stored:
        raise NotFoundError(msg("This rule does not apply to this device."))
    proof = Proof.SELF if artefact is None else control.proof
    statement_store.save_statements(
        tx, [_make_statement(tx, device_id, control, proof, valid_until)]
    )
    evidence.record(
        tx,
        kind="control.document_submitted",
        subject=f"device:{device_id}",
        detail={
            "control": control_id,
            "statement": statement,
            "valid_until": valid_until.isoformat(),
            "artefact": artefact,
            "proven": proof.value,
        },
        person=tx.principal.id,
    )
    settle_device(tx, device_id)
    return verdicts.find_verdicts(tx, device_id)[control_id]


def _make_statement(
    tx: Transaction, device_id: DeviceID, control: Control, proof: Proof, valid_until: datetime
) -> Statement:
    """Make what a handed-in proof says; the rule's own maximum age counts as well."""
    return Statement(
        device_id=device_id, control_id=control.id, control_version=control.version, proof=proof,
        said=VerdictKind.PASS, source="handed-in", stated_at=tx.now, received_at=tx.now,
        valid_until=min(valid_until, tx.now + control.max_age), person_id=tx.principal.id,
    )  # fmt: skip


def _require_control(control_id: ControlID) -> Control:
    control = catalogue_in_force().controls.get(control_id)
    if control is None:
        raise NotFoundError(msg("There is no control %(id)s.", id=control_id))
    return control


def _require_verdicts(tx: Transaction, device_id: DeviceID) -> dict[ControlID, Verdict]:
    stored = verdicts.find_verdicts(tx, device_id)
    if not stored:
        raise NotFoundError(msg("There is no device %(id)s with verdicts.", id=device_id))
    return stored


def _check_text(text: str) -> None:
    if not 1 <= len(text.strip()) <= _LONGEST_TEXT:
        raise InvalidInputError(
            msg("Say why in 1 to %(most)s characters; got %(got)s.",
                most=_LONGEST_TEXT, got=len(text))
        )  # fmt: skip
