"""How a person stands: whether their computer may come in, and what else waits for them.

The words are those of a teleworker's page: what is so, by when, and what stays fine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sekisho.cases import service as cases
from sekisho.controls import service as controls
from sekisho.controls.access import AccessKind, AccessState
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import ExceptionState
from sekisho.controls.model import Catalogue
from sekisho.controls.service import selfchecks
from sekisho.devices.model import DeviceState
from sekisho.devices.web.verdicts import VerdictRow
from sekisho.identity.service import sessions
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.principal import PrincipalKind


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to do that is no rule of a computer: what, by when, where."""

    title: Mapping[str, str]
    words: Text
    due: datetime
    address: str


@dataclass(frozen=True, slots=True)
class OwnLife:
    """What belongs to a person besides computers: errands, and how many of each thing of theirs.

    ``decisions`` is how many requests of others wait for the caller. A number is None where the
    caller is no person or may not have such a thing.
    """

    errands: Sequence[Errand] = ()
    decisions: int = 0
    signed_in: int | None = None
    exceptions: int | None = None
    reports: int | None = None


def read_life(tx: Transaction) -> OwnLife:
    """Gather what waits for the caller and what is theirs. Needs ``self.read``."""
    if tx.principal.kind is not PrincipalKind.PERSON:
        return OwnLife()
    return OwnLife(
        errands=_list_errands(tx),
        decisions=len(controls.list_waiting(tx)),
        signed_in=len(sessions.list_sessions(tx)),
        exceptions=_count_exceptions(tx),
        reports=_count_reports(tx),
    )


def _list_errands(tx: Transaction) -> list[Errand]:
    waiting = [
        own
        for own in selfchecks.list_own_rounds(tx)
        if own.answered_at is None and own.round.is_open(tx.now)
    ]
    return [
        Errand(
            own.questionnaire.title,
            msg("Self-check, %(n)s questions", n=len(own.questionnaire.questions)),
            own.round.closes_at,
            f"/my/self-checks/{own.round.id}",
        )
        for own in sorted(waiting, key=lambda own: own.round.closes_at)
    ]


def _count_exceptions(tx: Transaction) -> int | None:
    if not tx.principal.allows("exceptions.request"):
        return None
    live = {ExceptionState.REQUESTED, ExceptionState.APPROVED}
    return sum(each.state in live for each in controls.list_own_exceptions(tx))


def _count_reports(tx: Transaction) -> int | None:
    if not tx.principal.allows("cases.report"):
        return None
    return cases.list_own_reports(tx, page_size=1).total


def find_end(state: AccessState, catalogue: Catalogue) -> datetime | None:
    """Return when access ends if nothing is fixed; None if it does not end by itself.

    Only rules of a severity that blocks end it: the others have a date and no consequence.
    """
    blocking = load_rules().blocking
    ends = [
        reason.until
        for reason in state.reasons
        if reason.kind is AccessKind.FIX_BY
        and reason.until is not None
        and reason.until > state.computed_at
        and reason.control_id is not None
        and reason.control_id in catalogue.controls
        and catalogue.controls[reason.control_id].severity in blocking
    ]
    return min(ends, default=None) if state.kind is AccessKind.FIX_BY else None


@dataclass(frozen=True, slots=True)
class Situation:
    """What the sentence beside the headline is made of; ``due`` is the next date to fix by."""

    state: DeviceState
    access: AccessKind
    ends: datetime | None
    due: datetime | None
    rows: Sequence[VerdictRow]


_STATES = {
    DeviceState.PENDING: (
        msg("Waiting to be let in"),
        msg("The person in charge of security has to approve this computer first."),
    ),
    DeviceState.CONSENT: (
        msg("Nothing is asked yet"), msg("Nothing is read before you consent."),
    ),
    DeviceState.PAUSED: (
        msg("Paused"), msg("Nothing is asked until you go on."),
    ),
}  # fmt: skip


def say_headline(state: DeviceState, rows: Sequence[VerdictRow]) -> Text:
    """Return the answer to "am I all right?" in one line."""
    if state in _STATES:
        return _STATES[state][0]
    failing = sum(row.outcome == "fail" for row in rows)
    if failing:
        return msg("One thing needs fixing") if failing == 1 else msg(
            "%(n)s things need fixing", n=failing
        )  # fmt: skip
    if not rows or any(row.outcome == "unknown" for row in rows):
        return msg("Not everything is known yet")
    return msg("Everything is fine")


def say_comfort(now: Situation) -> Text:
    """Return the sentence beside the headline: what stays possible, until when, and what then."""
    if now.state in _STATES:
        return _STATES[now.state][1]
    if any(row.outcome == "fail" for row in now.rows):
        return _say_failing(now)
    open_questions = not now.rows or any(row.outcome == "unknown" for row in now.rows)
    if open_questions or now.access in {AccessKind.UNKNOWN, AccessKind.NOT_ALLOWED}:
        return _say_unknown(now)
    return msg("There is nothing to do.")


_CLOSED = msg("Access with this computer is closed. Please ask the person in charge of security.")


def _say_failing(now: Situation) -> Text:
    if now.access is AccessKind.NOT_ALLOWED:
        return msg(
            "The time for this has run out, and access with this computer is closed. "
            "It opens again by itself once this is fixed and checked."
        )
    if now.access is AccessKind.UNKNOWN:
        return msg("Access waits until everything that counts is known. Please fix this meanwhile.")
    if now.ends is not None:
        return msg("Until then you can go on as before. After that, access ends until it is fixed.")
    if now.due is not None:
        return msg("You can go on as before. Please fix it by then.")
    return msg("The time for this has run out. Please fix it today; it usually takes minutes.")


def _say_unknown(now: Situation) -> Text:
    if now.access is AccessKind.NOT_ALLOWED:
        return _CLOSED
    if now.access is AccessKind.UNKNOWN:
        return msg(
            "Access waits until it is known. You need not do anything: leave the computer on "
            "and connected, it is asked again by itself."
        )
    return msg("You need not do anything: the computer is asked again by itself.")
