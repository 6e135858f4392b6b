"""People, tokens and sessions: nobody gains rights, nobody is locked out by mistake."""

from datetime import timedelta

import pytest

from sekisho.identity import service
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from support.identity_town import SITE, VISIT, Town


def _invite(town: Town, by: Principal, *roles: str, email: str = "haruka@example.jp") -> str:
    with town.database.write(by) as tx:
        person = service.invite_person(tx, name="高橋 遥", email=email, language="ja", roles=roles)
        return service.issue_invite_link(tx, person.id)


def test_an_invited_person_comes_in_by_their_link(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    token = _invite(town, admin, "teleworker").removeprefix("/start/")
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_link_passkey(tx, token, {}, SITE)
    answer = town.authenticator.create(options)
    with town.database.write(ANONYMOUS) as tx:
        signed_in = service.finish_link_passkey(tx, token, handle, answer, "", VISIT)

    assert signed_in.person.state is PersonState.ACTIVE
    assert signed_in.person.roles == {Role.TELEWORKER}
    assert town.enter_passkey().person.email == "haruka@example.jp"
    with pytest.raises(ConflictError), town.database.write(admin) as tx:
        service.issue_invite_link(tx, signed_in.person.id)


def test_whoever_lacks_the_right_invites_nobody(town: Town) -> None:
    town.start_admin()
    for roles in ([Role.SECURITY], [Role.AUDITOR], [Role.TELEWORKER], []):
        person = town.add(f"p{len(roles)}{''.join(roles)}@example.jp", *roles)
        with pytest.raises(NotPermittedError):
            _invite(town, town.principal(person), "teleworker")
    with pytest.raises(UnauthenticatedError):
        _invite(town, ANONYMOUS, "teleworker")


def test_nobody_gives_more_than_they_have(town: Town) -> None:
    town.start_admin()
    person = town.add("clerk@example.jp")
    clerk = Principal(
        PrincipalKind.PERSON, person.id, "c", frozenset({"identity.*", "self.read", "self.write"}),
        "ses_1", town.clock.now(),
    )  # fmt: skip
    with town.database.read(SYSTEM) as tx:
        admin = service.find_person_by_email(tx, "saeki@example.jp")
    assert admin is not None
    with pytest.raises(NotPermittedError, match="rights you do not have"):
        _invite(town, clerk, "admin")
    with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
        service.disable_person(tx, admin.id)
    with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
        service.change_roles(tx, person.id, ["security"])
    assert _invite(town, clerk, "teleworker").startswith("/start/")


def test_the_last_admin_stays(town: Town) -> None:
    signed_in = town.start_admin()
    admin = town.as_person(signed_in)
    town.add("second@example.jp", Role.ADMIN)  # cannot sign in yet, so does not count

    with pytest.raises(ConflictError, match="last administrator"), town.database.write(admin) as tx:
        service.disable_person(tx, signed_in.person.id)
    with pytest.raises(ConflictError), town.database.write(admin) as tx:
        service.set_roles(tx, signed_in.person.id, [])
    with town.database.write(SYSTEM) as tx:
        assert service.change_roles(tx, signed_in.person.id, ["admin", "auditor"]).roles == {
            Role.ADMIN, Role.AUDITOR,
        }  # fmt: skip


def test_nobody_gives_roles_to_themselves(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    by_token = Principal(PrincipalKind.TOKEN, "tok_1", "ci", frozenset({"*"}), owner_id=admin.id)
    for principal in (admin, by_token):
        with (
            pytest.raises(NotPermittedError, match="themselves"),
            town.database.write(principal) as tx,
        ):
            service.change_roles(tx, admin.id, ["admin", "trainer"])


def test_a_change_of_roles_ends_the_sessions(town: Town) -> None:
    signed_in = town.start_admin()
    other = town.principal(town.add("second@example.jp", Role.ADMIN))
    with town.database.write(other) as tx:
        service.change_roles(tx, signed_in.person.id, ["admin", "security"])

    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_session(tx, signed_in.secret)
    assert "identity.roles_changed" in town.kinds()


def test_the_last_way_in_stays(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.read(principal) as tx:
        only = service.list_factors(tx).passkeys[0].id

    with pytest.raises(ConflictError, match="last way"), town.database.write(principal) as tx:
        service.remove_passkey(tx, only)
    with pytest.raises(NotFoundError), town.database.write(principal) as tx:
        service.remove_totp(tx)
    with town.database.write(principal) as tx:
        handle, options = service.begin_passkey(tx, SITE)
        service.finish_passkey(tx, handle, town.authenticator.create(options), "")
        service.remove_passkey(tx, only)
        left = service.list_factors(tx).passkeys
    assert [key.label for key in left] == ["Passkey"]


def test_a_person_touches_only_what_is_theirs(town: Town) -> None:
    admin = town.start_admin()
    other = town.principal(town.add("b@example.jp", Role.TELEWORKER))
    with town.database.read(town.as_person(admin)) as tx:
        passkey = service.list_factors(tx).passkeys[0].id

    with pytest.raises(NotFoundError), town.database.write(other) as tx:
        service.remove_passkey(tx, passkey)
    with pytest.raises(NotFoundError), town.database.write(other) as tx:
        service.end_session(tx, admin.session_id)
    with town.database.write(town.as_person(admin)) as tx:
        handle, options = service.begin_passkey(tx, SITE)
    with pytest.raises(ConflictError), town.database.write(other) as tx:
        service.finish_passkey(tx, handle, town.authenticator.create(options), "")


def test_changes_need_a_recent_proof(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    town.clock.advance(minutes=16)

    with pytest.raises(service.StepUpNeededError), town.database.write(principal) as tx:
        service.begin_passkey(tx, SITE)
    with pytest.raises(service.StepUpNeededError), town.database.write(principal) as tx:
        service.make_recovery_codes(tx, town.box)
    with pytest.raises(service.StepUpNeededError):
        _invite(town, principal, "teleworker")


def test_a_token_cannot_make_itself_at_home(town: Town) -> None:
    town.start_admin()
    token = Principal(PrincipalKind.TOKEN, "tok_1", "ci", frozenset({"*"}))

    for act in (
        lambda tx: service.begin_passkey(tx, SITE),
        lambda tx: service.make_recovery_codes(tx, town.box),
        service.list_sessions,
        service.list_tokens,
    ):
        with pytest.raises(NotPermittedError, match="signed in"), town.database.write(token) as tx:
            act(tx)


def test_tokens_have_a_name_an_end_and_no_excess(town: Town) -> None:
    town.start_admin()
    person = town.principal(town.add("aud@example.jp", Role.AUDITOR))
    now = town.clock.now()
    for label, scopes, end in (
        ("", ["devices.read"], 1),
        ("x" * 101, ["devices.read"], 1),
        ("x", [], 1),
        ("x", ["devices.read"], 0),
        ("x", ["devices.read"], 367),
    ):
        with pytest.raises(InvalidInputError), town.database.write(person) as tx:
            service.make_token(tx, label=label, scopes=scopes, ends_at=now + timedelta(days=end))
    with pytest.raises(NotPermittedError), town.database.write(person) as tx:
        service.make_token(tx, label="x", scopes=["devices.write"], ends_at=now + timedelta(days=1))
    with town.database.write(person) as tx:
        token, secret = service.make_token(
            tx, label="x", scopes=["devices.read"], ends_at=now + timedelta(days=1)
        )
    assert secret.startswith("sks_")
    with town.database.write(person) as tx:
        service.revoke_token(tx, token.id)
    with pytest.raises(NotFoundError), town.database.write(person) as tx:
        service.revoke_token(tx, token.id)
    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_token(tx, secret)


def test_signing_out_everywhere_else_keeps_this_one(town: Town) -> None:
    first = town.start_admin()
    second = town.enter_passkey()
    with town.database.write(town.as_person(second)) as tx:
        assert len(service.list_sessions(tx)) == 2
        assert service.end_other_sessions(tx) == 1

    with town.database.read(SYSTEM) as tx:
        assert service.admit_session(tx, second.secret).session is not None
    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_session(tx, first.secret)


def test_what_has_ended_is_forgotten(town: Town) -> None:
    signed_in = town.start_admin()
    town.clock.advance(days=9)
    with town.database.write(SYSTEM) as tx:
        service.forget_ended(tx)

    with town.database.read(town.as_person(signed_in)) as tx:
        assert list(service.list_sessions(tx)) == []


@pytest.mark.parametrize(
    ("name", "email", "language", "roles"),
    [
        ("", "a@example.jp", "ja", ["teleworker"]),
        ("a\x00", "a@example.jp", "ja", ["teleworker"]),
        ("x" * 201, "a@example.jp", "ja", ["teleworker"]),
        ("A", "a", "ja", ["teleworker"]),
        ("A", "a@b", "ja", ["teleworker"]),
        ("A", "a b@example.jp", "ja", ["teleworker"]),
        ("A", "@example.jp", "ja", ["teleworker"]),
        ("A", "a@" + "x" * 260 + ".jp", "ja", ["teleworker"]),
        ("A", "a@example.jp", "fr", ["teleworker"]),
        ("A", "a@example.jp", "ja", ["root"]),
        ("A", "a@example.jp", "ja", []),
    ],
)
def test_bad_fields_are_named(
    town: Town, name: str, email: str, language: str, roles: list[str]
) -> None:
    admin = town.as_person(town.start_admin())

    with pytest.raises(InvalidInputError), town.database.write(admin) as tx:
        service.invite_person(tx, name=name, email=email, language=language, roles=roles)


def test_an_address_belongs_to_one_person(town: Town) -> None:
    admin = town.as_person(town.start_admin())

    with pytest.raises(ConflictError, match="already"):
        _invite(town, admin, "teleworker", email="SAEKI@example.jp")


def test_people_are_listed_and_searched(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    _invite(town, admin, "teleworker")
    town.add("100%_sure@example.jp")
    with town.database.read(admin) as tx:
        assert service.count_people(tx) == 3
        assert [p.name for p in service.list_people(tx, search="高橋")] == ["高橋 遥"]
        assert len(service.list_people(tx, search="%_")) == 1
        assert service.list_people(tx, limit=1, offset=3) == []
    with pytest.raises(UnauthenticatedError), town.database.read(ANONYMOUS) as tx:
        service.list_people(tx)


def test_a_language_is_kept(town: Town) -> None:
    signed_in = town.start_admin()
    with town.database.write(town.as_person(signed_in)) as tx:
        service.change_language(tx, "en")
        assert service.get_person(tx, signed_in.person.id).language == "en"
    with pytest.raises(NotFoundError), town.database.read(SYSTEM) as tx:
        service.get_person(tx, "per_nobody")
