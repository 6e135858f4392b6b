"""Tables of this room. Migrations make the same ones."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
)
from sqlalchemy import Text as SQLText

from sekisho.kernel.db import JSONText, UTCDateTime, metadata

KITS = Table(
    "device_kits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("ownership", String(16), nullable=False),
    Column("label", String(200), nullable=False),
    Column("owner_id", String(64)),
    Column("needs_approval", Integer, nullable=False),
    Column("max_devices", Integer, nullable=False),
    Column("used_devices", Integer, nullable=False),
    Column("bound_identifier", String(200)),
    Column("bound_device", String(64)),
    Column("consent_version", String(32)),
    Column("consented_at", UTCDateTime),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime),
)

DEVICES = Table(
    "devices",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("ownership", String(16), nullable=False),
    Column("platform", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("label", String(200), nullable=False),
    Column("owner_id", String(64)),
    Column("kit_id", String(64)),
    Column("host_identifier", String(200), nullable=False),
    Column("serial", String(200), nullable=False),
    Column("hostname", String(200), nullable=False),
    Column("model", String(200), nullable=False),
    Column("os_name", String(200), nullable=False),
    Column("os_version", String(200), nullable=False),
    Column("agent_version", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    Column("enrolled_at", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime),
    Column("answered_at", UTCDateTime),
    Column("check_now_until", UTCDateTime),
    Column("flagged", String(64), nullable=False),
    Column("identity", JSONText),
    Column("consent_version", String(32)),
    Column("consented_at", UTCDateTime),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("note", String(500), nullable=False, server_default=""),
    Index("ix_devices_changed_at", "changed_at"),
    Index("ix_devices_host_identifier", "host_identifier"),
    Index("ix_devices_owner_id", "owner_id", "state", "ownership", "platform", "id"),
    Index("ix_devices_state_seen_at", "state", "seen_at", "enrolled_at", "id"),
    Index("ix_devices_state_ownership_platform", "state", "ownership", "platform"),
)
Index("ix_devices_name", func.lower(DEVICES.c.label + DEVICES.c.hostname), DEVICES.c.id)

WORDS = Table(
    "device_words",
    metadata,
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("words", SQLText, nullable=False),
)

TAGS = Table(
    "device_tags",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("tag", String(40), primary_key=True),
    Index("ix_device_tags_tag", "tag", "device_id"),
)

NODE_KEYS = Table(
    "device_node_keys",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("issued_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Index("ix_device_node_keys_device_id", "device_id"),
)

SCHEDULES = Table(
    "device_schedules",
    metadata,
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("plan", String(64), nullable=False),
    Column("times", LargeBinary, nullable=False),
)

LINES = Table(
    "device_lines",
    metadata,
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("query", String(200), primary_key=True),
    Column("unix_time", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("digest", String(32), nullable=False),
)

LOOKS = Table(
    "device_looks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("looker", String(200), nullable=False),
    Column("looker_name", String(200), nullable=False),
    Column("what", String(200), nullable=False),
    Column("purpose", SQLText, nullable=False),
    Index("ix_device_looks_device_id_at", "device_id", "at"),
)

CERTIFICATES = Table(
    "device_certificates",
    metadata,
    Column("serial", String(64), primary_key=True),
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("key_digest", String(64), nullable=False),
    Column("thumbprint", String(64), nullable=False),
    Column("issued_at", UTCDateTime, nullable=False),
    Column("not_after", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime),
    Column("key_storage", String(16), nullable=False, server_default=""),
    Index("ix_device_certificates_device_id", "device_id"),
    Index("ix_device_certificates_key_digest", "key_digest"),
)

CARVES = Table(
    "device_carves",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("path", String(1024), nullable=False),
    Column("reason", SQLText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_by", String(200), nullable=False),
    Column("requested_at", UTCDateTime, nullable=False),
    Column("approved_by", String(200)),
    Column("approved_at", UTCDateTime),
    Column("max_bytes", BigInteger, nullable=False),
    Column("carve_guid", String(64)),
    Column("session_digest", String(64), unique=True),
    Column("session_ends_at", UTCDateTime),
    Column("block_count", Integer, nullable=False),
    Column("block_size", Integer, nullable=False),
    Column("carve_size", BigInteger, nullable=False),
    Column("received_blocks", Integer, nullable=False),
    Column("artifact", String(128)),
    Column("note", SQLText, nullable=False),
    Index("ix_device_carves_device_id", "device_id"),
)
