"""Tables of this room.

``control_verdicts`` is large (devices times controls) and written at every check-in, so it has
the fewest indexes; ``control_subjects`` and ``control_counts`` carry what lists and the overview
need, kept right in the same transaction.
"""

from sqlalchemy import Column, Index, Integer, String, Table

from sekisho.kernel.db import JSONText, UTCDateTime, metadata

VERDICTS = Table(
    "control_verdicts",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("control_id", String(100), primary_key=True),
    Column("control_version", Integer(), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("judged", String(12), nullable=False),
    Column("proof", String(12), nullable=False),
    Column("since", UTCDateTime(), nullable=False),
    Column("checked_at", UTCDateTime()),
    Column("received_at", UTCDateTime()),
    Column("first_failed_at", UTCDateTime()),
    Column("expires_at", UTCDateTime()),
    Column("fix_by", UTCDateTime()),
    Column("exempt_until", UTCDateTime()),
    Column("message", JSONText()),
    Column("rows", JSONText()),
    Column("machine_at", UTCDateTime()),
    sqlite_with_rowid=False,
)
Index(
    "ix_control_verdicts_control_id_kind", VERDICTS.c.control_id, VERDICTS.c.kind,
    VERDICTS.c.since, VERDICTS.c.device_id,
)  # fmt: skip

SUBJECTS = Table(
    "control_subjects",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("ownership", String(16), nullable=False),
    Column("platform", String(16), nullable=False),
    Column("person_id", String(64)),
    Column("passing", Integer(), nullable=False),
    Column("failing", Integer(), nullable=False),
    Column("unknown", Integer(), nullable=False),
    Column("exempt", Integer(), nullable=False),
    Column("access", String(12), nullable=False),
    Column("next_expiry_at", UTCDateTime()),
)
Index("ix_control_subjects_next_expiry_at", SUBJECTS.c.next_expiry_at)
Index(
    "ix_control_subjects_person_id", SUBJECTS.c.person_id, SUBJECTS.c.failing, SUBJECTS.c.unknown,
    SUBJECTS.c.next_expiry_at, SUBJECTS.c.access, SUBJECTS.c.device_id,
)  # fmt: skip

COUNTS = Table(
    "control_counts",
    metadata,
    Column("control_id", String(100), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("proof", String(12), primary_key=True),
    Column("number", Integer(), nullable=False),
)

CHANGES = Table(
    "control_changes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("device_id", String(64), nullable=False),
    Column("control_id", String(100), nullable=False),
    Column("at", UTCDateTime(), nullable=False),
    Column("before", String(12)),
    Column("after", String(12), nullable=False),
)
Index("ix_control_changes_device_id_at", CHANGES.c.device_id, CHANGES.c.at)

TREND = Table(
    "control_trend",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("control_id", String(100), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("proof", String(12), primary_key=True),
    Column("number", Integer(), nullable=False),
)

EXEMPTIONS = Table(
    "control_exemptions",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("control_id", String(100), primary_key=True),
    Column("exception_id", String(64), primary_key=True),
    Column("until", UTCDateTime(), nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_control_exemptions_exception_id", EXEMPTIONS.c.exception_id)

VERSIONS = Table(
    "control_versions",
    metadata,
    Column("control_id", String(100), primary_key=True),
    Column("version", Integer(), nullable=False),
    Column("applies", String(200), nullable=False),
)
