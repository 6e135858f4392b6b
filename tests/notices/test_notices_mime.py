"""Mails written by hand are read back by the standard library as they were meant."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notices.conftest import HOUSE
from sekisho.notices.engine.wording import one_line
from sekisho.notices.model import Kind, Letter, Post, Urgency
from sekisho.notices.sources.carrier import SendingError, Way
from sekisho.notices.sources.mail import check_address, write_mail

NOW = datetime(2026, 11, 24, tzinfo=UTC)
WAY = Way({"from": "sekisho@example.jp", "from_name": "関所, “Sekisho”"}, {}, HOUSE)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


def _read(raw: bytes) -> EmailMessage:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def _letter(name: str, title: str, body: str) -> Letter:
    both = {"ja": title, "en": title}
    post = Post("ntc_1", Kind.REPORT_MADE, "r", both, {"ja": body, "en": body}, Urgency.NORMAL,
                "/my", NOW)  # fmt: skip
    return Letter("dlv_1", "thread.1", "ja", (post,), "ren@example.jp", name)


@given(_words, _words, _words)
def test_every_mail_reads_back_as_it_was_meant(name: str, title: str, body: str) -> None:
    raw = write_mail(_letter(name, title, body), WAY, NOW)
    mail = _read(raw)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert not mail.defects
    assert sorted(mail.keys()) == sorted([
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language",
        "X-Auto-Response-Suppress", "In-Reply-To", "References", "MIME-Version", "Content-Type",
    ])  # fmt: skip
    assert str(mail["Subject"]).split() == one_line(title, 150).split()
    assert mail["To"].addresses[0].addr_spec == "ren@example.jp"
    # This library leaves the blank between two encoded words of a phrase (RFC 2047 section 6.2).
    seen = mail["To"].addresses[0].display_name
    assert "".join(seen.split()) == "".join(one_line(name, 100).split())
    assert str(mail["From"].addresses[0].display_name) == "関所, “Sekisho”"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert one_line(title, 150) in plain
    assert html.startswith("<!doctype html>")


@pytest.mark.parametrize(
    "address",
    ["", "ren", "a@b@c", "a b@example.jp", "<a@example.jp>", "a@example.jp\r\nBcc: x@example.jp",
     "a@example.jp,b@example.jp", "@example.jp", "蓮@example.jp"],
)  # fmt: skip
def test_what_is_no_address_gets_no_mail(address: str) -> None:
    with pytest.raises(SendingError) as caught:
        check_address(address)
    assert caught.value.failure.final


@pytest.mark.parametrize("address", ["ren@example.jp", "o'neil+x@mail.example.co.jp"])
def test_addresses_are_kept_as_they_are(address: str) -> None:
    assert check_address(address) == address
