"""Resources, policies, decisions, requests and sessions of access; what changed, for the gate."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0016_access"
down_revision = "0015_cases"


def _text(name: str, length: int = 40, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length), nullable=null)


def _when(name: str, *, null: bool = False) -> sa.Column[sa.DateTime]:
    return sa.Column(name, UTCDateTime(), nullable=null)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "changes",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        _text("subject", 300),
        _when("at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_at", "changes", ["at"])
    _make_rules()
    _make_log()
    _make_asks()


def _make_rules() -> None:
    op.create_table(
        "access_resources",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        _text("kind", 8),
        _text("name_ja", 200),
        _text("name_en", 200),
        _text("public_host", 255),
        sa.Column("body", JSONText(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _when("changed_at"),
    )
    op.create_table(
        "access_policies",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        _text("state", 16),
        sa.Column("policies", JSONText(), nullable=False),
        _text("note", 500),
        _text("author", 100),
        _when("created_at"),
        sa.Column("based_on", sa.Integer(), nullable=False),
        _text("decider", 100, null=True),
        _when("decided_at", null=True),
        _text("words", 500),
    )


def _make_log() -> None:
    op.create_table(
        "access_sessions",
        sa.Column("id", sa.String(40), primary_key=True),
        _text("person_id", 64),
        _text("device_id", null=True),
        _text("resource_id"),
        _text("kind", 8),
        _text("door", 8),
        _text("sign_in", 64),
        _text("serial", 64),
        _text("address", 64),
        _when("since"),
        _when("checked_at"),
        _when("valid_until"),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("trust", sa.Integer(), nullable=False),
        _when("ended_at", null=True),
        _text("ended_because", 100),
    )
    op.create_index("ix_access_sessions_live", "access_sessions", ["ended_at", "valid_until"])
    for name in ("person_id", "device_id", "resource_id"):
        op.create_index(f"ix_access_sessions_{name}", "access_sessions", [name, "ended_at"])
    op.create_table(
        "access_decisions",
        sa.Column("id", sa.String(40), primary_key=True),
        _when("at"),
        _when("last_at"),
        sa.Column("times", sa.Integer(), nullable=False),
        _text("outcome", 8),
        _text("person_id", 64),
        _text("device_id", null=True),
        _text("resource_id"),
        _text("session_id", null=True),
        _text("door", 8),
        _text("address", 64),
        sa.Column("trust", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        _text("reason", 100),
        sa.Column("reasons", JSONText(), nullable=False),
        sa.Column("signals", JSONText(), nullable=False),
        _text("same", 64),
    )
    for name in ("last_at", "same"):
        op.create_index(f"ix_access_decisions_{name}", "access_decisions", [name])
    for name in ("person_id", "resource_id", "outcome"):
        op.create_index(f"ix_access_decisions_{name}", "access_decisions", [name, "last_at"])


def _make_asks() -> None:
    op.create_table(
        "access_requests",
        sa.Column("id", sa.String(40), primary_key=True),
        _text("person_id", 64),
        _text("resource_id"),
        _text("reason", 1000),
        sa.Column("minutes", sa.Integer(), nullable=False),
        _text("state", 16),
        _when("created_at"),
        _text("decider", 100, null=True),
        _when("decided_at", null=True),
        _text("words", 500),
        _when("ends_at", null=True),
    )
    op.create_index("ix_access_requests_person_id", "access_requests", ["person_id", "state"])
    op.create_index("ix_access_requests_state", "access_requests", ["state", "ends_at"])
    op.create_table(
        "access_orders",
        sa.Column("id", sa.String(40), primary_key=True),
        _text("reason", 1000),
        _text("state", 16),
        _text("asked_by", 100),
        _when("asked_at"),
        _text("decider", 100, null=True),
        _when("decided_at", null=True),
        sa.Column("count", sa.Integer(), nullable=False),
    )
    op.create_table(
        "access_whatifs",
        sa.Column("id", sa.String(40), primary_key=True),
        _text("state", 16),
        _text("asked_by", 100),
        _when("asked_at"),
        sa.Column("proposal", JSONText(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("result", JSONText(), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("whatifs", "orders", "requests", "decisions", "sessions", "policies", "resources"):
        op.drop_table(f"access_{name}")
    op.drop_table("changes")
