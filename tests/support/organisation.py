"""A small organisation whose rows refer to each other, as they lie in a database."""

from sqlalchemy import select, update

from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.identity.service.people import add_person
from sekisho.identity.service.units import UnitDraft
from sekisho.identity.store.tables import people, units
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import SYSTEM


def fill_organisation(tx: Transaction) -> None:
    """Units and people whose rows come before those that they refer to."""
    everybody = [
        add_person(tx, name=f"人{n}", email=f"p{n}@example.jp", language="ja",
                   roles=(Role.SECURITY,), state=PersonState.ACTIVE)
        for n in range(3)
    ]  # fmt: skip
    lower, upper = (identity.create_unit(tx, UnitDraft(name)) for name in ("下", "上"))
    tx.execute(update(units).where(units.c.id == lower.id).values(parent_id=upper.id))
    first, *_, last = sorted(person.id for person in everybody)
    tx.execute(update(people).where(people.c.id == first).values(manager_id=last, unit_id=lower.id))


def read_organisation(database: Database) -> list[tuple[object, ...]]:
    """Return who is led by whom, and which unit lies below which."""
    with database.read(SYSTEM) as tx:
        found = tx.rows(select(people.c.id, people.c.manager_id, people.c.unit_id))
        above = tx.rows(select(units.c.id, units.c.parent_id))
        return sorted((tuple(row) for row in (*found, *above)), key=repr)
