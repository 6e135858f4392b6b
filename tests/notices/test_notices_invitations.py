"""Invitations by mail, against a real mail server: carried, refused, kept, ended."""

import re

import pytest
from sqlalchemy import select

from fakes.mail_server import MailServer, refusing_port, running_mail_server
from notices.conftest import Office
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.identity.store import people
from sekisho.kernel.db import metadata
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import ANONYMOUS, SYSTEM
from sekisho.kernel.secrets import SecretBox
from sekisho.notices import service
from sekisho.notices.model import DeliveryState

_LINK = re.compile(r"https://sekisho\.example\.jp(/start/\S+)")


def _invite(office: Office, name: str = "高橋 遥", email: str = "takahashi@example.jp",
            language: str = "ja") -> str:  # fmt: skip
    with office.database.write(SYSTEM) as tx:
        person = identity.add_person(
            tx, name=name, email=email, language=language, roles=[Role.TELEWORKER]
        )
    _invite_again(office, person.id)
    return person.id


def _invite_again(office: Office, person_id: str) -> str:
    with office.database.write(SYSTEM) as tx:
        return identity.issue_invite_link(tx, person_id, office.box)


def _post(office: Office) -> int:
    with office.database.write(SYSTEM) as tx:
        service.tell_newcomers(tx, "株式会社みなと")
    service.hand_out(office.database, office.outside.zone)
    return office.send()


def _mailing(office: Office, person_id: str) -> service.Mailing:
    with office.database.read(SYSTEM) as tx:
        dossier = identity.read_dossier(tx, person_id)
        return service.read_mailing(tx, person_id, dossier.invitation_id)


def _links(server: MailServer) -> list[str]:
    texts = [mail.get_body(("plain",)) for mail in server.mails]
    return [_LINK.findall(str(part.get_content()))[0] for part in texts if part is not None]


def _opens(office: Office, path: str) -> bool:
    with office.database.read(ANONYMOUS) as tx:
        try:
            identity.open_link(tx, path.removeprefix("/start/"))
        except NotFoundError:
            return False
    return True


@pytest.mark.parametrize(
    ("language", "subject", "words"),
    [("ja", "株式会社みなとからSekishoへの招待", "まで1回だけ"),
     ("en", "株式会社みなと invites you to Sekisho", "works once, until")],
)  # fmt: skip
def test_an_invitation_is_mailed_with_a_link_that_works_and_its_end(
    office: Office, language: str, subject: str, words: str
) -> None:
    with running_mail_server() as server:
        office.set_mail(server.port)
        person = _invite(office, language=language)
        assert _post(office) == 1
        assert _post(office) == 0
    (mail,) = server.mails
    part = mail.get_body(("plain",))
    assert part is not None
    assert mail["Subject"] == subject
    assert mail["To"].addresses[0].addr_spec == "takahashi@example.jp"
    assert words in str(part.get_content())
    assert _opens(office, _links(server)[0])
    assert _mailing(office, person).state is DeliveryState.SENT


def test_the_link_is_kept_nowhere(office: Office) -> None:
    with running_mail_server() as server:
        office.set_mail(server.port)
        person = _invite(office)
        _post(office)
    token = _links(server)[0].removeprefix("/start/")
    with office.database.read(SYSTEM) as tx:
        tables = (metadata.tables["notice_posts"], metadata.tables["identity_links"])
        kept = [str(tuple(row)) for table in tables for row in tx.rows(select(table))]
        other = SecretBox(b"7" * 32)
        invitation = identity.read_dossier(tx, person).invitation_id
        assert identity.open_invitation(tx, other, invitation) is None
    assert kept
    assert not [row for row in kept if token in row]


def test_a_new_invitation_ends_the_one_before(office: Office) -> None:
    with running_mail_server() as server:
        office.set_mail(server.port)
        person = _invite(office)
        _post(office)
        _invite_again(office, person)
        assert _post(office) == 1
    first, second = _links(server)
    assert not _opens(office, first)
    assert _opens(office, second)


def test_a_mail_server_that_is_down_gets_it_later(office: Office) -> None:
    with refusing_port() as port:
        office.set_mail(port)
        person = _invite(office)
        assert _post(office) == 0
    waiting = _mailing(office, person)
    assert waiting.state is DeliveryState.WAITING
    assert waiting.fault is not None

    with running_mail_server() as server:
        office.set_mail(server.port)
        office.clock.advance(hours=1)
        assert _post(office) == 1
    assert _opens(office, _links(server)[0])


def test_what_was_withdrawn_or_ended_before_it_could_be_sent_is_not_sent(office: Office) -> None:
    with refusing_port() as port:
        office.set_mail(port)
        withdrawn = _invite(office)
        late = _invite(office, "佐伯 航", "saeki@example.jp")
        _post(office)
    with office.database.write(SYSTEM) as tx:
        identity.revoke_invitation(tx, withdrawn)
    office.clock.advance(days=4)

    with running_mail_server() as server:
        office.set_mail(server.port)
        assert _post(office) == 0
    assert server.mails == []
    with office.database.read(SYSTEM) as tx:
        dead = service.list_queue(tx, service.QueueWish(DeliveryState.DEAD)).deliveries
    assert {delivery.person_id for delivery in dead} == {withdrawn, late}


def test_an_address_that_the_server_refuses_is_said_on_the_page(office: Office) -> None:
    with running_mail_server() as server:
        server.refuse["takahashi@example.jp"] = "550 5.1.1 no such mailbox"
        office.set_mail(server.port)
        person = _invite(office)
        assert _post(office) == 0
    mailing = _mailing(office, person)
    assert mailing.state is DeliveryState.DEAD
    assert mailing.fault is not None
    assert "550" in str(mailing.fault.message)


def test_another_address_ends_the_link_that_went_to_the_former(office: Office) -> None:
    with running_mail_server() as server:
        office.set_mail(server.port)
        person = _invite(office)
        _post(office)
        with office.database.write(SYSTEM) as tx:
            identity.change_profile(
                tx, person, version=1, name="高橋 遥", email="haruka@example.jp", language="ja",
                manager_id=None,
            )  # fmt: skip
        assert not _opens(office, _links(server)[0])


def test_an_invitation_lies_in_no_inbox_and_goes_to_nobody_who_is_in(office: Office) -> None:
    active = office.add("haruka")
    with running_mail_server() as server:
        office.set_mail(server.port)
        person = _invite(office)
        with office.database.write(SYSTEM) as tx:
            service.tell_newcomers(tx, "")
        with office.database.write(SYSTEM) as tx:
            people.activate_person(tx, PersonID(person))
        service.hand_out(office.database, office.outside.zone)
        assert office.send() == 0
    assert server.mails == []
    with office.database.read(active) as tx:
        assert service.count_unread(tx, active) == 0


def test_without_a_mail_server_the_page_can_say_so(office: Office) -> None:
    person = _invite(office)
    _post(office)
    assert _mailing(office, person) == service.Mailing(ready=False)
