"""Tables of what is proven otherwise than by machine: statements, self-checks, exports, documents.

Migration 0010_proofs makes the same ones.
"""

from sqlalchemy import Column, Index, Integer, String, Table, text
from sqlalchemy import Text as SQLText

from sekisho.kernel.db import JSONText, UTCDateTime, metadata

STATEMENTS = Table(
    "control_statements",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("control_id", String(100), primary_key=True),
    Column("proof", String(12), primary_key=True),
    Column("control_version", Integer(), nullable=False),
    Column("said", String(12), nullable=False),
    Column("source", String(200), nullable=False),
    Column("stated_at", UTCDateTime(), nullable=False),
    Column("received_at", UTCDateTime(), nullable=False),
    Column("valid_until", UTCDateTime(), nullable=False),
    Column("person_id", String(64)),
    Column("against_since", UTCDateTime()),
    Index("ix_control_statements_source", "source"),
    Index(
        "ix_control_statements_against",
        "proof",
        "against_since",
        "device_id",
        "control_id",
        "valid_until",
        "source",
        "person_id",
        sqlite_where=text("against_since IS NOT NULL"),
        postgresql_where=text("against_since IS NOT NULL"),
    ),
    Index("ix_control_statements_person_id", "person_id"),
    sqlite_with_rowid=False,
)

SCHEDULES = Table(
    "selfcheck_schedules",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("check_id", String(100), nullable=False),
    Column("audience", String(12), nullable=False),
    Column("audience_id", String(64), nullable=False),
    Column("every_days", Integer(), nullable=False),
    Column("open_days", Integer(), nullable=False),
    Column("remind_days", Integer(), nullable=False),
    Column("next_at", UTCDateTime()),
    Column("stopped_at", UTCDateTime()),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UTCDateTime(), nullable=False),
    Index("ix_selfcheck_schedules_next_at", "next_at"),
)

ROUNDS = Table(
    "selfcheck_rounds",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("schedule_id", String(40), nullable=False),
    Column("check_id", String(100), nullable=False),
    Column("check_version", Integer(), nullable=False),
    Column("opens_at", UTCDateTime(), nullable=False),
    Column("closes_at", UTCDateTime(), nullable=False),
    Column("closed_at", UTCDateTime()),
    Column("invited", Integer(), nullable=False),
    Index("ix_selfcheck_rounds_check_id_opens_at", "check_id", "opens_at"),
    Index("ix_selfcheck_rounds_closed_at", "closed_at"),
)

INVITATIONS = Table(
    "selfcheck_invitations",
    metadata,
    Column("round_id", String(40), primary_key=True),
    Column("person_id", String(64), primary_key=True),
    Column("unit_id", String(64)),
    Column("answered_at", UTCDateTime()),
    Column("reminded_at", UTCDateTime()),
    Index("ix_selfcheck_invitations_person_id", "person_id"),
)

ANSWERS = Table(
    "selfcheck_answers",
    metadata,
    Column("round_id", String(40), primary_key=True),
    Column("person_id", String(64), primary_key=True),
    Column("question_id", String(60), primary_key=True),
    Column("answer", String(12), nullable=False),
    sqlite_with_rowid=False,
)

MAPPINGS = Table(
    "import_mappings",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("yaml", SQLText(), nullable=False),
    Column("changed_by", String(200), nullable=False),
    Column("changed_at", UTCDateTime(), nullable=False),
)

IMPORTS = Table(
    "imports",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("mapping_id", String(100), nullable=False),
    Column("mapping_digest", String(64), nullable=False),
    Column("yaml", SQLText(), nullable=False),
    Column("file_name", String(300), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("taken_at", UTCDateTime(), nullable=False),
    Column("taken_from", String(12), nullable=False),
    Column("received_at", UTCDateTime(), nullable=False),
    Column("person_id", String(64)),
    Column("person_name", String(200), nullable=False),
    Column("state", String(12), nullable=False),
    Column("rows", Integer(), nullable=False),
    Column("counts", JSONText(), nullable=False),
    Column("problems", JSONText(), nullable=False),
    Index("ix_imports_received_at", "received_at"),
    Index("ix_imports_state", "state"),
)

IMPORT_ROWS = Table(
    "import_rows",
    metadata,
    Column("import_id", String(40), primary_key=True),
    Column("number", Integer(), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("serial", String(200), nullable=False),
    Column("uuid", String(100), nullable=False),
    Column("email", String(254), nullable=False),
    Column("platform", String(16), nullable=False),
    Column("ownership", String(16), nullable=False),
    Column("seen_at", UTCDateTime()),
    Column("facts", JSONText(), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("matched_by", String(12), nullable=False),
    Column("device_id", String(64)),
    Column("candidates", JSONText(), nullable=False),
    Column("applied", Integer(), nullable=False),
    Index("ix_import_rows_import_id_outcome", "import_id", "outcome"),
    Index("ix_import_rows_import_id_applied", "import_id", "applied"),
    sqlite_with_rowid=False,
)

IMPORTED = Table(
    "imported_devices",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("mapping_id", String(100), nullable=False),
    Column("key", String(250), nullable=False),
    Column("name", String(200), nullable=False),
    Column("serial", String(200), nullable=False),
    Column("uuid", String(100), nullable=False),
    Column("email", String(254), nullable=False),
    Column("person_id", String(64)),
    Column("platform", String(16), nullable=False),
    Column("seen_at", UTCDateTime()),
    Column("import_id", String(40), nullable=False),
    Column("created_at", UTCDateTime(), nullable=False),
    Index("uq_imported_devices_mapping_id_key", "mapping_id", "key", unique=True),
)

DOCUMENTS = Table(
    "control_documents",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("control_id", String(100), nullable=False),
    Column("control_version", Integer(), nullable=False),
    Column("scope", String(12), nullable=False),
    Column("scope_id", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("note", String(2000), nullable=False),
    Column("address", String(2000), nullable=False),
    Column("artefact", String(128)),
    Column("file_name", String(300), nullable=False),
    Column("valid_from", UTCDateTime(), nullable=False),
    Column("valid_until", UTCDateTime(), nullable=False),
    Column("state", String(12), nullable=False),
    Column("submitted_by", String(64), nullable=False),
    Column("submitted_name", String(200), nullable=False),
    Column("submitted_at", UTCDateTime(), nullable=False),
    Column("reviewed_by", String(64)),
    Column("reviewed_name", String(200), nullable=False),
    Column("reviewed_at", UTCDateTime()),
    Column("review_note", String(2000), nullable=False),
    Column("reminded_at", UTCDateTime()),
    Index("ix_control_documents_state_valid_until", "state", "valid_until"),
)
