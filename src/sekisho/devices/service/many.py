"""Many devices at once: who may change them, whose they are, their tags and notes.

Whoever acts on many records the act with its members, once; nothing here leaves a record of its
own. Rights are judged for each device: a right reaches the unit of the device's owner.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Select

from sekisho.controls import service as controls
from sekisho.devices import engine
from sekisho.devices.model import Device, DeviceState, Ownership
from sekisho.devices.store import many as store
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import DeviceID, PersonID

MOST_TAGS = 20
_MOST_LISTED_TAGS = 100


def find_devices(tx: Transaction, ids: Sequence[str], right: str) -> dict[str, Device]:
    """Return the devices among ``ids`` over which the caller has ``right`` as an office.

    What is not there and what is not theirs to know of is left out alike.
    """
    reach = tx.principal.require_reach(right)
    found = store.find_devices(tx, list(dict.fromkeys(ids)))
    if reach is None:
        return found
    units = standing.units_of(tx, (device.owner_id for device in found.values()))
    return {
        name: device for name, device in found.items() if units.get(device.owner_id or "") in reach
    }


def find_known(tx: Transaction, ids: Sequence[str]) -> dict[str, Device]:
    """Return the devices among ``ids`` for other rooms that judge rights by their owners."""
    return store.find_devices(tx, list(dict.fromkeys(ids)))


def select_subjects(owned_by: Select[tuple[str]]) -> Select[tuple[str]]:
    """Return the query for the subjects (``device:…``) of the devices of these owners."""
    return store.select_subjects(owned_by)


def find_tags(tx: Transaction, ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the tags of devices whose list the caller may see. Needs ``devices.read``."""
    tx.principal.require_reach("devices.read")
    return store.find_tags(tx, ids)


def list_tags(tx: Transaction) -> Sequence[tuple[str, int]]:
    """Return the tags in use and on how many devices each is. Needs ``devices.read``."""
    tx.principal.require_reach("devices.read")
    return store.count_tags(tx, _MOST_LISTED_TAGS)


def clean_tag(words: str) -> str:
    """Return a tag as it is stored; raise InvalidInputError for one that cannot be."""
    tag = engine.clean_tag(words)
    if not tag:
        raise InvalidInputError(
            msg("“%(got)s” cannot be a tag.", got=words[:60]),
            hint=msg("A tag has 1 to 40 characters, without commas and semicolons."),
        )
    return tag


def change_tags(
    tx: Transaction, devices: Iterable[Device], *, add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> dict[str, Sequence[str]]:  # fmt: skip
    """Put tags on devices and take others away; return the tags that each had before.

    Needs ``devices.write`` over each. Raises ConflictError for one that would have too many.
    """
    changed = _require_writing(tx, devices)
    adding = [clean_tag(tag) for tag in add]
    taking = set(remove) - set(adding)
    before = store.find_tags(tx, list(changed))
    for name in changed:
        if len({*before.get(name, ()), *adding} - taking) > MOST_TAGS:
            raise ConflictError(
                msg("%(device)s would have more than %(most)s tags.",
                    device=changed[name].title, most=MOST_TAGS)
            )  # fmt: skip
    store.add_tags(tx, [(name, tag) for name in changed for tag in adding])
    store.remove_tags(tx, [(name, tag) for name in changed for tag in taking])
    return {name: before.get(name, ()) for name in changed}


def give_devices(
    tx: Transaction, devices: Iterable[Device], owner_id: PersonID | None
) -> dict[str, str | None]:
    """Say whose company devices are from now on; return whose they were.

    Needs ``devices.write`` over each, and in the unit of the new owner. Raises ConflictError for
    a private PC: its consent is its owner's own.
    """
    given = _require_writing(tx, devices)
    if owner_id is not None:
        tx.principal.require("devices.write", standing.unit_of(tx, owner_id))
    for device in given.values():
        if device.ownership is Ownership.PRIVATE:
            raise ConflictError(msg("The owner of a private PC cannot be changed; enrol it anew."))
    store.save_devices(tx, {name: {"owner_id": owner_id} for name in given})
    controls.move_devices(tx, [DeviceID(name) for name in given], owner_id)
    return {name: device.owner_id for name, device in given.items()}


def note_devices(tx: Transaction, notes: Mapping[str, tuple[Device, str]]) -> None:
    """Write what is to be known about devices, by id. Needs ``devices.write`` over each."""
    _require_writing(tx, [device for device, _ in notes.values()])
    store.save_devices(
        tx, {name: {"note": engine.clean_note(words)} for name, (_, words) in notes.items()}
    )


def _require_writing(tx: Transaction, devices: Iterable[Device]) -> dict[str, Device]:
    wanted = {str(device.id): device for device in devices}
    allowed = find_devices(tx, list(wanted), "devices.write")
    for name, device in wanted.items():
        if name not in allowed:
            tx.principal.require("devices.write", standing.unit_of(tx, device.owner_id))
        if device.state is DeviceState.WITHDRAWN:
            raise ConflictError(msg("This device was withdrawn; enrol it anew with a new kit."))
    return wanted
