"""Channels: the organisation's mail server and webhooks, and people's own webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
)
from sekisho.kernel.i18n import LANGUAGES, msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import SYSTEM, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.seen import require_unchanged
from sekisho.notices.engine.setup import Wish, check_wish
from sekisho.notices.model import (
    MAIL_CHANNEL,
    Channel,
    ChannelKind,
    DeliveryState,
    Fault,
    Kind,
    Letter,
    Post,
    Topic,
    Urgency,
)
from sekisho.notices.service.sending import Outside, open_carrier, open_secrets, seal_secrets
from sekisho.notices.sources.carrier import SendingError
from sekisho.notices.sources.mail import check_sender
from sekisho.notices.sources.tls import make_context
from sekisho.notices.store import channels, deliveries

MOST_PERSONAL = 5
MOST_TESTS_A_MINUTE = 5
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class ChannelOrder:
    """What a form asks for: ``secrets`` left empty keep what is stored already."""

    kind: ChannelKind
    name: str
    setup: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    topics: frozenset[Topic] = frozenset()
    language: str = "ja"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel and what is on its way by it."""

    channel: Channel
    waiting: int
    dead: int
    sent: int


def list_channels(tx: Transaction) -> list[ChannelState]:
    """List the organisation's channels. Needs ``settings.read``."""
    tx.principal.require("settings.read")
    counts = deliveries.count_by_state(tx)
    return [
        ChannelState(
            channel,
            counts.get((channel.id, DeliveryState.WAITING), 0),
            counts.get((channel.id, DeliveryState.DEAD), 0),
            counts.get((channel.id, DeliveryState.SENT), 0),
        )
        for channel in channels.list_shared(tx)
    ]


def list_own_channels(tx: Transaction) -> list[Channel]:
    """List one's own webhooks. Needs ``self.read``."""
    tx.principal.require("self.read")
    return channels.list_personal(tx, [tx.principal.id])


def get_channel(tx: Transaction, channel_id: str) -> Channel:
    """Return a channel that one may look at: a shared one (``settings.read``) or one's own."""
    found = channels.find_channel(tx, channel_id)
    if found is not None and found.person_id is not None and found.person_id == tx.principal.id:
        tx.principal.require("self.read")
        return found
    tx.principal.require("settings.read")
    if found is None or found.person_id is not None:
        raise NotFoundError(msg("There is no such channel."))
    return found


def get_own_channel(tx: Transaction, channel_id: str) -> Channel:
    """Return one of the ways by which one is told oneself: the mail, or a webhook of one's own."""
    tx.principal.require("self.read")
    found = channels.find_channel(tx, channel_id)
    mine = found is not None and (
        found.kind is ChannelKind.MAIL or found.person_id == tx.principal.id
    )
    if found is None or not mine:
        raise NotFoundError(msg("There is no such channel."))
    return found


def find_channel(tx: Transaction, channel_id: str) -> Channel | None:
    """Return a shared channel, or None. Needs ``settings.read``."""
    tx.principal.require("settings.read")
    found = channels.find_channel(tx, channel_id) if channel_id else None
    return found if found is not None and found.person_id is None else None


def check_test_pace(tx: Transaction) -> None:
    """Count a test; raise RateLimitedError for more than a few a minute by one person."""
    name = f"notices.tests:{tx.principal.id}"
    minute = int(tx.now.timestamp()) // _MINUTE
    before = get_fact(tx, name, [0, 0])
    count = before[1] + 1 if before[0] == minute else 1
    if count > MOST_TESTS_A_MINUTE:
        raise RateLimitedError(
            msg("%(n)s tests a minute are enough.", n=MOST_TESTS_A_MINUTE),
            retry_after_seconds=_MINUTE,
            hint=msg("Wait a minute."),
        )
    set_fact(tx, name, [minute, count])


def set_channel(
    tx: Transaction, box: SecretBox, order: ChannelOrder, channel_id: str = "",
    seen: str | None = None,
) -> Channel:  # fmt: skip
    """Make a shared channel or change one. Needs ``settings.write``, proved recently.

    There is one mail channel, known as ``mail``. Raises InvalidInputError naming what is wrong, and
    ConflictError if the form shows another state than ``seen`` ("" for a channel not there yet).
    """
    _require_write(tx)
    wanted = MAIL_CHANNEL if order.kind is ChannelKind.MAIL else channel_id
    before = channels.find_channel(tx, wanted) if wanted else None
    if before is not None and (before.person_id is not None or before.kind is not order.kind):
        raise ConflictError(msg("A channel cannot become one of another kind."))
    require_unchanged(seen, before.mark if before else "", order.name)
    return _keep(tx, box, order, wanted or new_id("chn"), before, None)


def set_own_channel(tx: Transaction, box: SecretBox, order: ChannelOrder) -> Channel:
    """Add a webhook of one's own: Slack or Teams only, at their known hosts (``self.write``)."""
    tx.principal.require("self.write")
    if tx.principal.kind is not PrincipalKind.PERSON:
        raise InvalidInputError(msg("Only people have notices, choices and reports of their own."))
    if order.kind not in {ChannelKind.SLACK, ChannelKind.TEAMS}:
        raise InvalidInputError(msg("A webhook of your own must be one of Slack or Teams."))
    if len(channels.list_personal(tx, [tx.principal.id])) >= MOST_PERSONAL:
        raise ConflictError(
            msg("You have %(n)s webhooks already.", n=MOST_PERSONAL),
            hint=msg("Remove one first."),
        )
    return _keep(tx, box, order, new_id("chn"), None, tx.principal.id)


def _keep(
    tx: Transaction, box: SecretBox, order: ChannelOrder, channel_id: str,
    before: Channel | None, person_id: str | None,
) -> Channel:  # fmt: skip
    stored = open_secrets(before, box) if before else {}
    secrets = {**stored, **{name: value for name, value in order.secrets.items() if value}}
    checked = check_wish(
        Wish(order.kind, order.name, order.setup, secrets, order.language, LANGUAGES),
        personal=person_id is not None,
    )
    if order.kind is ChannelKind.MAIL:
        check_sender(checked.setup["from"])
    make_context(checked.setup.get("ca", ""))
    channel = Channel(
        id=channel_id,
        kind=order.kind,
        name=checked.name,
        person_id=person_id,
        setup=checked.setup,
        sealed=seal_secrets(box, channel_id, checked.secrets),
        topics=order.topics,
        language=order.language,
        enabled=order.enabled,
        created_at=before.created_at if before else tx.now,
        worked_at=before.worked_at if before else None,
    )
    (channels.replace_channel if before else channels.insert_channel)(tx, channel)
    _record(tx, "notice.channel_changed" if before else "notice.channel_added", channel)
    return channel


def remove_channel(tx: Transaction, channel_id: str) -> None:
    """Remove a channel with what waits for it: one's own, or a shared one (``settings.write``)."""
    found = channels.find_channel(tx, channel_id)
    if found is not None and found.person_id is not None and found.person_id == tx.principal.id:
        tx.principal.require("self.write")
    else:
        _require_write(tx)
        if found is None or found.person_id is not None:
            raise NotFoundError(msg("There is no such channel."))
    channels.delete_channel(tx, channel_id)
    _record(tx, "notice.channel_removed", found)


def retry_channel(tx: Transaction, channel_id: str) -> None:
    """Let a paused channel try again at once. Needs ``notices.write``."""
    tx.principal.require("notices.write")
    found = channels.find_channel(tx, channel_id)
    if found is None:
        raise NotFoundError(msg("There is no such channel."))
    channels.replace_channel(tx, replace(found, paused_until=None))


def send_test(
    database: Database, outside: Outside, channel: Channel, reader: identity.Reachable
) -> Fault | None:
    """Send one test letter now, past queue and quiet hours; return what failed, in plain words.

    The caller has read the channel with ``get_channel``, which checks the right.
    """
    post = Post(
        id=new_id("ntc"),
        kind=Kind.NOTICE_TEST,
        subject=f"channel:{channel.id}",
        title=msg("Test: notices of Sekisho arrive here"),
        body=msg("Somebody pressed “Send a test” for this channel. Nothing needs to be done."),
        urgency=Urgency.NORMAL,
        link="/my/notices",
        created_at=outside.clock.now(),
    )
    language = reader.language if channel.kind is ChannelKind.MAIL else channel.language
    letter = Letter(post.id, "", language, (post,), reader.email, reader.name, zone=outside.zone)
    try:
        with open_carrier(channel, outside) as carrier:
            carrier.send(letter)
    except SendingError as error:
        _note_test(database, channel, error.failure.fault)
        return error.failure.fault
    _note_test(database, channel, None)
    return None


def _note_test(database: Database, channel: Channel, fault: Fault | None) -> None:
    with database.write(SYSTEM) as tx:
        if fault is None:
            channels.note_success(tx, channel.id)
        else:
            channels.note_failure(tx, channel.id, fault, channel.failures + 1, tx.now)


def _require_write(tx: Transaction) -> None:
    tx.principal.require("settings.write")
    if tx.principal.kind is PrincipalKind.PERSON:
        identity.require_recent(tx)


def _record(tx: Transaction, kind: str, channel: Channel) -> None:
    evidence.record(
        tx,
        kind=kind,
        subject=f"channel:{channel.id}",
        detail={
            "kind": channel.kind.value,
            "name": channel.name,
            "enabled": channel.enabled,
            "setup": {k: v for k, v in channel.setup.items() if k != "ca"},
            "topics": sorted(channel.topics),
        },
        person=channel.person_id,
    )
