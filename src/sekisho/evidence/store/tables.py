"""The tables of evidence.

Sealed records cannot be updated and no record deleted: triggers of the migration refuse it
(defence against accident; against intent there are the chain and the checkpoints).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from sekisho.kernel.db import UTCDateTime, metadata

records = Table(
    "evidence_records",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("seq", BigInteger, unique=True),
    Column("at", UTCDateTime(), nullable=False),
    Column("kind", String(100), nullable=False),
    Column("actor", String(300), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("chain", String(64)),
    Index("ix_evidence_records_kind_seq", "kind", "seq"),
    Index("ix_evidence_records_subject_seq", "subject", "seq"),
)
Index(
    "ix_evidence_records_unsealed",
    records.c.seq,
    records.c.id,
    sqlite_where=text("seq IS NULL"),
    postgresql_where=text("seq IS NULL"),
)

payloads = Table(
    "evidence_payloads",
    metadata,
    Column("record_id", String(40), ForeignKey("evidence_records.id"), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("payload", Text, nullable=False),
    Column("person", String(100), index=True),
)

erasures = Table(
    "evidence_erasures",
    metadata,
    Column("record_id", String(40), ForeignKey("evidence_records.id"), primary_key=True),
    Column("erasure_id", String(40), ForeignKey("evidence_records.id"), nullable=False),
)

# One row: the end of the chain, and the lock that makes the sealer single.
chain = Table(
    "evidence_chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("chain", String(64), nullable=False),
    Column("sealed_at", UTCDateTime()),
)

keys = Table(
    "evidence_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("public_key", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", UTCDateTime(), nullable=False),
    Column("retired_at", UTCDateTime()),
)

checkpoints = Table(
    "evidence_checkpoints",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False, index=True),
    Column("chain", String(64), nullable=False),
    Column("at", UTCDateTime(), nullable=False),
    Column("key_id", String(40), ForeignKey("evidence_keys.id"), nullable=False),
    Column("signature", String(100), nullable=False),
)

deliveries = Table(
    "evidence_deliveries",
    metadata,
    Column("checkpoint_id", String(40), ForeignKey("evidence_checkpoints.id"), primary_key=True),
    Column("destination", String(300), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("next_at", UTCDateTime(), nullable=False),
    Column("done_at", UTCDateTime()),
    Column("receipt", LargeBinary),
    Index("ix_evidence_deliveries_state_next_at", "state", "next_at"),
)

artifacts = Table(
    "evidence_artifacts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("digest", String(64), nullable=False, index=True),
    Column("name", String(300), nullable=False),
    Column("media_type", String(150), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("subject", String(300), nullable=False),
    Column("record_id", String(40), ForeignKey("evidence_records.id"), nullable=False),
)
