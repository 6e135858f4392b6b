"""Tables of this room. The migration ``worklists`` makes the same ones."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from sekisho.kernel.db import JSONText, UTCDateTime, metadata

ACTS = Table(
    "worklist_acts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("listing", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("wish", JSONText, nullable=False),
    Column("words", JSONText, nullable=False),
    Column("state", String(12), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("actor_name", String(200), nullable=False),
    Column("person_id", String(64)),
    Column("rights", JSONText, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("started_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    Column("total", Integer, nullable=False),
    Column("undoes", String(64)),
    Column("undone_by", String(64)),
    Index("ix_worklist_acts_state", "state", "started_at"),
    Index("ix_worklist_acts_actor", "actor", "created_at"),
)

MEMBERS = Table(
    "worklist_members",
    metadata,
    Column("act_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("before", JSONText),
    Index("ix_worklist_members_outcome", "act_id", "outcome", "number"),
)

VIEWS = Table(
    "worklist_views",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("listing", String(16), nullable=False),
    Column("name", String(60), nullable=False),
    Column("query", Text, nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("owner_name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("unit_id", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_worklist_views_list", "listing", "name"),
)

DEFAULTS = Table(
    "worklist_defaults",
    metadata,
    Column("person_id", String(64), primary_key=True),
    Column("listing", String(16), primary_key=True),
    Column("view_id", String(64), nullable=False),
)

SHEETS = Table(
    "worklist_sheets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("listing", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
)
