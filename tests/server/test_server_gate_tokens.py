"""Cookies and tickets of the gate: good for one, once, in time; nothing else opens."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sekisho.access.model import (
    AccessSession,
    AccessSessionID,
    Door,
    ResourceID,
    ResourceKind,
    Trust,
)
from sekisho.kernel.ids import DeviceID, PersonID
from sekisho.kernel.secrets import SecretBox
from sekisho.server.gate.cookies import CookieKey, make_claims
from sekisho.server.gate.tickets import TicketOffice, digest_asker, make_ticket

NOW = datetime(2026, 11, 24, tzinfo=UTC)
T = NOW.timestamp()
SESSION = AccessSession(
    AccessSessionID("acs_1"), PersonID("per_1"), DeviceID("dev_1"), ResourceID("res_1"),
    ResourceKind.HTTP, Door.DEVICE, "ses_1", "ab", "192.0.2.1", NOW, NOW,
    NOW + timedelta(minutes=15), 1, Trust.MANAGED,
)  # fmt: skip


@pytest.fixture
def key(tmp_path: Path, box: SecretBox) -> CookieKey:
    return CookieKey.load_or_create(tmp_path, box)


def test_the_key_is_kept_sealed_and_found_again(tmp_path: Path, box: SecretBox) -> None:
    first = CookieKey.load_or_create(tmp_path, box)
    second = CookieKey.load_or_create(tmp_path, box)
    assert first.jwks() == second.jwks()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in file.read_bytes()


def test_a_cookie_lives_sixty_seconds_and_never_longer_than_its_decision(key: CookieKey) -> None:
    claims = key.read(key.sign(make_claims(SESSION, "a@example.jp", T)))
    assert claims is not None
    assert claims["exp"] == T + 60
    assert claims["aud"] == "res_1@device"
    assert claims["dev"] == "dev_1"
    short = replace(SESSION, valid_until=NOW + timedelta(seconds=7))
    assert make_claims(short, "", T)["exp"] == T + 7


def test_what_we_did_not_sign_is_no_cookie(key: CookieKey, tmp_path: Path) -> None:
    token = key.sign(make_claims(SESSION, "", T))
    head, body, signature = token.split(".")
    forged = base64.urlsafe_b64encode(
        json.dumps({"iss": "sekisho-gate", "sid": "acs_2"}).encode()
    ).decode().rstrip("=")  # fmt: skip
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    (tmp_path / "other").mkdir()
    other = CookieKey.load_or_create(tmp_path / "other", SecretBox(bytes(32)))
    for wrong in (
        f"{head}.{forged}.{signature}", f"{none}.{body}.", f"{head}.{body}", "", "..", "a.b.c",
        token + "A", other.sign(make_claims(SESSION, "", T)), "é.é.é",
        key.sign({"iss": "somebody else"}),
    ):  # fmt: skip
        assert key.read(wrong) is None


def test_a_ticket_is_taken_once_by_its_asker(box: SecretBox) -> None:
    office = TicketOffice.open(box)
    text = make_ticket(box, "enter", "per_1", "ses_1", digest_asker("mine"), T, "res_1")
    assert office.take(text, "enter", "somebody else's", T) is None
    assert office.take(text, "connect", "mine", T) is None
    ticket = office.take(text, "enter", "mine", T + 1)
    assert ticket is not None
    assert (ticket.person, ticket.sign_in, ticket.resource) == ("per_1", "ses_1", "res_1")
    assert office.take(text, "enter", "mine", T + 2) is None


def test_a_ticket_ends_and_cannot_be_made_up(box: SecretBox) -> None:
    office = TicketOffice.open(box)
    late = make_ticket(box, "enter", "per_1", "ses_1", digest_asker("s"), T, "res_1")
    assert office.take(late, "enter", "s", T + 61) is None
    foreign = make_ticket(
        SecretBox(b"x" * 32), "enter", "per_1", "ses_1", digest_asker("s"), T, "res_1"
    )
    for wrong in (foreign, "", "é", "A" * 5000, late[:-4] + "AAAA"):
        assert office.take(wrong, "enter", "s", T) is None
    unproven = make_ticket(box, "enter", "per_1", "ses_1", digest_asker(""), T, "res_1")
    assert office.take(unproven, "enter", "", T) is None
