"""Evidence: the chained record, its erasable payloads, checkpoints and artefacts."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import UTCDateTime

revision = "0002_evidence"
down_revision = "0001_kernel"

# Triggers against accident: a sealed record stays as it is, no record is ever deleted, a payload
# is deleted (erased) or left alone.
_SQLITE = (
    """CREATE TRIGGER evidence_records_no_update BEFORE UPDATE ON evidence_records
       WHEN OLD.seq IS NOT NULL
       BEGIN SELECT RAISE(ABORT, 'a sealed evidence record cannot be changed'); END""",
    """CREATE TRIGGER evidence_records_no_delete BEFORE DELETE ON evidence_records
       BEGIN SELECT RAISE(ABORT, 'an evidence record cannot be deleted'); END""",
    """CREATE TRIGGER evidence_payloads_no_update BEFORE UPDATE ON evidence_payloads
       BEGIN SELECT RAISE(ABORT, 'an evidence payload can only be erased'); END""",
)
_POSTGRESQL = (
    """CREATE OR REPLACE FUNCTION evidence_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'evidence cannot be changed' USING ERRCODE = '23514';
       END $$""",
    """CREATE TRIGGER evidence_records_no_update BEFORE UPDATE ON evidence_records FOR EACH ROW
       WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION evidence_refuse()""",
    """CREATE TRIGGER evidence_records_no_delete BEFORE DELETE ON evidence_records FOR EACH ROW
       EXECUTE FUNCTION evidence_refuse()""",
    """CREATE TRIGGER evidence_payloads_no_update BEFORE UPDATE ON evidence_payloads
       FOR EACH ROW EXECUTE FUNCTION evidence_refuse()""",
)


def upgrade() -> None:
    """Create the tables, the one row of the chain's end, and the triggers."""
    _create_records()
    _create_checkpoints()
    _create_artifacts()
    op.execute("INSERT INTO evidence_chain (id, seq, chain) VALUES (1, 0, '" + "0" * 64 + "')")
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE if sqlite else _POSTGRESQL:
        op.get_bind().exec_driver_sql(statement)


def _create_records() -> None:
    op.create_table(
        "evidence_records",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("seq", sa.BigInteger, unique=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("actor", sa.String(300), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("chain", sa.String(64)),
    )
    op.create_index("ix_evidence_records_kind_seq", "evidence_records", ["kind", "seq"])
    op.create_index("ix_evidence_records_subject_seq", "evidence_records", ["subject", "seq"])
    op.create_index(
        "ix_evidence_records_unsealed", "evidence_records", ["seq", "id"],
        sqlite_where=sa.text("seq IS NULL"), postgresql_where=sa.text("seq IS NULL"),
    )  # fmt: skip
    record = "evidence_records.id"
    op.create_table(
        "evidence_payloads",
        sa.Column("record_id", sa.String(40), sa.ForeignKey(record), primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("person", sa.String(100), index=True),
    )
    op.create_table(
        "evidence_erasures",
        sa.Column("record_id", sa.String(40), sa.ForeignKey(record), primary_key=True),
        sa.Column("erasure_id", sa.String(40), sa.ForeignKey(record), nullable=False),
    )


def _create_checkpoints() -> None:
    op.create_table(
        "evidence_chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("sealed_at", UTCDateTime()),
    )
    op.create_table(
        "evidence_keys",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("public_key", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("retired_at", UTCDateTime()),
    )
    op.create_table(
        "evidence_checkpoints",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False, index=True),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("key_id", sa.String(40), sa.ForeignKey("evidence_keys.id"), nullable=False),
        sa.Column("signature", sa.String(100), nullable=False),
    )
    checkpoint = sa.ForeignKey("evidence_checkpoints.id")
    op.create_table(
        "evidence_deliveries",
        sa.Column("checkpoint_id", sa.String(40), checkpoint, primary_key=True),
        sa.Column("destination", sa.String(300), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("done_at", UTCDateTime()),
        sa.Column("receipt", sa.LargeBinary),
    )
    op.create_index(
        "ix_evidence_deliveries_state_next_at", "evidence_deliveries", ["state", "next_at"]
    )


def _create_artifacts() -> None:
    record = sa.ForeignKey("evidence_records.id")
    op.create_table(
        "evidence_artifacts",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, index=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("media_type", sa.String(150), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("record_id", sa.String(40), record, nullable=False),
    )


def downgrade() -> None:
    """Drop everything."""
    for name in ("artifacts", "deliveries", "checkpoints", "keys", "chain", "erasures",
                 "payloads", "records"):  # fmt: skip
        op.drop_table(f"evidence_{name}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION evidence_refuse()")
