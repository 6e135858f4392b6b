"""Links: the first administrator's, invitations, ways back; each works once and ends."""

import pytest

from sekisho.identity import service
from sekisho.identity.model import Method, Role
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    SekishoError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM
from support.identity_town import SITE, VISIT, Town


def test_links_end_and_work_once(town: Town) -> None:
    with town.database.write(SYSTEM) as tx:
        path = service.issue_first_admin_link(tx)
    assert path is not None
    token = path.removeprefix("/start/")
    profile = {"name": "佐伯", "email": "s@example.jp", "language": "ja"}
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_link_passkey(tx, token, profile, SITE)
    with town.database.read(ANONYMOUS) as tx:
        service.open_link(tx, token)
    town.clock.advance(minutes=61)

    with pytest.raises(NotFoundError), town.database.read(ANONYMOUS) as tx:
        service.open_link(tx, token)
    answer = town.authenticator.create(options)
    with pytest.raises(SekishoError), town.database.write(ANONYMOUS) as tx:
        service.finish_link_passkey(tx, token, handle, answer, "", VISIT)


def test_there_is_one_first_admin(town: Town) -> None:
    with town.database.write(SYSTEM) as tx:
        former = service.issue_first_admin_link(tx)
        path = service.issue_first_admin_link(tx)
    assert former is not None
    assert path is not None
    with pytest.raises(NotFoundError), town.database.read(ANONYMOUS) as tx:
        service.open_link(tx, former.removeprefix("/start/"))
    token = path.removeprefix("/start/")
    begun = []
    for email in ("a@example.jp", "b@example.jp"):
        profile = {"name": "A", "email": email, "language": "ja"}
        with town.database.write(ANONYMOUS) as tx:
            begun.append(service.begin_link_passkey(tx, token, profile, SITE))
    answers = [town.authenticator.create(options) for _, options in begun]
    with town.database.write(ANONYMOUS) as tx:
        service.finish_link_passkey(tx, token, begun[0][0], answers[0], "", VISIT)

    with pytest.raises(NotFoundError), town.database.write(ANONYMOUS) as tx:
        service.finish_link_passkey(tx, token, begun[1][0], answers[1], "", VISIT)
    with town.database.write(SYSTEM) as tx:
        assert service.issue_first_admin_link(tx) is None


def test_a_link_registers_totp_after_a_wrong_first_code(town: Town) -> None:
    with town.database.write(SYSTEM) as tx:
        path = service.issue_first_admin_link(tx)
    assert path is not None
    token = path.removeprefix("/start/")
    profile = {"name": "佐伯", "email": "s@example.jp", "language": "ja"}
    with town.database.write(ANONYMOUS) as tx:
        setup = service.begin_link_totp(tx, town.box, token, profile, SITE)
    assert "<svg" in setup.picture
    assert setup.secret not in repr(setup)

    def confirm(code: str) -> Method:
        return service.try_act(
            town.database,
            ANONYMOUS,
            lambda tx: service.finish_link_totp(tx, town.box, token, setup.handle, code, VISIT),
        ).method

    with pytest.raises(InvalidInputError, match="does not match"):
        confirm("000000")
    assert confirm(town.code(setup.secret)) is Method.TOTP
    with pytest.raises(ConflictError):
        confirm(town.code(setup.secret))


def test_first_codes_are_limited(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        setup = service.begin_totp(tx, town.box, SITE)

    for _ in range(5):
        with pytest.raises(InvalidInputError):
            service.try_act(
                town.database,
                principal,
                lambda tx: service.finish_totp(tx, town.box, setup.handle, "000000"),
            )
    with pytest.raises(ConflictError), town.database.write(principal) as tx:
        service.finish_totp(tx, town.box, setup.handle, town.code(setup.secret))


def test_a_recovery_link_adds_a_way_in_and_ends_sessions(town: Town) -> None:
    former = town.start_admin()
    with town.database.write(SYSTEM) as tx:
        purpose, path = service.issue_admin_link(tx, "SAEKI@example.jp")
    token = path.removeprefix("/start/")
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_link_passkey(tx, token, {}, SITE)
    answer = town.authenticator.create(options)
    with town.database.write(ANONYMOUS) as tx:
        signed_in = service.finish_link_passkey(tx, token, handle, answer, "new", VISIT)

    assert purpose.value == "recovery"
    assert signed_in.person.id == former.person.id
    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_session(tx, former.secret)
    with pytest.raises(NotFoundError), town.database.read(ANONYMOUS) as tx:
        service.open_link(tx, token)


def test_a_link_and_a_handle_belong_together(town: Town) -> None:
    town.start_admin()
    town.add("b@example.jp", Role.ADMIN)
    tokens = []
    for email in ("saeki@example.jp", "b@example.jp"):
        with town.database.write(SYSTEM) as tx:
            tokens.append(service.issue_admin_link(tx, email)[1].removeprefix("/start/"))
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_link_passkey(tx, tokens[0], {}, SITE)
    answer = town.authenticator.create(options)

    with pytest.raises(ConflictError), town.database.write(ANONYMOUS) as tx:
        service.finish_link_passkey(tx, tokens[1], handle, answer, "", VISIT)


def test_links_of_the_machine_are_made_on_the_machine(town: Town) -> None:
    admin = town.as_person(town.start_admin())

    with pytest.raises(SekishoError, match="machine"), town.database.write(admin) as tx:
        service.issue_admin_link(tx, "saeki@example.jp")
    with pytest.raises(NotFoundError), town.database.write(SYSTEM) as tx:
        service.issue_admin_link(tx, "nobody@example.jp")
    with pytest.raises(ConflictError, match="for whom"), town.database.write(SYSTEM) as tx:
        service.issue_admin_link(tx)
