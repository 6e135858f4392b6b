"""What is queued is kept with the act, told once, and never leads away from our own pages."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.principal import SYSTEM
from sekisho.notices.model import TOPIC_OF_KIND, Holders, Kind, NewNotice, People, Urgency
from sekisho.notices.service import queue_notice, queue_notices
from sekisho.notices.store import posts

TITLE = {"ja": "直すことがあります", "en": "Something to fix"}
BODY = {"ja": "画面ロックがオフです。", "en": "The screen lock is off."}


def _new(key: str = "", link: str = "") -> NewNotice:
    return NewNotice(
        People(["per_a", "per_b"]), Kind.DEVICE_FAILS, "device:dev_1", TITLE, BODY, link=link,
        dedupe_key=key,
    )  # fmt: skip


def test_a_notice_is_kept_with_its_act(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        queue_notice(
            tx,
            to=Holders("findings.write"),
            kind=Kind.DEVICE_CLONE,
            subject="device:dev_1",
            title=msg("My devices"),
            body=BODY,
            urgency=Urgency.URGENT,
            link="/devices/dev_1",
        )
    with database.read(SYSTEM) as tx:
        (found,) = posts.list_open(tx, 10)
    assert (found.reach, found.cursor) == (Holders("findings.write"), "")
    assert (found.post.kind, found.post.urgency) == (Kind.DEVICE_CLONE, Urgency.URGENT)
    assert (found.post.title, found.post.body) == (Text("My devices"), BODY)


def test_an_act_that_fails_tells_nobody(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write(SYSTEM) as tx:
        queue_notices(tx, [_new()])
        raise RuntimeError
    with database.read(SYSTEM) as tx:
        assert posts.list_open(tx, 10) == []


def test_the_same_key_is_told_once(database: Database) -> None:
    for _ in range(2):
        with database.write(SYSTEM) as tx:
            queue_notices(tx, [_new("k1"), _new("k1"), _new("k2"), _new(), _new()])
    with database.read(SYSTEM) as tx:
        assert len(posts.list_open(tx, 100)) == 2 + 4


@pytest.mark.parametrize(
    "link", ["https://evil.example/", "//evil.example", "my", "/\n", "/" * 501]
)
def test_a_link_away_from_our_pages_is_refused(link: str) -> None:
    with pytest.raises(InvalidInputError):
        _new(link=link)


def test_every_kind_has_a_topic() -> None:
    assert set(TOPIC_OF_KIND) == set(Kind)


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.text()
        | st.integers()
        | st.datetimes(timezones=st.just(UTC))
        | st.builds(Text, st.text()),
    )
)
def test_sayings_are_kept_as_they_were(params: dict[str, object]) -> None:
    saying = Text(
        "%(what)s", {**params, "inner": Text("x", {"at": datetime(2026, 1, 1, tzinfo=UTC)})}
    )
    assert posts.unpack_saying(posts.pack_saying(saying)) == saying
