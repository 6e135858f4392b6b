"""The queue of what leaves: sorted by whoever is told, page by page."""

from notices.conftest import Office
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service
from sekisho.notices.model import ChannelKind, Holders, Kind
from sekisho.notices.service.channels import ChannelOrder
from sekisho.notices.service.queue import QueueWish

_HOOK = {"url": "https://hooks.slack.com/services/T/B/x"}


def _told(office: Office, sort: str, size: int = 50, search: str = "") -> list[tuple[str, str]]:
    """Return (reader, subject) of every delivery, asked for page by page."""
    rows: list[tuple[str, str]] = []
    with office.database.read(SYSTEM) as tx:
        for page in range(1, 10):
            wanted = QueueWish(sort=sort, search=search)
            found = service.list_queue(tx, wanted, page=page, page_size=size)
            rows += [
                (found.names.get(d.person_id or "", ""), d.post.subject) for d in found.deliveries
            ]
        assert len(rows) == found.total
    return rows


def test_the_queue_is_sorted_by_the_name_of_whoever_is_told(office: Office) -> None:
    office.set_mail(25)
    aoi, ren, zen = (office.add(name, email=f"{name}@example.jp") for name in ("Aoi", "Ren", "Zen"))
    for number, person in enumerate((zen, aoi, ren, aoi)):
        office.clock.advance(seconds=60)
        office.tell(person.id, subject=f"device:dev_{number}")
    of_aoi = [("Aoi", "device:dev_3"), ("Aoi", "device:dev_1")]
    of_others = [("Ren", "device:dev_2"), ("Zen", "device:dev_0")]
    assert _told(office, "person") == [*of_aoi, *of_others]
    assert _told(office, "-person") == [*reversed(of_others), *of_aoi]
    assert _told(office, "person", size=1) == _told(office, "person")
    assert _told(office, "-person", search="aoi") == of_aoi


def test_what_a_whole_channel_reads_comes_after_every_name(office: Office) -> None:
    office.set(ChannelOrder(ChannelKind.SLACK, "SOC", {}, _HOOK))
    office.set_mail(25)
    office.add("Ren", Role.ADMIN)
    office.tell(reach=Holders("findings.write"), kind=Kind.DEVICE_CLONE, subject="device:dev_1")
    rows = [("Ren", "device:dev_1"), ("", "device:dev_1")]
    assert _told(office, "person") == rows
    assert _told(office, "-person") == rows
