"""Checkpoints leave by file, mail and time stamp; what fails is tried again and shown."""

import base64
import email
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fakes.clock import FakeClock
from fakes.smtp import running_smtp
from fakes.tsa import running_tsa
from sekisho.evidence import service
from sekisho.evidence.engine.checkpoints import read_line, write_line
from sekisho.evidence.model import Checkpoint, ProblemKind
from sekisho.evidence.sources.destinations import (
    FileDestination,
    MailDestination,
    TimestampDestination,
    open_destinations,
)
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotPermittedError, UnavailableError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings


class Place:
    """A destination that can be out of order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.broken = False
        self.lines: list[bytes] = []

    def send(self, line: bytes) -> None:
        """Keep the line, or fail."""
        if self.broken:
            raise UnavailableError("the share is not mounted")
        self.lines.append(line)


def write(database: Database, box: SecretBox, *places: Place) -> Checkpoint:
    with database.write(SYSTEM) as tx:
        service.record(tx, kind="x.acted", subject="x:1", detail={})
        return service.write_checkpoint(tx, places, box=box)


def test_a_line_comes_back_as_it_left(database: Database, box: SecretBox) -> None:
    made = write(database, box)

    assert read_line(write_line(made)) == made
    assert made.seq == 2  # the key's own record and the act


@pytest.mark.parametrize(
    "change", [{"seq": 9}, {"chain": "0" * 64}, {"id": "ckp_x"}, {"key_id": "0" * 16},
               {"signature": "AAAA"}, {"signature": "%"}, {"public_key": "AAAA"}],
)  # fmt: skip
def test_a_changed_line_is_refused(
    database: Database, box: SecretBox, change: dict[str, object]
) -> None:
    made = write(database, box)

    with pytest.raises(InvalidInputError):
        read_line(write_line(replace(made, **change)))  # type: ignore[arg-type]  # by field name


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"\xff", b"x" * 5000, b'{"at":"now"}', b"null"]
)  # fmt: skip
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_line(line)


def test_a_line_signed_with_another_key_under_this_name_is_refused(
    database: Database, box: SecretBox, sqlite_template: Path, tmp_path: Path
) -> None:
    mine = write(database, box)
    (tmp_path / "o.db").write_bytes(sqlite_template.read_bytes())
    other = Database(f"sqlite:///{tmp_path}/o.db", FakeClock())
    theirs = write(other, box)
    other.close()

    with pytest.raises(InvalidInputError, match="key"):
        read_line(write_line(replace(theirs, key_id=mine.key_id)))


def test_a_key_is_rotated_and_old_checkpoints_still_hold(
    database: Database, box: SecretBox
) -> None:
    first = write(database, box)
    with database.write(SYSTEM) as tx:
        service.rotate_key(tx, box=box)
    second = write(database, box)

    assert first.key_id != second.key_id
    with database.read(SYSTEM) as tx:
        keys = service.list_signing_keys(tx)
        assert [k.retired_at is None for k in keys] == [False, True]
        assert service.verify(tx).sound
        made = service.list_records(tx, kind="evidence.key_made")
    assert made[0].detail is not None
    assert made[0].detail["replaces"] == first.key_id


def test_the_key_lies_sealed_and_another_box_cannot_sign(
    database: Database, box: SecretBox
) -> None:
    write(database, box)

    with pytest.raises(InvalidInputError):
        write(database, SecretBox(bytes(32)))


def test_one_is_due_each_hour_with_records_and_each_day_without(
    database: Database, box: SecretBox, clock: FakeClock
) -> None:
    def due() -> bool:
        with database.write(SYSTEM) as tx:
            service.seal_records(tx)
            return service.write_due_checkpoint(tx, [], box=box) is not None

    assert due()
    assert not due()
    clock.advance(hours=2)
    assert not due(), "nothing new was sealed"
    with database.write(SYSTEM) as tx:
        service.record(tx, kind="x.acted", subject="x:1", detail={})
    assert due()
    clock.advance(hours=25)
    assert due()
    clock.advance(hours=-50)
    assert due(), "a clock that was set back must not silence checkpoints"


def test_a_failure_is_shown_and_tried_again_later(
    database: Database, box: SecretBox, clock: FakeClock
) -> None:
    good, bad = Place("file:/good"), Place("file:/bad")
    bad.broken = True
    made = write(database, box, good, bad)

    report = service.deliver_checkpoints(database, [good, bad])

    assert (report.delivered, dict(report.failed)) == (1, {bad.name: "the share is not mounted"})
    assert service.deliver_checkpoints(database, [good, bad]).failed == {}, "too early"
    with database.read(SYSTEM) as tx:
        states = {s.destination: s for s in service.get_state(tx).destinations}
    assert (states[good.name].waiting, states[good.name].delivered_seq) == (0, made.seq)
    assert (states[bad.name].waiting, str(states[bad.name].error)) == (
        1,
        "the share is not mounted",
    )
    bad.broken = False
    clock.advance(minutes=2)
    assert service.deliver_checkpoints(database, [good, bad]).delivered == 1
    assert good.lines == bad.lines == [write_line(made)]


def test_the_pause_grows_to_an_hour(database: Database, box: SecretBox, clock: FakeClock) -> None:
    bad = Place("file:/bad")
    bad.broken = True
    write(database, box, bad)
    waits: list[float] = []
    last = clock.now()
    for _ in range(60 * 6):
        if service.deliver_checkpoints(database, [bad]).failed:
            waits.append((clock.now() - last) / timedelta(minutes=1))
            last = clock.now()
        clock.advance(minutes=1)

    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_what_waits_for_a_removed_destination_is_dropped(
    database: Database, box: SecretBox
) -> None:
    write(database, box, Place("file:/gone"))

    assert "no longer" in service.deliver_checkpoints(database, []).failed["file:/gone"]
    with database.read(SYSTEM) as tx:
        assert service.get_state(tx).destinations == ()


def test_a_person_may_ask_for_one_and_it_is_recorded(
    database: Database, box: SecretBox, admin: Principal
) -> None:
    with database.write(admin) as tx:
        made = service.write_checkpoint(tx, [], box=box)
        asked = service.list_records(tx, kind="evidence.checkpoint_asked")
    assert [(r.actor, r.seq is not None and r.seq <= made.seq) for r in asked] == [
        ("person:per_admin", True)
    ]
    nobody = Principal(PrincipalKind.PERSON, "per_2", "田中")
    with pytest.raises(NotPermittedError), database.write(nobody) as tx:
        service.write_checkpoint(tx, [], box=box)


def test_a_file_keeps_whole_lines_after_a_torn_one(tmp_path: Path) -> None:
    place = FileDestination(tmp_path / "share" / "points.jsonl")
    place.send(b"one")
    with place.path.open("ab") as file:
        file.write(b"tw")

    place.send(b"two")

    assert place.path.read_bytes() == b"one\ntw\ntwo\n"


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "share").write_text("no folder")

    with pytest.raises(UnavailableError, match="share"):
        FileDestination(tmp_path / "share" / "points.jsonl").send(b"one")


def test_a_checkpoint_arrives_by_mail(database: Database, box: SecretBox) -> None:
    made = write(database, box)
    with running_smtp() as mailbox:
        place = MailDestination("audit@example.jp", f"smtp://127.0.0.1:{mailbox.port}")
        place.send(write_line(made))

        mailbox.refusing = True
        with pytest.raises(UnavailableError, match=r"audit@example\.jp"):
            place.send(write_line(made))

    parsed = email.message_from_string(mailbox.mails[0])
    assert parsed["To"] == "audit@example.jp"
    assert read_line(base64.b64decode(str(parsed.get_payload())).strip()) == made


@pytest.mark.parametrize("server", ["smtp+starttls://127.0.0.1", "smtp://a:b@127.0.0.1"])
def test_a_mail_server_that_does_not_let_us_in_is_hung_up_on(server: str) -> None:
    with running_smtp() as mailbox, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        place = MailDestination("a@example.jp", f"{server}:{mailbox.port}")
        with pytest.raises(UnavailableError):
            place.send(b"{}")
    assert [str(one.message) for one in told if "unclosed" in str(one.message)] == []


@pytest.mark.parametrize("server", ["", "http://mail", "smtp://", "mail.example.jp:25"])
def test_a_mail_server_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(InvalidInputError):
        MailDestination("a@example.jp", server)


def test_a_mail_server_that_is_away_is_said_so() -> None:
    with pytest.raises(UnavailableError, match="mail"):
        MailDestination("a@example.jp", "smtp://127.0.0.1:1").send(b"{}")


def test_a_real_time_stamp_is_kept_and_verified(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    with running_tsa(tmp_path / "tsa") as authority:
        place = TimestampDestination(authority.url)
        with database.write(SYSTEM) as tx:
            service.write_checkpoint(tx, [place], box=box)
        assert service.deliver_checkpoints(database, [place]).delivered == 1
        roots = x509.load_pem_x509_certificates(authority.root.read_bytes())
    with running_tsa(tmp_path / "other") as other:
        wrong = x509.load_pem_x509_certificates(other.root.read_bytes())

    with database.read(SYSTEM) as tx:
        good = service.verify(tx, roots=roots)
        bad = service.verify(tx, roots=wrong)
    assert (good.sound, good.timestamps) == (True, 1)
    assert [p.kind for p in bad.problems] == [ProblemKind.TIMESTAMP_BROKEN]


def test_an_authority_that_stamps_something_else_is_refused(tmp_path: Path) -> None:
    with running_tsa(tmp_path / "tsa") as authority:
        place = TimestampDestination(authority.url)
        old = place.send(b"another line")
        for spoil in (lambda _: old, lambda a: a[:-9], lambda _: b"", lambda _: b"x" * 2_000_000):
            authority.spoil = spoil
            with pytest.raises(UnavailableError, match="gave no token"):
                place.send(b"this line")
        authority.spoil = lambda answer: answer
        first = place.send(b"this line")
        authority.spoil = lambda _: first
        with pytest.raises(UnavailableError, match="another request"):
            place.send(b"this line")


def test_an_authority_that_is_away_is_said_so() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
        TimestampDestination("http://127.0.0.1:1/").send(b"line")


def test_the_settings_name_the_destinations(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path, checkpoint_file="/mnt/a.jsonl, /mnt/b.jsonl", smtp="smtps://mail.example.jp",
        checkpoint_mail="audit@example.jp", checkpoint_tsa="https://tsa.example.jp",
    )  # fmt: skip

    assert [place.name for place in open_destinations(settings)] == [
        f"file:{tmp_path}/checkpoints/checkpoints.jsonl", "file:/mnt/a.jsonl", "file:/mnt/b.jsonl",
        "mail:audit@example.jp", "tsa:https://tsa.example.jp",
    ]  # fmt: skip
