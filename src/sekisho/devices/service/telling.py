"""Tell owners how their devices stand, and security what has gone silent (worker)."""

from datetime import timedelta

from sekisho.controls import service as controls
from sekisho.devices.model import Carve, Device
from sekisho.devices.store import told as store
from sekisho.devices.store.devices import count_silent
from sekisho.devices.told import next_told, write_notice
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service as notices
from sekisho.notices.model import Holders, Kind, NewNotice, People, Reach, Urgency

DEVICES_AT_ONCE = 500
SILENT_AFTER = timedelta(days=1)
_CURSOR = "devices.told_cursor"


def tell_owners(database: Database) -> int:
    """Look at the next few hundred devices and tell their owners what is new; return how many.

    The cursor goes round: with 25,000 devices and a turn every ten seconds each is looked at
    within nine minutes. Looking is a reading transaction; only news is written.
    """
    with database.read(SYSTEM) as tx:
        cursor = str(get_fact(tx, _CURSOR, ""))
        owned = store.list_owned(tx, cursor, DEVICES_AT_ONCE)
        states = controls.access_states(tx, [device.id for device, _ in owned])
        found = [(d, states[d.id], next_told(states[d.id], told, tx.now)) for d, told in owned]
    news = [(device, state, fresh) for device, state, fresh in found if fresh is not None]
    end = owned[-1][0].id if len(owned) == DEVICES_AT_ONCE else ""
    if not news and end == cursor:
        return 0
    with database.write(SYSTEM) as tx:
        known = controls.catalogue_in_force().controls
        notices.queue_notices(tx, [write_notice(d, s, fresh, known) for d, s, fresh in news])
        store.note_told(tx, {device.id: fresh for device, _, fresh in news})
        set_fact(tx, _CURSOR, end)
    return len(news)


def tell_silent(tx: Transaction) -> None:
    """Tell security once a day how many devices have been silent for a day, if there are any.

    Whoever has the right in units alone is told of the devices there.
    """
    before = tx.now - SILENT_AFTER
    told: dict[str, tuple[Reach, int]] = {"": (Holders("devices.write"), count_silent(tx, before))}
    counts: dict[frozenset[str], int] = {}
    for person, units in identity.find_unit_holders(tx, "devices.write").items():
        if units not in counts:
            counts[units] = count_silent(tx, before, identity.select_people_in(units))
        told[person] = (People([person]), counts[units])
    notices.queue_notices(tx, [_silent(tx, *one) for one in told.items() if one[1][1]])


def _silent(tx: Transaction, whose: str, told: tuple[Reach, int]) -> NewNotice:
    reach, count = told
    return NewNotice(
        to=reach,
        kind=Kind.DEVICE_SILENT,
        subject="devices:silent",
        title=msg("Devices that have been silent for a day: %(n)s", n=count),
        body=msg("Nothing is known of them now, so they do not count as fine. See whether they are "
                 "switched off, lost or no longer used."),
        urgency=Urgency.LOW,
        link="/devices?seen=silent",
        dedupe_key=f"device.silent:{tx.now.date().isoformat()}:{whose}".rstrip(":"),
    )  # fmt: skip


def tell_flag(tx: Transaction, device: Device, title: Text) -> None:
    """Tell security that two machines stand behind one identity."""
    notices.queue_notice(
        tx,
        to=Holders("devices.write", identity.unit_of(tx, device.owner_id)),
        kind=Kind.DEVICE_CLONE,
        subject=f"device:{device.id}",
        title=title,
        body=msg("A copied key would let another machine answer in its name. Look at the device's "
                 "page, then enrol it anew or remove the copy."),
        urgency=Urgency.URGENT,
        link=f"/devices/{device.id}",
    )  # fmt: skip


def tell_order(tx: Transaction, device: Device, order: Carve) -> None:
    """Tell those who may approve that an order for files waits for one of them."""
    notices.queue_notice(
        tx,
        to=Holders("devices.approve"),
        kind=Kind.FILES_ASKED,
        subject=f"device:{device.id}",
        title=msg("Files of %(device)s wait for approval", device=device.title),
        body=msg("%(path)s is asked for: %(reason)s\nSomebody other than who asks approves or "
                 "refuses it within a day.", path=order.path, reason=order.reason),
        link="/devices/files?status=waiting",
        dedupe_key=f"{Kind.FILES_ASKED}:{order.id}",
    )  # fmt: skip
