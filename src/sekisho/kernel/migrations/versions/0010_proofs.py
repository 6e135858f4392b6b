"""Statements about devices, self-checks, exports of device managers, documents."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0010_proofs"
down_revision = "0009_organisation"

_TABLES = (
    "control_documents", "imported_devices", "import_rows", "imports", "import_mappings",
    "selfcheck_answers", "selfcheck_invitations", "selfcheck_rounds", "selfcheck_schedules",
    "control_statements",
)  # fmt: skip


def upgrade() -> None:
    """Create the tables; what was handed in before becomes statements."""
    _create_statements()
    _keep_what_was_handed_in()
    _create_schedules()
    _create_rounds()
    _create_invitations()
    _create_answers()
    _create_mappings()
    _create_imports()
    _create_import_rows()
    _create_imported()
    _create_documents()


def downgrade() -> None:
    """Drop the tables."""
    for table in _TABLES:
        op.drop_table(table)
    with op.batch_alter_table("control_verdicts") as batch:
        batch.drop_column("machine_at")


def _keep_what_was_handed_in() -> None:
    """Fill the new column and table from the verdicts that stand."""
    op.add_column("control_verdicts", sa.Column("machine_at", UTCDateTime()))
    op.execute(
        "UPDATE control_verdicts SET machine_at = checked_at"
        " WHERE proof = 'machine' AND judged IN ('pass', 'fail')"
    )
    op.execute(
        "INSERT INTO control_statements (device_id, control_id, proof, control_version, said,"
        " source, stated_at, received_at, valid_until)"
        " SELECT device_id, control_id, proof, control_version, judged, 'handed-in',"
        " checked_at, received_at, expires_at FROM control_verdicts"
        " WHERE proof <> 'machine' AND judged = 'pass' AND expires_at IS NOT NULL"
    )


def _create_statements() -> None:
    op.create_table(
        "control_statements",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("proof", sa.String(12), primary_key=True),
        sa.Column("control_version", sa.Integer(), nullable=False),
        sa.Column("said", sa.String(12), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("stated_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("valid_until", UTCDateTime(), nullable=False),
        sa.Column("person_id", sa.String(64)),
        sa.Column("against_since", UTCDateTime()),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_control_statements_source", "control_statements", ["source"])
    op.create_index("ix_control_statements_against_since", "control_statements", ["against_since"])


def _create_schedules() -> None:
    op.create_table(
        "selfcheck_schedules",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("check_id", sa.String(100), nullable=False),
        sa.Column("audience", sa.String(12), nullable=False),
        sa.Column("audience_id", sa.String(64), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("open_days", sa.Integer(), nullable=False),
        sa.Column("remind_days", sa.Integer(), nullable=False),
        sa.Column("next_at", UTCDateTime()),
        sa.Column("stopped_at", UTCDateTime()),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
    )
    op.create_index("ix_selfcheck_schedules_next_at", "selfcheck_schedules", ["next_at"])


def _create_rounds() -> None:
    op.create_table(
        "selfcheck_rounds",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("schedule_id", sa.String(40), nullable=False),
        sa.Column("check_id", sa.String(100), nullable=False),
        sa.Column("check_version", sa.Integer(), nullable=False),
        sa.Column("opens_at", UTCDateTime(), nullable=False),
        sa.Column("closes_at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime()),
        sa.Column("invited", sa.Integer(), nullable=False),
    )
    op.create_index(
        "ix_selfcheck_rounds_check_id_opens_at", "selfcheck_rounds", ["check_id", "opens_at"]
    )
    op.create_index("ix_selfcheck_rounds_closed_at", "selfcheck_rounds", ["closed_at"])


def _create_invitations() -> None:
    op.create_table(
        "selfcheck_invitations",
        sa.Column("round_id", sa.String(40), primary_key=True),
        sa.Column("person_id", sa.String(64), primary_key=True),
        sa.Column("unit_id", sa.String(64)),
        sa.Column("answered_at", UTCDateTime()),
        sa.Column("reminded_at", UTCDateTime()),
    )
    op.create_index("ix_selfcheck_invitations_person_id", "selfcheck_invitations", ["person_id"])


def _create_answers() -> None:
    op.create_table(
        "selfcheck_answers",
        sa.Column("round_id", sa.String(40), primary_key=True),
        sa.Column("person_id", sa.String(64), primary_key=True),
        sa.Column("question_id", sa.String(60), primary_key=True),
        sa.Column("answer", sa.String(12), nullable=False),
        sqlite_with_rowid=False,
    )


def _create_mappings() -> None:
    op.create_table(
        "import_mappings",
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column("yaml", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
    )


def _create_imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("mapping_id", sa.String(100), nullable=False),
        sa.Column("mapping_digest", sa.String(64), nullable=False),
        sa.Column("yaml", sa.Text(), nullable=False),
        sa.Column("file_name", sa.String(300), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("taken_at", UTCDateTime(), nullable=False),
        sa.Column("taken_from", sa.String(12), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("person_id", sa.String(64)),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", JSONText(), nullable=False),
        sa.Column("problems", JSONText(), nullable=False),
    )
    op.create_index("ix_imports_received_at", "imports", ["received_at"])
    op.create_index("ix_imports_state", "imports", ["state"])


def _create_import_rows() -> None:
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("serial", sa.String(200), nullable=False),
        sa.Column("uuid", sa.String(100), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("ownership", sa.String(16), nullable=False),
        sa.Column("seen_at", UTCDateTime()),
        sa.Column("facts", JSONText(), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("matched_by", sa.String(12), nullable=False),
        sa.Column("device_id", sa.String(64)),
        sa.Column("candidates", JSONText(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_import_rows_import_id_outcome", "import_rows", ["import_id", "outcome"])
    op.create_index("ix_import_rows_import_id_applied", "import_rows", ["import_id", "applied"])


def _create_imported() -> None:
    op.create_table(
        "imported_devices",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("mapping_id", sa.String(100), nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("serial", sa.String(200), nullable=False),
        sa.Column("uuid", sa.String(100), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("person_id", sa.String(64)),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("seen_at", UTCDateTime()),
        sa.Column("import_id", sa.String(40), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
    )
    op.create_index(
        "uq_imported_devices_mapping_id_key", "imported_devices", ["mapping_id", "key"], unique=True
    )


def _create_documents() -> None:
    op.create_table(
        "control_documents",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("control_id", sa.String(100), nullable=False),
        sa.Column("control_version", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(12), nullable=False),
        sa.Column("scope_id", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("note", sa.String(2000), nullable=False),
        sa.Column("address", sa.String(2000), nullable=False),
        sa.Column("artefact", sa.String(128)),
        sa.Column("file_name", sa.String(300), nullable=False),
        sa.Column("valid_from", UTCDateTime(), nullable=False),
        sa.Column("valid_until", UTCDateTime(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("submitted_by", sa.String(64), nullable=False),
        sa.Column("submitted_name", sa.String(200), nullable=False),
        sa.Column("submitted_at", UTCDateTime(), nullable=False),
        sa.Column("reviewed_by", sa.String(64)),
        sa.Column("reviewed_name", sa.String(200), nullable=False),
        sa.Column("reviewed_at", UTCDateTime()),
        sa.Column("review_note", sa.String(2000), nullable=False),
        sa.Column("reminded_at", UTCDateTime()),
    )
    op.create_index(
        "ix_control_documents_state_valid_until", "control_documents", ["state", "valid_until"]
    )
