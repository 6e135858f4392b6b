"""Tables of exceptions and of what stands in a device's way besides rules.

``control_exemptions`` (in ``tables.py``) is what follows from exceptions for each device, so that
a check-in reads one small range instead of resolving groups and units.
"""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from sekisho.kernel.db import UTCDateTime, metadata

EXCEPTIONS = Table(
    "control_exceptions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("control_id", String(100), nullable=False),
    Column("severity", String(12), nullable=False),
    Column("scope_kind", String(12), nullable=False),
    Column("scope_id", String(64), nullable=False),
    Column("ownership", String(16), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("measure", Text(), nullable=False),
    Column("state", String(12), nullable=False),
    Column("requested_by", String(64), nullable=False),
    Column("requester", String(200), nullable=False),
    Column("requested_at", UTCDateTime(), nullable=False),
    Column("began_at", UTCDateTime(), nullable=False),
    Column("until", UTCDateTime(), nullable=False),
    Column("settled_by", String(64), nullable=False),
    Column("settler", String(200), nullable=False),
    Column("settled_at", UTCDateTime()),
    Column("settled_because", Text(), nullable=False),
    Column("ended_by", String(64), nullable=False),
    Column("ender", String(200), nullable=False),
    Column("ended_at", UTCDateTime()),
    Column("ended_because", Text(), nullable=False),
    Column("renews", String(64)),
    Column("renewals", Integer(), nullable=False),
    Column("paper", String(300), nullable=False),
    Column("reminded_at", UTCDateTime()),
    Column("turns_at", UTCDateTime()),
)
Index("ix_control_exceptions_state_until", EXCEPTIONS.c.state, EXCEPTIONS.c.until)
Index("ix_control_exceptions_scope", EXCEPTIONS.c.scope_kind, EXCEPTIONS.c.scope_id)
Index("ix_control_exceptions_requested_by", EXCEPTIONS.c.requested_by)
Index("ix_control_exceptions_turns_at", EXCEPTIONS.c.turns_at)

BARS = Table(
    "control_bars",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("bar", String(16), nullable=False),
    Column("since", UTCDateTime(), nullable=False),
)

SELECTIONS = Table(
    "control_selections",
    metadata,
    Column("selection_id", String(64), primary_key=True),
    Column("device_id", String(64), primary_key=True),
)
Index("ix_control_selections_device", SELECTIONS.c.device_id, SELECTIONS.c.selection_id)
