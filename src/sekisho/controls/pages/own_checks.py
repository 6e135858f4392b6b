"""The self-check as the person who is asked sees it: a list, and one page to answer."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.selfchecks import Reply
from sekisho.controls.service import selfchecks as service
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

OWN = "/my/self-checks"
WORDS_OF_REPLY = {
    Reply.YES: msg("Yes"),
    Reply.NO: msg("No"),
    Reply.UNSURE: msg("Not sure"),
    Reply.NA: msg("Does not apply"),
}
Form = URLEncodedBody[dict[str, Any]]


@get(OWN, sync_to_thread=True)
def show_own_checks(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Page:
    """List what the caller is asked, open ones first."""
    with database.read(principal) as tx:
        rounds = service.list_own_rounds(tx)
        now = tx.now
    return Page("controls/own_checks.html", {"rounds": rounds, "moment": now})


@get(OWN + "/{round_id:str}", sync_to_thread=True)
def show_own_check(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    round_id: FromPath[str],
    *,
    saved: FromQuery[int] = 0,
) -> Page:
    """Show the questions with the caller's replies so far."""
    return _page(database, principal, round_id, saved=bool(saved))


@post(OWN + "/{round_id:str}", sync_to_thread=True)
def answer_own_check(
    data: Form,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    round_id: FromPath[str],
) -> Redirect | Page:
    """Keep the replies; what was chosen stays on the page where something is missing."""
    sent = {name: str(value) for name, value in data.items() if name != "csrf"}
    try:
        with database.write(principal) as tx:
            service.answer_round(tx, round_id, sent)
    except InvalidInputError as error:
        return _page(database, principal, round_id, sent=sent, wrong=(error.message, error.hint))
    return Redirect(f"{OWN}/{round_id}?saved=1", status_code=303)


def _page(
    database: Database,
    principal: Principal,
    round_id: str,
    *,
    sent: dict[str, str] | None = None,
    wrong: tuple[Text | str, Text | str] | None = None,
    saved: bool = False,
) -> Page:
    with database.read(principal) as tx:
        own = service.read_own_round(tx, round_id)
        is_open = own.round.is_open(tx.now)
    replies = sent if sent is not None else {q: r.value for q, r in own.replies.items()}
    context = {
        "own": own, "replies": replies, "words": WORDS_OF_REPLY, "wrong": wrong, "saved": saved,
        "is_open": is_open,
    }  # fmt: skip
    return Page("controls/own_check.html", context, status=400 if wrong else 200)


HANDLERS: list[ControllerRouterHandler] = [show_own_checks, show_own_check, answer_own_check]
