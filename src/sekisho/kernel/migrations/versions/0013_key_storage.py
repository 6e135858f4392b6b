"""Where the key of a device's certificate lies, as the device says."""

import sqlalchemy as sa
from alembic import op

revision = "0013_key_storage"
down_revision = "0012_told"


def upgrade() -> None:
    """Add the column; older certificates did not say."""
    place = sa.Column("key_storage", sa.String(16), nullable=False, server_default="")
    op.add_column("device_certificates", place)


def downgrade() -> None:
    """Forget where the keys lie."""
    with op.batch_alter_table("device_certificates") as batch:
        batch.drop_column("key_storage")
