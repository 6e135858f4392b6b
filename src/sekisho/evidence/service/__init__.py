"""What other rooms, the worker and the faces may do with evidence."""

from sekisho.evidence.model import NewRecord
from sekisho.evidence.service.records import (
    get_record,
    list_kinds,
    list_records,
    record,
    record_many,
)
from sekisho.evidence.service.sealing import seal_records

__all__ = [
    "NewRecord",
    "get_record",
    "list_kinds",
    "list_records",
    "record",
    "record_many",
    "seal_records",
]
