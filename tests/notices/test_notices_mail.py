"""Mail against a real server: what arrives, and what is said and kept when it does not."""

from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from fakes.mail_server import refusing_port, running_mail_server
from fakes.tls import Credentials, issue_for_loopback
from notices.conftest import Office
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.i18n import translate
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service
from sekisho.notices.engine.retrying import GIVE_UP_AFTER
from sekisho.notices.model import Delivery, DeliveryState, Fault, Kind, People, Urgency
from sekisho.notices.service.queue import QueueWish


def _queue(office: Office, state: DeliveryState | None = None) -> list[Delivery]:
    with office.database.read(SYSTEM) as tx:
        return service.list_queue(tx, QueueWish(state)).deliveries


def _text(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_mail_arrives_over_starttls_with_a_password(
    office: Office, credentials: Credentials
) -> None:
    haruka = office.add("高橋 遥", email="takahashi@example.jp")
    with running_mail_server(credentials, starttls=True, password=True) as server:
        office.set_mail(server.port, "starttls", ca=credentials.authority, user="sekisho",
                        password="hiraku-goma", from_name="関所")  # fmt: skip
        office.tell(haruka.id, urgency=Urgency.URGENT)
        assert office.send() == 1
        assert office.send() == 0

    (mail,) = server.mails
    assert mail["Subject"] == "【至急】直すことが1つあります"
    assert mail["To"].addresses[0].display_name == "高橋 遥"
    assert str(mail["From"]) == "関所 <sekisho@example.jp>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(mail["Date"]) == office.clock.now()
    assert mail.get_content_type() == "multipart/alternative"
    assert "画面ロックがオフです。\n6月3日までに" in _text(mail, "plain")
    assert "https://sekisho.example.jp/my\n" in _text(mail, "plain")
    assert "画面ロックがオフです。<br>" in _text(mail, "html")
    (delivery,) = _queue(office)
    assert delivery.state is DeliveryState.SENT
    assert mail["Message-ID"] == f"<{delivery.id}@example.jp>"


def test_mails_about_one_subject_form_a_thread(office: Office, credentials: Credentials) -> None:
    haruka, ren = office.add("haruka"), office.add("ren")
    with running_mail_server(credentials, tls=True) as server:
        office.set_mail(server.port, "tls", ca=credentials.authority)
        office.tell(haruka.id, ren.id)
        office.tell(haruka.id)
        office.tell(haruka.id, subject="device:dev_2")
        assert office.send() == 4
    threads = [(mail["To"], mail["References"]) for mail in server.mails]
    assert len(set(threads)) == 3
    assert len({mail["Message-ID"] for mail in server.mails}) == 4
    assert server.sessions == 1


@pytest.mark.parametrize(
    ("setup", "message", "hint"),
    [
        ({"security": "starttls"}, "証明書を信頼できません", "認証局"),
        ({"security": "none"}, "530", "STARTTLSを選び"),
        ({"security": "tls"}, "TLSで応答しません", "465"),
        ({"security": "starttls", "ca": "yes", "user": "sekisho", "password": "wrong"},
         "ユーザ名かパスワード", "プログラム用"),
        ({"security": "starttls", "host": "no-such-host.invalid"}, "名前が見つかりません", "綴り"),
    ],
    ids=["untrusted", "wants starttls", "no tls", "password", "dns"],
)  # fmt: skip
def test_a_test_letter_says_plainly_what_failed(
    office: Office, credentials: Credentials, setup: dict[str, str], message: str, hint: str
) -> None:
    with running_mail_server(credentials, starttls=True, password=True) as server:
        trusted = {"ca": credentials.authority} if "ca" in setup else {}
        fault = _try(office, server.port, **{"host": "localhost", **setup, **trusted})
    assert fault is not None
    assert message in translate(fault.message, "ja")
    assert hint in translate(fault.hint, "ja")
    assert server.mails == []


def test_a_refused_connection_and_a_wrong_name_are_told_apart(
    office: Office,
) -> None:
    with refusing_port() as port:
        fault = _try(office, port, security="none", host="127.0.0.1")
    assert fault is not None
    assert f"ポート{port}で接続を拒否" in translate(fault.message, "ja")


def test_a_certificate_for_another_name_is_refused(office: Office, tmp_path: Path) -> None:
    other = issue_for_loopback(tmp_path, "mail.example.jp")
    with running_mail_server(other, tls=True) as server:
        fault = _try(office, server.port, security="tls", host="localhost", ca=other.authority)
    assert fault is not None
    assert "localhost" in translate(fault.message, "en")
    assert server.mails == []


def _try(office: Office, port: int, **setup: str) -> Fault | None:
    channel = office.set_mail(port, **setup)
    reader = identity.Reachable("per_x", "佐伯", "saeki@example.jp", "ja")
    return service.send_test(office.database, office.outside, channel, reader)


def test_a_test_letter_that_arrives_says_nothing_is_wrong(office: Office) -> None:
    with running_mail_server() as server:
        assert _try(office, server.port, security="none") is None
    assert "何もする必要はありません" in _text(server.mails[0], "plain")


def test_while_the_server_is_down_everything_is_kept_and_then_sent(office: Office) -> None:
    people = [office.add(f"p{i}") for i in range(3)]
    with refusing_port() as port:
        office.set_mail(port)
        office.tell(*(person.id for person in people))
        assert office.send() == 0
    assert [d.state for d in _queue(office)] == [DeliveryState.WAITING] * 3
    assert all(d.fault is not None for d in _queue(office))
    assert office.send() == 0  # the channel rests: nobody knocks at once again
    with office.database.read(SYSTEM) as tx:
        (state,) = service.list_channels(tx)
    assert state.channel.failures == 1
    assert state.channel.paused_until is not None
    with running_mail_server() as server:
        office.set_mail(server.port)  # mended
        assert office.send() == 3
    assert len(server.mails) == 3


def test_a_refused_mailbox_is_dead_and_the_others_are_told(office: Office) -> None:
    people = [office.add(name) for name in ("aoi", "ren", "yui")]
    with running_mail_server() as server:
        server.refuse = {"ren@example.jp": "550 5.1.1 no such mailbox",
                         "yui@example.jp": "452 4.2.2 mailbox full"}  # fmt: skip
        office.set_mail(server.port)
        office.tell(*(person.id for person in people))
        assert office.send() == 1
        (dead,) = _queue(office, DeliveryState.DEAD)
        assert dead.fault is not None
        assert "550 5.1.1 no such mailbox" in str(dead.fault.message)
        (waiting,) = _queue(office, DeliveryState.WAITING)
        assert (waiting.tries, waiting.person_id) == (1, people[2].id)
        server.refuse = {}
        with office.database.write(SYSTEM) as tx:
            assert service.send_again(tx) == 1
        assert office.send() == 1
        office.clock.advance(minutes=1)
        assert office.send() == 1
    assert _queue(office, DeliveryState.DEAD) == []
    assert {str(mail["To"].addresses[0].addr_spec) for mail in server.mails} == {
        "aoi@example.jp", "ren@example.jp", "yui@example.jp",
    }  # fmt: skip


def test_a_letter_that_breaks_its_channel_does_not_stand_before_the_others(office: Office) -> None:
    ren, yui = office.add("ren"), office.add("yui")
    with running_mail_server() as server:
        office.set_mail(server.port)
        server.hang_up = True
        office.tell(ren.id)
        assert office.send() == 0
        server.hang_up = False
        office.tell(yui.id)
        office.clock.advance(seconds=90)
        assert office.send() == 2
    assert str(server.mails[0]["To"].addresses[0].addr_spec) == "yui@example.jp"


def test_after_five_days_a_letter_is_dead(office: Office) -> None:
    ren = office.add("ren")
    tries = 0
    with refusing_port() as port:
        office.set_mail(port)
        office.tell(ren.id)
        while not _queue(office, DeliveryState.DEAD):
            office.send()
            office.clock.advance(hours=2)
            tries += 1
            assert tries < 100
    (dead,) = _queue(office, DeliveryState.DEAD)
    assert office.clock.now() - dead.created_at > GIVE_UP_AFTER


def test_a_leaver_is_told_nothing_more(office: Office) -> None:
    boss, ren = office.add("boss", Role.ADMIN), office.add("ren")
    with running_mail_server() as server:
        office.set_mail(server.port)
        office.tell(ren.id, boss.id)
        with office.database.write(SYSTEM) as tx:
            identity.disable_person(tx, ren.id)
        assert office.send() == 1
    assert len(server.mails) == 1
    (dead,) = _queue(office, DeliveryState.DEAD)
    assert dead.person_id == ren.id


def test_hostile_names_and_words_cannot_forge_headers(office: Office) -> None:
    ren = office.add("Ren <b>", email='"x\\"y"@example.jp')
    with running_mail_server() as server:
        office.set_mail(server.port)
        with office.database.write(SYSTEM) as tx:
            service.queue_notice(
                tx, to=People([ren.id]), kind=Kind.REPORT_MADE, subject="report:1",
                title={"ja": "a\r\nBcc: evil@example.com", "en": "a"},
                body={"ja": "<script>alert(1)</script>\r\n.\r\nQUIT", "en": "b"},
            )  # fmt: skip
        service.hand_out(office.database, office.outside.zone)
        assert office.send() == 1
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "a Bcc: evil@example.com"
    assert "<script>" not in _text(mail, "html")
    assert "\u202e" not in str(mail["To"])
