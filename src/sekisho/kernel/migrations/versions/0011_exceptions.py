"""Exceptions with their requests, decisions and ends; access by device."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import UTCDateTime

revision = "0011_exceptions"
down_revision = "0010_proofs"


def upgrade() -> None:
    """Create the tables; what was excepted so far goes on as exceptions of one device."""
    _create_exceptions()
    _carry_over()
    _make_anew()
    op.create_table(
        "control_bars",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("bar", sa.String(16), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
    )
    op.execute(
        "INSERT INTO control_bars (device_id, bar, since) "
        "SELECT id, state, changed_at FROM devices WHERE state IN ('paused', 'withdrawn')"
    )
    access = sa.Column("access", sa.String(12), nullable=False, server_default="unknown")
    op.add_column("control_subjects", access)
    op.create_index("ix_control_subjects_person_id", "control_subjects", ["person_id"])
    # Every device is settled anew by the worker, which works out its access.
    op.execute("UPDATE control_subjects SET next_expiry_at = '2000-01-01 00:00:00.000000'")


def downgrade() -> None:
    """Drop the tables; what is excepted for single devices is kept as far as it was known."""
    op.drop_index("ix_control_subjects_person_id", "control_subjects")
    op.drop_column("control_subjects", "access")
    op.drop_table("control_bars")
    op.drop_table("control_exemptions")
    op.create_table(
        "control_exemptions",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(2000), nullable=False),
        sa.Column("granted_by", sa.String(200), nullable=False),
        sa.Column("granted_at", UTCDateTime(), nullable=False),
    )
    op.execute(
        "INSERT INTO control_exemptions "
        "SELECT scope_id, control_id, max(until), max(reason), max(settler), max(requested_at) "
        "FROM control_exceptions WHERE scope_kind = 'device' AND state = 'approved' "
        "GROUP BY scope_id, control_id"
    )
    op.drop_table("control_exceptions")


def _create_exceptions() -> None:
    words = ("reason", "measure", "settled_because", "ended_because")
    people = ("requested_by", "settled_by", "ended_by")
    names = ("requester", "settler", "ender")
    op.create_table(
        "control_exceptions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("control_id", sa.String(100), nullable=False),
        sa.Column("severity", sa.String(12), nullable=False),
        sa.Column("scope_kind", sa.String(12), nullable=False),
        sa.Column("scope_id", sa.String(64), nullable=False),
        sa.Column("ownership", sa.String(16), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in words),
        *(sa.Column(name, sa.String(64), nullable=False) for name in people),
        *(sa.Column(name, sa.String(200), nullable=False) for name in names),
        *(
            sa.Column(n, UTCDateTime(), nullable=False)
            for n in ("requested_at", "began_at", "until")
        ),
        *(sa.Column(name, UTCDateTime()) for name in ("settled_at", "ended_at")),
        sa.Column("renews", sa.String(64)),
        sa.Column("renewals", sa.Integer(), nullable=False),
        sa.Column("paper", sa.String(300), nullable=False),
        *(sa.Column(name, UTCDateTime()) for name in ("reminded_at", "turns_at")),
    )
    for name, columns in (
        ("state_until", ["state", "until"]),
        ("scope", ["scope_kind", "scope_id"]),
        ("requested_by", ["requested_by"]),
        ("turns_at", ["turns_at"]),
    ):
        op.create_index(f"ix_control_exceptions_{name}", "control_exceptions", columns)


def _carry_over() -> None:
    """Turn each row of the old table into an exception that was granted for one device.

    Its rule's severity was not kept; "high" is what most have, and only renewing looks at it.
    """
    text = (
        "INSERT INTO control_exceptions (id, control_id, severity, scope_kind, scope_id, "
        "ownership, state, reason, measure, settled_because, ended_because, requested_by, "
        "settled_by, ended_by, requester, settler, ender, requested_at, began_at, until, "
        "settled_at, renewals, paper, turns_at) "
        "SELECT 'exc_' || substr(device_id, 5, 40) || '_' || "
        "CAST(row_number() OVER (ORDER BY device_id, control_id) AS VARCHAR(12)), control_id, "
        "'high', 'device', device_id, '', 'approved', reason, '', reason, '', '', '', '', "
        "granted_by, granted_by, '', granted_at, granted_at, until, granted_at, 0, '', until "
        "FROM control_exemptions"
    )
    op.execute(text)


def _make_anew() -> None:
    op.drop_table("control_exemptions")
    op.create_table(
        "control_exemptions",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("exception_id", sa.String(64), primary_key=True),
        sa.Column("until", UTCDateTime(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO control_exemptions (device_id, control_id, exception_id, until) "
        "SELECT scope_id, control_id, id, until FROM control_exceptions"
    )
    op.create_index("ix_control_exemptions_exception_id", "control_exemptions", ["exception_id"])
