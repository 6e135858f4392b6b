"""What the steps of a plan are done with: a transaction, and the ids of what they name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import SecretBox
from sekisho.server.apply.model import fold
from sekisho.server.apply.state import State


@dataclass(slots=True)
class Hands:
    """One transaction and the ids of what the steps name, growing while they are done."""

    tx: Transaction
    box: SecretBox
    environment: Mapping[str, str] = field(repr=False)
    units: dict[str, str]
    groups: dict[str, str]
    people: dict[str, str]
    resources: dict[str, str]

    def unit(self, path: str) -> str:
        """Return the id of a unit; raise NotFoundError for one that could not be made."""
        found = self.units.get(fold(path))
        if found is None:
            raise NotFoundError(msg("There is no unit “%(name)s”.", name=path))
        return found

    def group(self, name: str) -> str:
        """Return the id of a group; raise NotFoundError for one that could not be made."""
        found = self.groups.get(name)
        if found is None:
            raise NotFoundError(msg("There is no group “%(name)s”.", name=name))
        return found

    def person(self, address: str) -> str:
        """Return the id of a person; raise NotFoundError."""
        found = self.people.get(address)
        if found is None:
            raise NotFoundError(msg("Nobody here has the address %(address)s.", address=address))
        return found

    def resource(self, key: str) -> str:
        """Return the id of a resource; raise NotFoundError for one that could not be made."""
        found = self.resources.get(key)
        if found is None:
            raise NotFoundError(msg("There is no resource “%(name)s”.", name=key))
        return found


def open_hands(
    tx: Transaction, box: SecretBox, state: State, environment: Mapping[str, str]
) -> Hands:
    """Return hands that know what is there before the first step."""
    return Hands(
        tx, box, environment,
        {path: item.id for path, item in state.units.items()},
        {name: item.id for name, item in state.groups.items()},
        {address: item.id for address, item in state.people.items()},
        {key: item.id for key, item in state.resources.items()},
    )  # fmt: skip
