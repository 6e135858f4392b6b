"""Webhooks against servers that behave as Slack and Teams do, and places out of bounds."""

import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.hook_server import HookServer, running_hook_server
from fakes.tls import Credentials
from notices.conftest import HOUSE, TITLE, Office
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.errors import InvalidInputError, NotPermittedError
from sekisho.kernel.i18n import translate
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service
from sekisho.notices.engine import wording
from sekisho.notices.model import (
    Channel,
    ChannelKind,
    DeliveryState,
    Holders,
    Kind,
    Letter,
    Post,
    Topic,
    Urgency,
)
from sekisho.notices.service.channels import ChannelOrder
from sekisho.notices.service.queue import QueueWish
from sekisho.notices.sources.carrier import SendingError
from sekisho.notices.sources.guard import find_target, is_public
from sekisho.notices.sources.hooks import read_retry_after

SECRET = "a-secret-of-24-letters!!"
PATHS = {
    ChannelKind.SLACK: "/services/T0/B0/key",
    ChannelKind.TEAMS: "/powerautomate/automations/direct/workflows/1/triggers/manual?sig=key",
    ChannelKind.WEBHOOK: "/own",
}


def _set(
    office: Office, hooks: HookServer, credentials: Credentials, kind: ChannelKind,
    path: str = "", topics: frozenset[Topic] = frozenset(), **setup: str,
) -> Channel:  # fmt: skip
    secrets = {"url": hooks.url(path or PATHS[kind])}
    if kind is ChannelKind.WEBHOOK:
        secrets["secret"] = SECRET
    order = ChannelOrder(kind, f"#{kind}", {"ca": credentials.authority, **setup}, secrets, topics)
    return office.set(order)


def _tell_security(office: Office, count: int = 1) -> None:
    for number in range(count):
        office.tell(reach=Holders("findings.write"), kind=Kind.DEVICE_CLONE,
                    subject=f"device:{number}")  # fmt: skip


@pytest.mark.parametrize("kind", list(PATHS))
def test_a_shared_channel_gets_what_a_role_is_told(
    office: Office, credentials: Credentials, kind: ChannelKind
) -> None:
    office.add("佐伯", Role.ADMIN)
    with running_hook_server(credentials) as hooks:
        _set(office, hooks, credentials, kind)
        _tell_security(office)
        assert office.send() == 1
    (request,) = hooks.received
    assert request.headers["host"] == f"localhost:{hooks.port}"
    assert request.path == PATHS[kind]
    assert "直すことが1つあります" in json.dumps(request.message, ensure_ascii=False)


def test_a_person_is_not_named_in_a_shared_channel(
    office: Office, credentials: Credentials
) -> None:
    ren = office.add("ren")
    with running_hook_server(credentials) as hooks:
        _set(office, hooks, credentials, ChannelKind.SLACK)
        office.tell(ren.id)
        assert office.send() == 0
    assert hooks.received == []


def test_a_channel_gets_only_its_topics(office: Office, credentials: Credentials) -> None:
    with running_hook_server(credentials) as hooks:
        _set(office, hooks, credentials, ChannelKind.SLACK, topics=frozenset({Topic.EXCEPTION}))
        _tell_security(office)
        assert office.send() == 0


def test_our_own_webhook_is_signed_and_keeps_its_id(
    office: Office, credentials: Credentials
) -> None:
    with running_hook_server(credentials) as hooks:
        hooks.answers = [(503, {}, "busy")]
        _set(office, hooks, credentials, ChannelKind.WEBHOOK)
        _tell_security(office)
        assert office.send() == 0
        office.clock.advance(minutes=3)
        assert office.send() == 1
    first, second = hooks.received
    assert first.headers["x-sekisho-id"] == second.headers["x-sekisho-id"]
    seconds, mark = (
        part.split("=")[1] for part in second.headers["x-sekisho-signature"].split(",")
    )
    expected = hmac.digest(SECRET.encode(), f"{seconds}.".encode() + second.body, "sha256").hex()
    assert mark == expected
    assert second.message["notices"][0]["kind"] == "device.clone_suspected"


def test_the_wait_that_slack_asks_for_is_kept(office: Office, credentials: Credentials) -> None:
    with running_hook_server(credentials) as hooks:
        hooks.answers = [(429, {"Retry-After": "600"}, "rate_limited")]
        _set(office, hooks, credentials, ChannelKind.SLACK)
        _tell_security(office, 2)
        assert office.send() == 0
        office.clock.advance(seconds=599)
        assert office.send() == 0
        assert len(hooks.received) == 1
        office.clock.advance(seconds=2)
        assert office.send() == 2


def test_many_at_once_become_few_messages_and_pauses(
    office: Office, credentials: Credentials
) -> None:
    with running_hook_server(credentials) as hooks:
        _set(office, hooks, credentials, ChannelKind.SLACK)
        _tell_security(office, 90)
        assert office.send() == 90
    assert [len(r.message["blocks"]) for r in hooks.received] == [41, 41, 11]
    assert office.pauses == [1.1, 1.1, 0]


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (404, "no_service", "作り直し"),
        (410, "channel_is_archived", "作り直し"),
        (302, "", "転送先"),
        (500, "rollup_error", "相手側の障害"),
    ],
)
def test_a_webhook_that_fails_is_kept_and_explained(
    office: Office, credentials: Credentials, status: int, said: str, hint: str
) -> None:
    with running_hook_server(credentials) as hooks:
        hooks.answers = [(status, {"Location": "https://192.0.2.1/"}, said)]
        channel = _set(office, hooks, credentials, ChannelKind.SLACK)
        reader = identity.Reachable("per_x", "佐伯", "", "ja")
        fault = service.send_test(office.database, office.outside, channel, reader)
        assert fault is not None
        assert f"{status}: {said}" in translate(fault.message, "en")
        assert hint in translate(fault.hint, "ja")
        assert service.send_test(office.database, office.outside, channel, reader) is None


def test_a_message_that_is_refused_is_dead_and_the_channel_lives(
    office: Office, credentials: Credentials
) -> None:
    with running_hook_server(credentials) as hooks:
        hooks.answers = [(400, {}, "invalid_payload")]
        _set(office, hooks, credentials, ChannelKind.SLACK)
        _tell_security(office, 2)
        assert office.send() == 1
    with office.database.read(SYSTEM) as tx:
        page = service.list_queue(tx, QueueWish(DeliveryState.DEAD))
    assert [str(d.fault and d.fault.message) for d in page.deliveries] == [
        "It answered 400: invalid_payload"
    ]


def test_teams_gets_the_card_as_its_workflow_reads_it(
    office: Office, credentials: Credentials
) -> None:
    with running_hook_server(credentials) as hooks:
        _set(office, hooks, credentials, ChannelKind.TEAMS, "/bare/1?sig=key", card="bare")
        _tell_security(office)
        assert office.send() == 1
    assert hooks.received[0].message["type"] == "AdaptiveCard"


def test_a_long_digest_stays_within_what_teams_takes() -> None:
    post = Post("ntc_1", Kind.DEVICE_CLONE, "d", TITLE, {"ja": "長" * 2_900}, Urgency.NORMAL, "",
                datetime(2026, 1, 1, tzinfo=UTC))  # fmt: skip
    letter = Letter("m", "", "ja", (post,) * 40, digest=True)
    assert len(json.dumps(wording.teams_message(letter, HOUSE, wrapped=True)).encode()) < 100_000
    card = wording.teams_message(letter, HOUSE, wrapped=False)
    assert len(json.dumps(card, ensure_ascii=False).encode()) <= 28_672


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0",  # noqa: S104
     "224.0.0.1", "::1", "::", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
     "2002:a00:1::", "ff02::1", "198.18.0.1"],
)  # fmt: skip
def test_no_address_inside_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/x", "https://localhost:8480/people", "https://[::1]/", "https://0/",
     "https://2130706433/", "https://[::ffff:127.0.0.1]/", "https://127.1/"],
)  # fmt: skip
def test_a_webhook_cannot_reach_inside(url: str) -> None:
    with pytest.raises(SendingError) as caught:
        find_target(url, ())
    assert "webhooks_inside" in str(caught.value.failure.fault.hint)


@pytest.mark.parametrize(
    "url",
    ["http://hooks.slack.com/x", "file:///etc/passwd", "https://user:pw@example.jp/", "https://",
     "https://example.jp:0/", "https://example.jp:99999/", "gopher://example.jp", "",
     "https://example.jp/a b", "https://例え.jp/"],
)  # fmt: skip
def test_what_is_no_webhook_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        find_target(url, ("127.0.0.0/8",))


def test_a_place_inside_is_reached_only_if_the_settings_name_it() -> None:
    assert find_target("https://127.0.0.1:1/x?y=1", ("127.0.0.0/8",)).url == (
        "https://127.0.0.1:1/x?y=1"
    )
    assert find_target("https://localhost/", ("localhost",)).host_header == "localhost"


@pytest.mark.parametrize(
    ("kind", "url", "said"),
    [
        (ChannelKind.SLACK, "https://evil.example/services/x", "not where this service"),
        (ChannelKind.SLACK, "https://hooks.slack.com.evil.example/", "not where this service"),
        (ChannelKind.SLACK, "https://hooks.slack.com:8443/", "not where this service"),
        (ChannelKind.TEAMS, "https://contoso.webhook.office.com/webhookb2/1", "no longer works"),
        (ChannelKind.TEAMS, "https://api.powerplatform.com.evil.example/", "not where this"),
        (ChannelKind.WEBHOOK, "https://example.jp/", "one of Slack or Teams"),
    ],
)
def test_a_person_s_own_webhook_goes_to_known_hosts_only(
    office: Office, kind: ChannelKind, url: str, said: str
) -> None:
    ren = office.add("ren")
    order = ChannelOrder(kind, "mine", {}, {"url": url, "secret": SECRET})
    with pytest.raises(InvalidInputError, match=said), office.database.write(ren) as tx:
        service.set_own_channel(tx, office.box, order)


def test_one_s_own_webhook_is_one_s_own(office: Office) -> None:
    ren, yui = office.add("ren"), office.add("yui")
    url = "https://hooks.slack.com/services/T0/B0/abc"
    order = ChannelOrder(ChannelKind.SLACK, "自分のSlack", {}, {"url": url})
    with office.database.write(ren) as tx:
        channel = service.set_own_channel(tx, office.box, order)
    assert channel.sealed is not None
    assert b"abc" not in channel.sealed
    assert "abc" not in repr(channel)
    with office.database.read(yui) as tx:
        assert service.list_own_channels(tx) == []
        with pytest.raises(NotPermittedError):
            service.get_channel(tx, channel.id)
    with pytest.raises(NotPermittedError), office.database.write(yui) as tx:
        service.remove_channel(tx, channel.id)
    with office.database.write(ren) as tx:
        service.remove_channel(tx, channel.id)


@pytest.mark.parametrize("act", ["set", "remove", "again", "list", "queue"])
def test_a_teleworker_does_not_administer(office: Office, act: str) -> None:
    ren = office.add("ren")
    order = ChannelOrder(ChannelKind.SLACK, "x", {}, {"url": "https://hooks.slack.com/x"})
    with pytest.raises(NotPermittedError), office.database.write(ren) as tx:
        if act == "set":
            service.set_channel(tx, office.box, order)
        elif act == "remove":
            service.remove_channel(tx, "mail")
        elif act == "again":
            service.send_again(tx)
        elif act == "list":
            service.list_channels(tx)
        else:
            service.list_queue(tx, QueueWish())


@given(st.text(max_size=40))
def test_any_retry_after_gives_a_wait_or_none(value: str) -> None:
    wait = read_retry_after({"retry-after": value}, datetime(2026, 1, 1, tzinfo=UTC))
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    later = {"retry-after": "Tue, 24 Nov 2026 00:05:00 GMT"}
    assert read_retry_after(later, now) == timedelta(minutes=5)
