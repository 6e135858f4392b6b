"""What people are told: posts, inbox items, deliveries, channels and what each person prefers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, tzinfo
from enum import StrEnum

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.seen import mark_of

# A sentence that can be said in both languages: a lazy text, or both languages in a mapping.
Saying = Text | Mapping[str, str]

LONGEST_SUBJECT = 300
LONGEST_KEY = 300
LONGEST_LINK = 500
DAYS_OF_WEEK = 7
HOURS_OF_DAY = 24


class Urgency(StrEnum):
    """How soon a notice should be read; urgent ones may pass quiet hours and skip the digest."""

    URGENT = "urgent"
    NORMAL = "normal"
    LOW = "low"


class Topic(StrEnum):
    """What a person chooses by: the kinds of notices that belong together."""

    DEVICE = "device"
    SIGN_IN = "sign_in"
    EXCEPTION = "exception"
    TASK = "task"
    REPORT = "report"
    SECURITY = "security"
    SYSTEM = "system"


WORDS_OF_TOPIC: Mapping[Topic, Text] = {
    Topic.DEVICE: msg("My devices"),
    Topic.SIGN_IN: msg("My sign-ins and keys"),
    Topic.EXCEPTION: msg("Exceptions"),
    Topic.TASK: msg("What I am asked to do"),
    Topic.REPORT: msg("Reports and answers"),
    Topic.SECURITY: msg("What security has to look at"),
    Topic.SYSTEM: msg("About Sekisho itself"),
}


class Kind(StrEnum):
    """Every kind of notice there is; a room that tells something new adds its line here."""

    DEVICE_FAILS = "device.fails"
    DEVICE_FIX_BY = "device.fix_by"
    DEVICE_ENDED = "device.access_ended"
    DEVICE_FINE = "device.fine"
    DEVICE_SILENT = "device.silent"
    DEVICE_CLONE = "device.clone_suspected"
    DEVICE_CERTIFICATE = "device.certificate_ends"
    FILES_ASKED = "device.files_asked"
    IDENTITY_TOKEN = "identity.token_ends"  # noqa: S105 - a kind of notice, no secret
    IDENTITY_CHANGED = "identity.changed"
    INVITATION = "identity.invitation"
    EXCEPTION_ASKED = "exception.asked"
    EXCEPTION_DECIDED = "exception.decided"
    EXCEPTION_ENDS = "exception.ends"
    EXCEPTION_ENDED = "exception.ended"
    SELF_CHECK_ASKED = "self_check.asked"
    SELF_CHECK_REMINDED = "self_check.reminded"
    DOCUMENT_ENDS = "document.ends"
    TASK_ASSIGNED = "task.assigned"
    REPORT_MADE = "report.made"
    REPORT_ANSWERED = "report.answered"
    REPORT_TOLD_MANAGER = "report.told_manager"
    SUPPRESSION_ENDS = "suppression.ends"
    ACCESS_ASKED = "access.asked"
    ACCESS_DECIDED = "access.decided"
    GATE_REFUSED = "gate.refused"
    EVIDENCE_BROKEN = "evidence.verification_failed"
    NOTICE_TEST = "notice.test"


TOPIC_OF_KIND: Mapping[Kind, Topic] = {
    Kind.DEVICE_FAILS: Topic.DEVICE,
    Kind.DEVICE_FIX_BY: Topic.DEVICE,
    Kind.DEVICE_ENDED: Topic.DEVICE,
    Kind.DEVICE_FINE: Topic.DEVICE,
    Kind.DEVICE_SILENT: Topic.SECURITY,
    Kind.DEVICE_CLONE: Topic.SECURITY,
    Kind.DEVICE_CERTIFICATE: Topic.DEVICE,
    Kind.FILES_ASKED: Topic.SECURITY,
    Kind.IDENTITY_TOKEN: Topic.SIGN_IN,
    Kind.IDENTITY_CHANGED: Topic.SIGN_IN,
    Kind.INVITATION: Topic.SIGN_IN,
    Kind.EXCEPTION_ASKED: Topic.EXCEPTION,
    Kind.EXCEPTION_DECIDED: Topic.EXCEPTION,
    Kind.EXCEPTION_ENDS: Topic.EXCEPTION,
    Kind.EXCEPTION_ENDED: Topic.EXCEPTION,
    Kind.SELF_CHECK_ASKED: Topic.TASK,
    Kind.SELF_CHECK_REMINDED: Topic.TASK,
    Kind.DOCUMENT_ENDS: Topic.TASK,
    Kind.TASK_ASSIGNED: Topic.TASK,
    Kind.REPORT_MADE: Topic.SECURITY,
    Kind.REPORT_ANSWERED: Topic.REPORT,
    Kind.REPORT_TOLD_MANAGER: Topic.REPORT,
    Kind.SUPPRESSION_ENDS: Topic.TASK,
    Kind.ACCESS_ASKED: Topic.TASK,
    Kind.ACCESS_DECIDED: Topic.TASK,
    Kind.GATE_REFUSED: Topic.SECURITY,
    Kind.EVIDENCE_BROKEN: Topic.SECURITY,
    Kind.NOTICE_TEST: Topic.SYSTEM,
}


def kinds_of(topic: Topic) -> list[Kind]:
    """Return the kinds that belong to a topic."""
    return [kind for kind, own in TOPIC_OF_KIND.items() if own is topic]


@dataclass(frozen=True, slots=True)
class People:
    """These people are told, each by their own ways."""

    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Holders:
    """Everyone active who has this right is told (``findings.write``), and shared channels.

    ``unit`` is where what happened belongs: those are told, too, who have the right there or in a
    unit above. Without one only those who have it in the whole organisation. ``roles`` narrows to
    those who have the right by one of these roles (empty: by any).
    """

    right: str
    unit: str | None = None
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody invited who has not signed in: told by mail alone, and at once."""

    id: str


Reach = People | Holders | Newcomer


@dataclass(frozen=True, slots=True)
class NewNotice:
    """Something to tell.

    ``subject`` is what it is about (``device:dev_…``; mails about one subject form a thread).
    ``link`` is a path on our own pages. The same ``dedupe_key`` is told once, for ever.
    ``title`` is one short sentence; ``body`` says what is so, why it matters, what to do.
    """

    to: Reach
    kind: Kind
    subject: str
    title: Saying
    body: Saying
    urgency: Urgency = Urgency.NORMAL
    link: str = ""
    dedupe_key: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be kept or would lead away from our own pages."""
        own = not self.link or (self.link.startswith("/") and not self.link.startswith("//"))
        if not own or len(self.link) > LONGEST_LINK or not self.link.isprintable():
            raise InvalidInputError(
                msg("The link of a notice must be a path on our own pages, not %(got)s.",
                    got=self.link[:100])
            )  # fmt: skip
        if not self.subject or len(self.subject) > LONGEST_SUBJECT:
            raise InvalidInputError(msg("A notice needs a subject of 1 to 300 characters."))
        if len(self.dedupe_key) > LONGEST_KEY:
            raise InvalidInputError(msg("The key of a notice has at most 300 characters."))


@dataclass(frozen=True, slots=True)
class Post:
    """A notice as it was queued, one for all its recipients."""

    id: str
    kind: Kind
    subject: str
    title: Saying
    body: Saying
    urgency: Urgency
    link: str
    created_at: datetime

    @property
    def topic(self) -> Topic:
        """Return the topic by which people choose."""
        return TOPIC_OF_KIND[self.kind]


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A post as it lies before one person."""

    post: Post
    read_at: datetime | None


class ChannelKind(StrEnum):
    """By which means a channel speaks."""

    MAIL = "mail"
    SLACK = "slack"
    TEAMS = "teams"
    WEBHOOK = "webhook"


class MailSecurity(StrEnum):
    """How the way to the mail server is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


MAIL_CHANNEL = "mail"


@dataclass(frozen=True, slots=True)
class Channel:
    """A way out of the house.

    ``person_id`` is None for the organisation's channels and names the owner of a personal one.
    ``setup`` holds what is no secret (host, port, from …); ``sealed`` the secrets. ``topics``:
    what a shared channel takes (empty: everything for everyone who could look at it).
    ``paused_until`` is set while the other side cannot be reached or asked us to wait.
    """

    id: str
    kind: ChannelKind
    name: str
    person_id: str | None
    setup: Mapping[str, str]
    sealed: bytes | None = field(repr=False)
    topics: frozenset[Topic]
    language: str
    enabled: bool
    created_at: datetime
    failures: int = 0
    paused_until: datetime | None = None
    fault: "Fault | None" = None
    worked_at: datetime | None = None

    @property
    def mark(self) -> str:
        """What a form that shows this channel was filled in from (``kernel.seen``)."""
        sealed = self.sealed or b""
        return mark_of(self.name, self.setup, sealed, self.topics, self.language, self.enabled)


class Way(StrEnum):
    """When a topic is sent to a person by a channel."""

    NOW = "now"
    DIGEST = "digest"
    OFF = "off"


class Digest(StrEnum):
    """How often collected notices are sent together."""

    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class Preferences:
    """How one person wants to be told; times are in ``time_zone`` ("" = the organisation's).

    ``ways`` maps channel id → topic → way; what is not named is NOW. Quiet hours run from
    ``quiet_from`` to ``quiet_until`` (over midnight if it is later); equal times mean none.
    ``weekday`` counts from Monday = 0.
    """

    language: str = ""
    time_zone: str = ""
    digest: Digest = Digest.DAILY
    hour: int = 8
    weekday: int = 0
    quiet_from: time = time(22, 0)
    quiet_until: time = time(7, 0)
    urgent_passes: bool = True
    ways: Mapping[str, Mapping[Topic, Way]] = field(default_factory=dict)

    def way(self, channel_id: str, topic: Topic) -> Way:
        """Return what was chosen for a topic on a channel."""
        return self.ways.get(channel_id, {}).get(topic, Way.NOW)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person to be told, and how they want it."""

    person_id: str
    name: str
    email: str
    language: str
    preferences: Preferences = field(default_factory=Preferences)


class DeliveryState(StrEnum):
    """Whether a notice has left by a channel."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong on the way out, said so that a person can mend it."""

    message: Text
    hint: Text


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery to be: by which channel, when, and whether it goes into a digest."""

    channel_id: str
    due_at: datetime
    digest: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One post on its way to one person, or to a shared channel (``person_id`` None)."""

    id: str
    post: Post
    person_id: str | None
    channel_id: str
    state: DeliveryState
    digest: bool
    due_at: datetime
    tries: int
    fault: Fault | None
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """What is handed to a channel: one notice, or several as a digest, for one reader.

    ``message_id`` stays the same however often it is sent; ``thread`` names what belongs together;
    times are said in ``zone``, the reader's own.
    """

    message_id: str
    thread: str
    language: str
    posts: tuple[Post, ...]
    address: str = ""
    name: str = ""
    digest: bool = False
    zone: tzinfo = UTC
