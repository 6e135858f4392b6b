"""Devices: kits, devices, node keys, schedules, log lines, looks, certificates, carves."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0006_devices"
down_revision = "0005_controls"

_DEVICE = "fk_{}_device_id_devices"


def upgrade() -> None:
    """Create the tables."""
    _create_kits()
    _create_devices()
    _create_keys()
    _create_answers()
    _create_looks()
    _create_certificates()
    _create_carves()


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in (
        "device_carves", "device_certificates", "device_looks", "device_lines",
        "device_schedules", "device_node_keys", "devices", "device_kits",
    ):  # fmt: skip
        op.drop_table(table)


def _device_column(*, primary_key: bool = False, nullable: bool = False) -> sa.Column[str]:
    reference = sa.ForeignKey("devices.id", ondelete="CASCADE")
    return sa.Column(
        "device_id", sa.String(64), reference, primary_key=primary_key, nullable=nullable
    )


def _create_kits() -> None:
    op.create_table(
        "device_kits",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("ownership", sa.String(16), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.String(64)),
        sa.Column("needs_approval", sa.Integer, nullable=False),
        sa.Column("max_devices", sa.Integer, nullable=False),
        sa.Column("used_devices", sa.Integer, nullable=False),
        sa.Column("bound_identifier", sa.String(200)),
        sa.Column("bound_device", sa.String(64)),
        sa.Column("consent_version", sa.String(32)),
        sa.Column("consented_at", UTCDateTime),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
        sa.Column("revoked_at", UTCDateTime),
        sa.UniqueConstraint("digest", name="uq_device_kits_digest"),
    )


def _create_devices() -> None:
    names = ("serial", "hostname", "model", "os_name", "os_version", "agent_version")
    op.create_table(
        "devices",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("ownership", sa.String(16), nullable=False),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.String(64)),
        sa.Column("kit_id", sa.String(64)),
        sa.Column("host_identifier", sa.String(200), nullable=False),
        *(sa.Column(name, sa.String(200), nullable=False) for name in names),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("enrolled_at", UTCDateTime, nullable=False),
        sa.Column("seen_at", UTCDateTime),
        sa.Column("answered_at", UTCDateTime),
        sa.Column("check_now_until", UTCDateTime),
        sa.Column("flagged", sa.String(64), nullable=False),
        sa.Column("identity", JSONText),
        sa.Column("consent_version", sa.String(32)),
        sa.Column("consented_at", UTCDateTime),
        sa.Column("changed_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_devices_changed_at", "devices", ["changed_at"])
    op.create_index("ix_devices_host_identifier", "devices", ["host_identifier"])
    op.create_index("ix_devices_owner_id", "devices", ["owner_id"])
    op.create_index("ix_devices_state_seen_at", "devices", ["state", "seen_at"])
    op.create_index(
        "ix_devices_state_ownership_platform", "devices", ["state", "ownership", "platform"]
    )


def _create_keys() -> None:
    op.create_table(
        "device_node_keys",
        sa.Column("digest", sa.String(64), primary_key=True),
        _device_column(nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("issued_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
    )
    op.create_index("ix_device_node_keys_device_id", "device_node_keys", ["device_id"])


def _create_answers() -> None:
    op.create_table(
        "device_schedules",
        _device_column(primary_key=True),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("times", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "device_lines",
        _device_column(primary_key=True),
        sa.Column("query", sa.String(200), primary_key=True),
        sa.Column("unix_time", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
    )


def _create_looks() -> None:
    op.create_table(
        "device_looks",
        sa.Column("id", sa.String(64), primary_key=True),
        _device_column(nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("looker", sa.String(200), nullable=False),
        sa.Column("looker_name", sa.String(200), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
    )
    op.create_index("ix_device_looks_device_id_at", "device_looks", ["device_id", "at"])


def _create_certificates() -> None:
    op.create_table(
        "device_certificates",
        sa.Column("serial", sa.String(64), primary_key=True),
        _device_column(nullable=False),
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("thumbprint", sa.String(64), nullable=False),
        sa.Column("issued_at", UTCDateTime, nullable=False),
        sa.Column("not_after", UTCDateTime, nullable=False),
        sa.Column("revoked_at", UTCDateTime),
    )
    op.create_index("ix_device_certificates_device_id", "device_certificates", ["device_id"])
    op.create_index("ix_device_certificates_key_digest", "device_certificates", ["key_digest"])


def _create_carves() -> None:
    op.create_table(
        "device_carves",
        sa.Column("id", sa.String(64), primary_key=True),
        _device_column(nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("requested_at", UTCDateTime, nullable=False),
        sa.Column("approved_by", sa.String(200)),
        sa.Column("approved_at", UTCDateTime),
        sa.Column("max_bytes", sa.BigInteger, nullable=False),
        sa.Column("carve_guid", sa.String(64)),
        sa.Column("session_digest", sa.String(64)),
        sa.Column("session_ends_at", UTCDateTime),
        sa.Column("block_count", sa.Integer, nullable=False),
        sa.Column("block_size", sa.Integer, nullable=False),
        sa.Column("carve_size", sa.BigInteger, nullable=False),
        sa.Column("received_blocks", sa.Integer, nullable=False),
        sa.Column("artifact", sa.String(128)),
        sa.Column("note", sa.Text, nullable=False),
        sa.UniqueConstraint("session_digest", name="uq_device_carves_session_digest"),
    )
    op.create_index("ix_device_carves_device_id", "device_carves", ["device_id"])
