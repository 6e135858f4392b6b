"""Whom the agent trusts for the server: the kit's authorities, and public ones where it says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.osquery_server import SECRET, OsqueryServer, TestAuthority
from sekisho.agent.link import Address, Link, LinkError
from support.agent import make_kit

ENROLL = "/api/osquery/enroll"
BODY = {"enroll_secret": SECRET, "host_identifier": "host-1"}


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestAuthority:
    """A public authority: one that this computer trusts for any name."""
    authority = TestAuthority()
    roots = tmp_path / "roots.pem"
    roots.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return authority


@contextmanager
def link_with(server: OsqueryServer, *, public_trust: bool) -> Iterator[Link]:
    kit = replace(make_kit(server), public_trust=public_trust)
    link = Link(Address(kit.server_url, kit.ca_pem, public_trust=kit.public_trust))
    try:
        yield link
    finally:
        link.close()


def test_a_renewal_by_the_same_authority_goes_unnoticed(server: OsqueryServer) -> None:
    with link_with(server, public_trust=False) as link:
        link.post(ENROLL, BODY)
        server.show_certificate_by(server.authority)
        link.close()

        assert link.post(ENROLL, BODY)["node_key"]


def test_a_change_to_a_public_certificate_and_back_goes_unnoticed(
    server: OsqueryServer, public: TestAuthority
) -> None:
    with link_with(server, public_trust=True) as link:
        link.post(ENROLL, BODY)
        for authority in (public, public, server.authority, public):
            server.show_certificate_by(authority)
            link.close()
            assert link.post(ENROLL, BODY)["node_key"]


def test_a_new_process_reaches_a_server_that_changed_while_it_was_off(
    server: OsqueryServer, public: TestAuthority
) -> None:
    server.show_certificate_by(public)
    with link_with(server, public_trust=True) as link:
        assert link.post(ENROLL, BODY)["node_key"]


def test_a_public_certificate_is_refused_where_the_kit_names_no_public_trust(
    server: OsqueryServer, public: TestAuthority
) -> None:
    server.show_certificate_by(public)
    with (
        link_with(server, public_trust=False) as link,
        pytest.raises(LinkError, match="does not trust"),
    ):
        link.post(ENROLL, BODY)
    assert server.taken.enrolments == []


@pytest.mark.usefixtures("public")
def test_an_authority_that_nobody_trusts_is_refused_and_told_nothing(
    server: OsqueryServer,
) -> None:
    server.show_certificate_by(TestAuthority())
    with (
        link_with(server, public_trust=True) as link,
        pytest.raises(LinkError, match="does not trust"),
    ):
        link.post(ENROLL, BODY)
    assert server.taken.enrolments == []


def test_a_public_certificate_for_another_name_is_refused(
    server: OsqueryServer, public: TestAuthority
) -> None:
    server.show_certificate_by(public)
    kit = make_kit(server)
    link = Link(
        Address(kit.server_url.replace("localhost", "127.0.0.1"), kit.ca_pem, public_trust=True)
    )
    with pytest.raises(LinkError, match="does not trust"):
        link.post(ENROLL, BODY)
    link.close()
