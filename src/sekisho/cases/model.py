"""A report or consult of one person: what happened, photos, the answers, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import PersonID

LONGEST_TEXT = 10_000
LARGEST_PHOTO = 10 * 1024 * 1024
MOST_PHOTOS = 3
MOST_REPORTS_AN_HOUR = 20
MOST_LISTED = 200


class ReportKind(StrEnum):
    """What a person says has happened, in their own words."""

    CLICKED = "clicked"
    LOST = "lost"
    MAIL = "mail"
    STRANGE = "strange"
    QUESTION = "question"


WORDS_OF_KIND: Mapping[ReportKind, Text] = {
    ReportKind.CLICKED: msg("I clicked or entered something"),
    ReportKind.LOST: msg("A device is lost or stolen"),
    ReportKind.MAIL: msg("A suspicious mail or message"),
    ReportKind.STRANGE: msg("The computer behaves strangely"),
    ReportKind.QUESTION: msg("I have a question"),
}
# What helps until somebody answers: short, safe for whoever is not sure what happened.
FIRST_AID: Mapping[ReportKind, tuple[Text, ...]] = {
    ReportKind.CLICKED: (
        msg("Take the computer off the network: unplug the cable, switch Wi-Fi off."),
        msg("Do not switch it off and do not delete anything: traces help."),
        msg("If you entered a password, change it now from another device."),
    ),
    ReportKind.LOST: (
        msg("Write down where and when you last had it."),
        msg("If it may be stolen, tell the police and keep the number they give you."),
        msg("If it is found, leave it switched off and tell us first."),
    ),
    ReportKind.MAIL: (
        msg("Open no attachment and no link, and do not answer."),
        msg("Do not forward it to colleagues; keep it until you hear from us."),
    ),
    ReportKind.STRANGE: (
        msg("Take the computer off the network: unplug the cable, switch Wi-Fi off."),
        msg("Do not switch it off and do not delete anything: traces help."),
        msg("Call no number that the screen shows."),
    ),
    ReportKind.QUESTION: (),
}
URGENT_KINDS = frozenset({ReportKind.CLICKED, ReportKind.LOST, ReportKind.STRANGE})


class ReportStatus(StrEnum):
    """Where a report stands."""

    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


WORDS_OF_STATUS: Mapping[ReportStatus, Text] = {
    ReportStatus.NEW: msg("Report received"),
    ReportStatus.OPEN: msg("Being looked at"),
    ReportStatus.CLOSED: msg("Finished"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """One report; ``handler_id`` is who looks after it, None while nobody does."""

    id: str
    kind: ReportKind
    reporter_id: PersonID
    status: ReportStatus
    text: str
    created_at: datetime
    changed_at: datetime
    handler_id: PersonID | None
    closed_at: datetime | None
    told_manager: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One answer or reply; an ``internal`` one is a note that the reporter never sees."""

    id: str
    author_id: PersonID
    from_reporter: bool
    internal: bool
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture kept as an artefact of the evidence, without what its camera wrote into it."""

    id: str
    name: str
    media_type: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class NewPhoto:
    """A picture as it was sent, not yet looked at."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which reports are wanted; what is empty does not count. ``open_only`` leaves closed out."""

    search: str = ""
    kind: str = ""
    status: str = ""
    open_only: bool = False
    mine: str = ""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One page of reports with the names of everyone in it; ``total`` counts all pages."""

    reports: list[Report]
    names: Mapping[str, str]
    total: int
    page: int
    page_size: int
    counts: Mapping[ReportStatus, int]


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report with everything about it that the one who asks may see."""

    report: Report
    messages: list[Message]
    photos: list[Photo]
    names: Mapping[str, str]
