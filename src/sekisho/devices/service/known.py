"""Which devices there are, for whoever has a list of devices from elsewhere to compare."""

from collections.abc import Sequence

from sekisho.controls.exports.matching import KnownDevice
from sekisho.devices.store import known
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction


def list_known(tx: Transaction) -> Sequence[KnownDevice]:
    """Return every device that was not withdrawn, by all it can be told by.

    Needs ``devices.read``. Of private devices only the owner's address is there: nothing else of
    them is kept.
    """
    tx.principal.require("devices.read")
    rows = known.list_known(tx)
    owners = identity.list_reachable(tx, [row.owner_id for row in rows if row.owner_id])
    emails = {person.id: person.email for person in owners}
    return [
        KnownDevice(
            id=row.id, ownership=row.ownership, platform=row.platform, serial=row.serial,
            uuid=row.host_identifier, name=row.hostname, email=emails.get(row.owner_id, ""),
        )
        for row in rows
    ]  # fmt: skip
