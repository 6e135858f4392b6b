"""What devices are searched by, in a table of its own; silent devices counted by an index alone."""

import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0022_device_words"
down_revision = "0021_covering_indexes"

_SEARCHED = ("label", "hostname", "serial", "id", "os_name", "model", "note")
_SILENT = ("ix_devices_state_seen_at", "devices")
_SOME = 2000


def upgrade() -> None:
    """Make the table and say what each known device is found by."""
    op.create_table(
        "device_words",
        sa.Column("device_id", sa.String(64), sa.ForeignKey("devices.id", ondelete="CASCADE"),
                  primary_key=True),
        sa.Column("words", sa.Text(), nullable=False),
    )  # fmt: skip
    _fill()
    op.drop_index(*_SILENT)
    op.create_index(*_SILENT, ["state", "seen_at", "enrolled_at", "id"])


def _fill() -> None:
    connection = op.get_bind()
    words = sa.table("device_words", sa.column("device_id"), sa.column("words"))
    devices = sa.table("devices", *(sa.column(name) for name in _SEARCHED))
    last = ""
    while True:
        query = sa.select(devices).where(devices.c.id > last).order_by(devices.c.id).limit(_SOME)
        rows = connection.execute(query).all()
        if not rows:
            return
        connection.execute(words.insert(), [_say(row) for row in rows])
        last = rows[-1].id


def _say(row: Any) -> dict[str, str]:
    said = "\n".join(getattr(row, name) for name in _SEARCHED)
    return {"device_id": row.id, "words": unicodedata.normalize("NFKC", said).casefold()}


def downgrade() -> None:
    """Search the rows themselves again."""
    op.drop_index(*_SILENT)
    op.create_index(*_SILENT, ["state", "seen_at"])
    op.drop_table("device_words")
