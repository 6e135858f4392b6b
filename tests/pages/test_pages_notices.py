"""A device fails: its owner is told on the page and by mail, by ways of their own choice."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from fakes.mail_server import MailServer, running_mail_server
from pages.conftest import Town
from sekisho.devices.service import telling
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service
from sekisho.notices.model import ChannelKind
from sekisho.notices.service.channels import ChannelOrder
from sekisho.server.outgoing import make_outgoing, send_all


@pytest.fixture
def mails(town: Town) -> Iterator[MailServer]:
    """A mail server that the organisation uses, outside everybody's quiet hours."""
    town.clock.advance(hours=9)
    with running_mail_server() as server:
        setup = {"host": "127.0.0.1", "port": str(server.port), "security": "none",
                 "from": "sekisho@example.jp"}  # fmt: skip
        with town.house.database.write(SYSTEM) as tx:
            service.set_channel(tx, town.house.box, ChannelOrder(ChannelKind.MAIL, "メール", setup))
        yield server


def _turn(town: Town) -> None:
    """Do what the worker does: look, hand out, send."""
    outside = service.make_outside(town.house.settings, town.house.box, town.clock)
    telling.tell_owners(town.house.database)
    service.hand_out(town.house.database, outside.zone)
    send_all(town.house, outside)


def test_a_failing_device_is_told_of_until_it_is_fine(town: Town, mails: MailServer) -> None:
    haruka = town.add_person("高橋 遥", Role.TELEWORKER)
    her = town.sign_in(haruka)
    device = town.enrol("mnt-l-0231", owner=haruka)
    town.answer(device)
    _turn(town)
    assert mails.mails == []
    town.answer(device, failing=1)
    for _ in range(3):
        _turn(town)
    assert len(mails.mails) == 1
    page = town.client("public").get("/my/notices", headers=her)
    assert page.status_code == 200
    assert "mnt-l-0231" in page.text
    assert 'class="tool bell"' in page.text
    assert '<b class="num">1</b>' in page.text
    opened = re.search(r"/my/notices/(ntc_\w+)/open", page.text)
    assert opened is not None
    went = town.client("public").post(opened[0], headers=her, follow_redirects=False)
    assert (went.status_code, went.headers["location"]) == (303, f"/my/devices/{device.id}")
    assert '<b class="num">' not in town.client("public").get("/my/notices", headers=her).text
    town.clock.advance(seconds=timedelta(minutes=5).total_seconds())
    town.answer(device)
    _turn(town)
    assert [str(m["Subject"]) for m in mails.mails][1:] == [
        "mnt-l-0231：直すことはすべて終わりました"
    ]


def test_the_ways_are_chosen_on_a_page(town: Town, mails: MailServer) -> None:
    ren = town.add_person("蓮", Role.TELEWORKER)
    his, public = town.sign_in(ren), town.client("public")
    assert "way:mail:device" in public.get("/my/notices/ways", headers=his).text
    form = {"way:mail:device": "off", "digest": "weekly", "hour": "9", "weekday": "4",
            "quiet": "1", "quiet_from": "21:30", "quiet_until": "06:00", "urgent_passes": "1",
            "language": "en", "time_zone": "Asia/Tokyo"}  # fmt: skip
    kept = public.post("/my/notices/ways", headers=his, data=form, follow_redirects=False)
    assert kept.headers["location"] == "/my/notices/ways?kept=1"
    page = public.get("/my/notices/ways", headers=his).text
    assert 'value="21:30"' in page
    assert 'value="off" selected' in page
    bad = public.post("/my/notices/ways", headers=his, data={**form, "time_zone": "Mars/X"})
    assert bad.status_code == 400
    assert "Mars/X" in bad.text
    hook = {"kind": "slack", "name": "S", "url": "https://127.0.0.1/services/x"}
    refused = public.post("/my/notices/webhooks", headers=his, data=hook)
    assert refused.status_code == 400
    tested = public.post("/my/notices/ways/mail/test", headers=his)
    assert "メールがテストを受け付けました" in tested.text
    assert len(mails.mails) == 1
    codes = [public.post("/my/notices/ways/mail/test", headers=his).status_code for _ in range(6)]
    assert codes[-1] == 429


def test_the_administrator_sees_what_could_not_leave(town: Town, mails: MailServer) -> None:
    ren = town.add_person("蓮", Role.TELEWORKER)
    boss = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    device = town.enrol("pc", owner=ren)
    town.answer(device, failing=1)
    with town.house.database.read(SYSTEM) as tx:
        mails.refuse = {identity.get_person(tx, ren).email: "550 no such mailbox"}
    _turn(town)
    admin = town.client()
    page = admin.get("/notices?status=dead", headers=boss)
    assert page.status_code == 200
    assert "550 no such mailbox" in page.text
    for sort in ("time", "-state", "state", "person", "-person", "x"):
        assert "550 no such mailbox" in admin.get(f"/notices?sort={sort}", headers=boss).text
    mails.refuse = {}
    admin.post("/notices/again", headers=boss, data={"channel": ""})
    _turn(town)
    assert len(mails.mails) == 1
    new = [f"/notices/channels/new?kind={kind}" for kind in ("teams", "webhook", "slack", "mail")]
    for path in ("/notices", "/notices/channels/mail", *new):
        assert admin.get(path, headers=boss).status_code == 200
    order = {"kind": "slack", "name": "SOC", "url": "https://hooks.slack.com/services/T/B/x",
             "language": "ja", "enabled": "1", "topic": ["security", "report"]}  # fmt: skip
    made = admin.post("/notices/channels", headers=boss, data=order, follow_redirects=False)
    assert made.status_code == 303
    shown = admin.get(made.headers["location"], headers=boss).text
    assert "services/T/B/x" not in shown
    assert shown.count(" checked") >= 3
    bad = admin.post("/notices/channels", headers=boss, data={"kind": "mail", "host": ""})
    assert bad.status_code == 400


def test_a_teleworker_does_not_see_the_queue(town: Town) -> None:
    ren = town.sign_in(town.add_person("蓮", Role.TELEWORKER))
    for path in (
        "/notices",
        "/notices/channels/new",
        "/notices/channels/mail",
        "/api/notices/queue",
    ):
        assert town.client().get(path, headers=ren).status_code == 403
        assert town.client("public").get(path, headers=ren).status_code == 404


def test_the_worker_s_second_thread_knows_its_chores(town: Town) -> None:
    chores = make_outgoing(town.house)
    for chore in chores:
        chore.turn(town.house, 0.0)
    assert [chore.failures for chore in chores] == [0] * len(chores)


def test_whoever_helps_in_a_unit_is_told_of_what_is_silent_there(town: Town) -> None:
    with town.house.database.write(SYSTEM) as tx:
        sales = identity.create_unit(tx, identity.UnitDraft("営業部")).id
        east = identity.create_unit(tx, identity.UnitDraft("東日本"), sales).id
        west = identity.create_unit(tx, identity.UnitDraft("西日本")).id
    people = {name: town.add_person(name) for name in ("蓮", "遥遥", "営業営", "西西西西")}
    whole = town.add_person("全体の担当", Role.SECURITY)
    with town.house.database.write(SYSTEM) as tx:
        identity.place_person(tx, people["蓮"], east)
        for name, unit in (("営業営", sales), ("西西西西", west)):
            identity.set_roles(tx, people[name], [Assignment(Role.CSIRT, unit)])
    for name in ("蓮", "遥遥"):
        town.enrol(f"pc-{name}", owner=people[name])
    town.clock.advance(hours=25)
    outside = service.make_outside(town.house.settings, town.house.box, town.clock)
    with town.house.database.write(SYSTEM) as tx:
        telling.tell_silent(tx)
        telling.tell_silent(tx)
    service.hand_out(town.house.database, outside.zone)
    expected = {whole: {"2"}, people["営業営"]: {"1"}, people["西西西西"]: set[str](),
                people["遥遥"]: set[str]()}  # fmt: skip
    for person, numbers in expected.items():
        page = town.client("public").get("/my/notices", headers=town.sign_in(person)).text
        assert set(re.findall(r"1日以上応答のない端末：(\d+)台", page)) == numbers, person
        assert ('<b class="num">1</b>' in page) is bool(numbers), person  # once a day
