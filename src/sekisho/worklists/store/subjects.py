"""Which findings belong to people: those about their devices, and about themselves."""

from typing import Any

from sqlalchemy import Select, select, union_all


def select_subjects(devices: Select[tuple[str]], people: Select[Any]) -> Any:
    """Return the query for the subjects of some people's devices and of themselves."""
    them = people.subquery()
    return union_all(devices, select("person:" + them.c.id))
