"""Handing out: everyone once, in small transactions, across crashes."""

import pytest

from fakes.mail_server import running_mail_server
from notices.conftest import BODY, TITLE, TOKYO, Office
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service
from sekisho.notices.model import (
    Digest,
    Holders,
    Kind,
    NewNotice,
    People,
    Preferences,
    Topic,
    Urgency,
    Way,
)
from sekisho.notices.service.posting import hand_out_some


def test_everyone_has_it_once_in_the_inbox(office: Office) -> None:
    people = [office.add(f"p{i}") for i in range(7)]
    with office.database.write(SYSTEM) as tx:
        service.queue_notices(tx, [
            NewNotice(People([p.id for p in people] * 2), Kind.DEVICE_FAILS, "d", TITLE, BODY),
            NewNotice(Holders("self.read"), Kind.NOTICE_TEST, "n", TITLE, BODY),
        ])  # fmt: skip
    told = []
    for _ in range(20):
        with office.database.write(SYSTEM) as tx:
            told.append(hand_out_some(tx, TOKYO, most=3))
    assert sum(told) == 14
    assert max(told) <= 3
    for person in people:
        with office.database.read(person) as tx:
            assert service.list_notices(tx).total == 2
            assert service.count_unread(tx, person) == 2


def test_a_crash_between_repeats_and_loses_nothing(office: Office) -> None:
    people = [office.add(f"p{i}") for i in range(5)]
    with office.database.write(SYSTEM) as tx:
        new = NewNotice(People([p.id for p in people]), Kind.DEVICE_FAILS, "d", TITLE, BODY)
        service.queue_notices(tx, [new])
    with pytest.raises(RuntimeError), office.database.write(SYSTEM) as tx:
        hand_out_some(tx, TOKYO, most=2)
        raise RuntimeError
    assert service.hand_out(office.database, TOKYO) == 5
    assert service.hand_out(office.database, TOKYO) == 0


def test_only_those_with_the_right_are_told(office: Office) -> None:
    boss, ren = office.add("boss", Role.ADMIN), office.add("ren")
    security = office.add("sec", Role.SECURITY)
    office.tell(reach=Holders("findings.write"))
    for person, expected in ((boss, 1), (security, 1), (ren, 0)):
        with office.database.read(person) as tx:
            assert service.count_unread(tx, person) == expected


def test_nobody_opens_another_person_s_notice(office: Office) -> None:
    ren, yui = office.add("ren"), office.add("yui")
    office.tell(ren.id)
    with office.database.read(ren) as tx:
        (item,) = service.list_notices(tx).items
    with pytest.raises(NotFoundError), office.database.write(yui) as tx:
        service.open_notice(tx, item.post.id)
    with office.database.write(ren) as tx:
        assert service.open_notice(tx, item.post.id).read_at is None
        assert service.count_unread(tx, ren) == 0
        assert service.mark_notices(tx, item.post.id, read=False) == 1
        assert service.mark_notices(tx) == 1
        assert service.list_notices(tx, unread=True).total == 0
        assert service.list_notices(tx, search="画面ロック", topic=Topic.DEVICE).total == 1
        assert service.list_notices(tx, topic=Topic.SECURITY).total == 0


def test_a_digest_is_one_mail_at_its_hour(office: Office) -> None:
    ren = office.add("ren")
    chosen = Preferences(hour=8, digest=Digest.DAILY, ways={"mail": {Topic.DEVICE: Way.DIGEST}})
    with running_mail_server() as server:
        office.set_mail(server.port)
        with office.database.write(ren) as tx:
            service.set_choices(tx, chosen)
        for number in range(60):
            office.tell(ren.id, subject=f"device:{number}")
        office.tell(ren.id, urgency=Urgency.URGENT)
        assert office.send() == 1
        office.clock.advance(hours=22, minutes=59)
        assert office.send() == 0
        office.clock.advance(minutes=1)
        assert office.send() == 60
    urgent, digest = server.mails
    assert urgent["Subject"].startswith("【至急】")
    assert digest["Subject"] == "お知らせ60件：直すことが1つあります"
    assert digest["List-Unsubscribe"] == "<https://sekisho.example.jp/my/notices/ways>"
    part = digest.get_body(("plain",))
    assert part is not None
    assert "ほかに20件" in part.get_content()


def test_it_is_night_where_somebody_works(office: Office) -> None:
    """Noon in Tokyo is 22:00 in New York; whoever chose a zone of their own is told by that."""
    office.clock.advance(hours=3)
    ren, ann, eve = (office.add(name) for name in ("ren", "ann", "eve"))
    with office.database.write(SYSTEM) as tx:
        east = identity.create_unit(tx, identity.UnitDraft("NY", time_zone="America/New_York")).id
        below = identity.create_unit(tx, identity.UnitDraft("Sales"), east).id
        for person in (ann, eve):
            identity.place_person(tx, person.id, below)
    with office.database.write(eve) as tx:
        service.set_choices(tx, Preferences(time_zone="Asia/Tokyo"))
    with running_mail_server() as server:
        office.set_mail(server.port)
        office.tell(ren.id, ann.id, eve.id)
        assert office.send() == 2
        office.clock.advance(hours=8, minutes=59)
        assert office.send() == 0
        office.clock.advance(minutes=1)
        assert office.send() == 1
    assert "ann@example.jp" in str(server.mails[-1]["To"])


@pytest.mark.parametrize(
    "chosen",
    [Preferences(time_zone="Mars/Olympus"), Preferences(time_zone="../../etc/passwd"),
     Preferences(hour=24), Preferences(weekday=7), Preferences(language="xx")],
)  # fmt: skip
def test_impossible_choices_are_refused(office: Office, chosen: Preferences) -> None:
    ren = office.add("ren")
    with pytest.raises(InvalidInputError), office.database.write(ren) as tx:
        service.set_choices(tx, chosen)
    with office.database.read(ren) as tx:
        assert service.get_choices(tx) == Preferences()


def test_telling_leaves_records_and_old_ones_are_forgotten(office: Office) -> None:
    ren = office.add("ren")
    office.tell(ren.id)
    with office.database.read(SYSTEM) as tx:
        kinds = [record.kind for record in evidence.list_records(tx)]
    assert kinds[0] == "notice.told"
    office.clock.advance(days=181)
    with office.database.write(SYSTEM) as tx:
        assert service.forget_old_notices(tx) == 1
    with office.database.read(ren) as tx:
        assert service.list_notices(tx).total == 0


def test_erasing_a_person_erases_what_was_told(office: Office) -> None:
    ren = office.add("ren")
    office.tell(ren.id)
    with office.database.read(SYSTEM) as tx:
        assert [p.id for p in identity.list_reachable(tx, [ren.id, "per_nobody"])] == [ren.id]
        assert identity.search_ids(tx, "") == []
        assert identity.find_names(tx, [ren.id]) == {ren.id: "ren"}


def test_a_right_in_a_unit_is_told_of_that_unit_and_what_is_below(office: Office) -> None:
    with office.database.write(SYSTEM) as tx:
        sales = identity.create_unit(tx, identity.UnitDraft("営業部"))
        east = identity.create_unit(tx, identity.UnitDraft("東日本"), sales.id)
        west = identity.create_unit(tx, identity.UnitDraft("西日本"), sales.id)
    whole, lead, other = office.add("whole", Role.CSIRT), office.add("lead"), office.add("other")
    with office.database.write(SYSTEM) as tx:
        identity.set_roles(tx, lead.id, [Assignment(Role.CSIRT, sales.id)])
        identity.set_roles(tx, other.id, [Assignment(Role.CSIRT, west.id)])
    office.tell(reach=Holders("cases.write", east.id))
    office.tell(reach=Holders("cases.write"))
    for person, expected in ((whole, 2), (lead, 1), (other, 0)):
        with office.database.read(person) as tx:
            assert service.count_unread(tx, person) == expected
