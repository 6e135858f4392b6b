"""Names for the people that devices, kits and looks speak of by id."""

from collections.abc import Iterable, Mapping

from sekisho.devices.model import Device
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, msg

ACTING: Mapping[str, Text] = {
    "system": msg("Sekisho itself"),
    "command": msg("Command on the server"),
    "anonymous": msg("Nobody signed in"),
}
"""What acts without being a person, by the kind of its reference."""


def name_people(tx: Transaction, ids: Iterable[str | None]) -> dict[str, str]:
    """Return id → name for everybody known among ``ids``; nobody is named twice."""
    return identity.find_names(tx, [person_id for person_id in ids if person_id])


def name_owners(tx: Transaction, devices: Iterable[Device]) -> dict[str, str]:
    """Return person id → name for the owners of ``devices``."""
    return name_people(tx, (device.owner_id for device in devices))


def name_actors(tx: Transaction, references: Iterable[str]) -> dict[str, str]:
    """Return ``kind:id`` → the name of the person or the kind of caller."""
    people = {ref: ref.removeprefix("person:") for ref in references if ref.startswith("person:")}
    names = name_people(tx, people.values())
    return {ref: names.get(person_id, person_id) for ref, person_id in people.items()}


def say_actor(reference: str, names: Mapping[str, str]) -> Text | str:
    """Say who ``kind:id`` is: by name, else what kind of caller, else the reference itself."""
    kind = reference.partition(":")[0]
    return names.get(reference) or ACTING.get(kind) or reference
