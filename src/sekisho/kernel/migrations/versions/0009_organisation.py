"""Units, roles held in a unit, groups; where people belong and who leads them."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import UTCDateTime

revision = "0009_organisation"
down_revision = "0008_sign_in"

_PEOPLE = "identity_people"


def upgrade() -> None:
    """Create the tables and the new columns of people."""
    _create_units()
    _widen_people()
    _create_unit_roles()
    _create_groups()
    op.add_column("identity_passkeys", sa.Column("ended_at", UTCDateTime))


def _create_units() -> None:
    op.create_table(
        "identity_units",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("parent_id", sa.String(64), sa.ForeignKey("identity_units.id")),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_identity_units_parent_id", "identity_units", ["parent_id"])


def _widen_people() -> None:
    """Add columns to people.

    The two with references are written out: Alembic would rebuild the table for them on SQLite,
    and dropping the old one would take what belongs to people with it (ON DELETE CASCADE).
    """
    for column, reference in (
        ("unit_id", "identity_units (id)"),
        ("manager_id", "identity_people (id)"),
    ):
        name = f"fk_identity_people_{column}_{reference.split()[0]}"
        op.execute(
            f"ALTER TABLE {_PEOPLE} ADD COLUMN {column} VARCHAR(64)"
            f" CONSTRAINT {name} REFERENCES {reference}"
        )
    for name, length in (("external_id", 200), ("former_email", 254)):
        text = sa.Column(name, sa.String(length), nullable=False, server_default="")
        op.add_column(_PEOPLE, text)
    op.add_column(_PEOPLE, sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.add_column(_PEOPLE, sa.Column("changed_at", UTCDateTime))
    for columns in (["unit_id"], ["manager_id"], ["external_id"]):
        op.create_index(f"ix_identity_people_{columns[0]}", _PEOPLE, columns)
    op.create_index("ix_identity_people_name", _PEOPLE, ["name", "id"])


def _person() -> "sa.Column[str]":
    reference = sa.ForeignKey("identity_people.id", ondelete="CASCADE")
    return sa.Column("person_id", sa.String(64), reference, primary_key=True)


def _create_unit_roles() -> None:
    unit = sa.ForeignKey("identity_units.id", ondelete="CASCADE")
    op.create_table(
        "identity_unit_roles",
        _person(),
        sa.Column("role", sa.String(32), primary_key=True),
        sa.Column("unit_id", sa.String(64), unit, primary_key=True),
    )
    op.create_index("ix_identity_unit_roles_unit_id", "identity_unit_roles", ["unit_id"])


def _create_groups() -> None:
    op.create_table(
        "identity_groups",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("note", sa.String(1000), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.UniqueConstraint("name", name="uq_identity_groups_name"),
    )
    group = sa.ForeignKey("identity_groups.id", ondelete="CASCADE")
    op.create_table(
        "identity_group_members",
        sa.Column("group_id", sa.String(64), group, primary_key=True),
        _person(),
    )
    op.create_index("ix_identity_group_members_person_id", "identity_group_members", ["person_id"])


def downgrade() -> None:
    """Drop the tables and columns again."""
    op.drop_column("identity_passkeys", "ended_at")
    for table in ("group_members", "groups", "unit_roles"):
        op.drop_table(f"identity_{table}")
    op.drop_index("ix_identity_people_name", _PEOPLE)
    for column in ("external_id", "manager_id", "unit_id"):
        op.drop_index(f"ix_identity_people_{column}", _PEOPLE)
    for column in ("changed_at", "version", "former_email", "external_id"):
        op.drop_column(_PEOPLE, column)
    # SQLite cannot drop a column that refers elsewhere; both stay there, empty and unused.
    if op.get_bind().dialect.name != "sqlite":
        for column in ("manager_id", "unit_id"):
            op.drop_column(_PEOPLE, column)
        op.drop_table("identity_units")
