"""Schedules and rounds of self-checks as lists: searched, narrowed, sorted, page by page."""

from dataclasses import dataclass

from sekisho.controls.selfchecks import Round, Schedule
from sekisho.controls.service.selfchecks import questionnaires
from sekisho.controls.store import selfchecks as store
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import LANGUAGES, localized, msg, translate

LATEST = "-opened"
NEXT = "next"
MOST_LISTED = 100
EVERYBODY = msg("Everybody")


@dataclass(frozen=True, slots=True)
class RoundWish:
    """Which rounds are wanted: a word of the questionnaire's title, open ones or the others.

    ``language`` is the one in which titles are sorted.
    """

    search: str = ""
    still: bool | None = None
    sort: str = LATEST
    language: str = "en"


@dataclass(frozen=True, slots=True)
class ScheduleWish:
    """Which schedules are wanted: a word of the title or of who is asked; those that ask again.

    ``language`` is the one in which titles are sorted.
    """

    search: str = ""
    runs: bool | None = None
    sort: str = NEXT
    language: str = "en"


def list_rounds(tx: Transaction) -> list[Round]:
    """Return the latest rounds with how many have answered. Needs ``selfchecks.read``."""
    return page_rounds(tx, RoundWish())[0]


def page_rounds(
    tx: Transaction, wanted: RoundWish, *, offset: int = 0, limit: int = MOST_LISTED
) -> tuple[list[Round], int]:
    """Return one page of rounds, and how many there are. Needs ``selfchecks.read``."""
    tx.principal.require_reach("selfchecks.read")
    sort = wanted.sort if wanted.sort.removeprefix("-") in store.ROUND_SORTS else LATEST
    words = _fold(wanted.search)
    return store.list_rounds(
        tx, _find_checks(words) if words else None, still=wanted.still,
        ranked=_rank_checks(wanted.language), sort=sort, offset=max(0, offset),
        limit=_at_most(limit),
    )  # fmt: skip


def page_schedules(
    tx: Transaction, wanted: ScheduleWish, *, offset: int = 0, limit: int = MOST_LISTED
) -> tuple[list[Schedule], int]:
    """Return one page of schedules, and how many there are. Needs ``selfchecks.write``."""
    tx.principal.require("selfchecks.write")
    sort = wanted.sort if wanted.sort.removeprefix("-") in store.SCHEDULE_SORTS else NEXT
    words = _fold(wanted.search)
    return store.page_schedules(
        tx, identity.select_places(), search=wanted.search.strip(), checks=_find_checks(words),
        everybody=_names_everybody(words), runs=wanted.runs,
        ranked=_rank_checks(wanted.language), sort=sort, offset=max(0, offset),
        limit=_at_most(limit),
    )  # fmt: skip


def _at_most(limit: int) -> int:
    return max(1, min(limit, MOST_LISTED))


def _fold(search: str) -> str:
    return search.strip().casefold()


def _find_checks(words: str) -> list[str]:
    return [
        check.id
        for check in questionnaires().values()
        if any(words in text.casefold() for text in (check.id, *check.title.values()))
    ]


def _names_everybody(words: str) -> bool:
    return any(words in translate(EVERYBODY, each).casefold() for each in LANGUAGES)


def _rank_checks(language: str) -> list[str]:
    """Return the questionnaires there are, by their title in a language."""
    known = questionnaires()
    return sorted(known, key=lambda name: localized(known[name].title, language).casefold())
