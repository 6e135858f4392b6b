"""What other rooms, the worker and the faces may do with evidence."""

from sekisho.evidence.model import NewRecord
from sekisho.evidence.service.artifacts import (
    forget_artifacts,
    list_artifact_digests,
    list_artifacts,
    open_artifact,
    remove_orphans,
    store_artifact,
)
from sekisho.evidence.service.checkpoints import (
    deliver_checkpoints,
    export_checkpoints,
    get_state,
    list_checkpoints,
    list_signing_keys,
    rotate_key,
    write_checkpoint,
    write_due_checkpoint,
)
from sekisho.evidence.service.erasure import erase_of_person, erase_payload
from sekisho.evidence.service.records import (
    LATEST,
    get_record,
    list_kinds,
    list_kinds_since,
    list_records,
    record,
    record_many,
    sort_records,
)
from sekisho.evidence.service.sealing import seal_records
from sekisho.evidence.service.verification import (
    OutsideLine,
    remember_verification,
    verify,
    verify_database,
    verify_regularly,
)

__all__ = [
    "LATEST",
    "NewRecord",
    "OutsideLine",
    "deliver_checkpoints",
    "erase_of_person",
    "erase_payload",
    "export_checkpoints",
    "forget_artifacts",
    "get_record",
    "get_state",
    "list_artifact_digests",
    "list_artifacts",
    "list_checkpoints",
    "list_kinds",
    "list_kinds_since",
    "list_records",
    "list_signing_keys",
    "open_artifact",
    "record",
    "record_many",
    "remember_verification",
    "remove_orphans",
    "rotate_key",
    "seal_records",
    "sort_records",
    "store_artifact",
    "verify",
    "verify_database",
    "verify_regularly",
    "write_checkpoint",
    "write_due_checkpoint",
]
