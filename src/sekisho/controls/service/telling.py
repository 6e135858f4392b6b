"""Telling people of exceptions: asked, decided, near their end, over."""

from collections.abc import Mapping, Sequence

from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import ExceptionState, RuleException, ScopeKind, last_day
from sekisho.controls.model import Control
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.controls.service.laying import people_of
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import LANGUAGES, Text, msg, translate
from sekisho.notices import service as notices
from sekisho.notices.model import Holders, Kind, People, Urgency

SCOPE_WORDS: Mapping[ScopeKind, Text] = {
    ScopeKind.DEVICE: msg("device"),
    ScopeKind.PERSON: msg("person"),
    ScopeKind.GROUP: msg("group"),
    ScopeKind.UNIT: msg("unit"),
    ScopeKind.SELECTION: msg("selection of devices"),
}
_FEW = frozenset({ScopeKind.DEVICE, ScopeKind.PERSON})


def tell_asked(
    tx: Transaction, exception: RuleException, control: Control, unit: str | None
) -> None:
    """Tell those who may decide that somebody asks; ``unit`` is the one whose rights decide."""
    deciding = load_rules().limits[exception.severity].approvers
    notices.queue_notice(
        tx,
        to=Holders("exceptions.approve", unit, deciding),
        kind=Kind.EXCEPTION_ASKED,
        subject=f"exception:{exception.id}",
        title=_both(msg("%(name)s asks for an exception: %(rule)s"), exception, control),
        body=_both(
            msg("Until %(until)s. The reason: %(reason)s Instead: %(measure)s Decide on the page "
                "of the request."),
            exception, control,
        ),
        link=f"/my/decisions/{exception.id}",
    )  # fmt: skip


def tell_decided(tx: Transaction, exception: RuleException) -> None:
    """Tell whoever asked what became of it."""
    granted = exception.state is ExceptionState.APPROVED
    title = (
        msg("The exception was approved until %(until)s: %(rule)s")
        if granted
        else msg("The exception was not approved: %(rule)s")
    )
    body = (
        msg("%(settler)s approved it. What holds instead: %(measure)s Put the rule in order before "
            "the end; after it the failure counts at once.")
        if granted
        else msg("%(settler)s rejected it: %(because)s The rule still holds.")
    )  # fmt: skip
    _tell(tx, exception, [exception.requested_by], Kind.EXCEPTION_DECIDED, (title, body))


def tell_near(tx: Transaction, exception: RuleException) -> None:
    """Tell whoever asked, profits and approved that the end is near."""
    _tell(
        tx, exception, [*_concerned(tx, exception), exception.settled_by], Kind.EXCEPTION_ENDS,
        (
            msg("The exception ends on %(until)s: %(rule)s"),
            msg("Put the rule in order before then, or ask for a renewal with a reason. After the "
                "end the failure counts at once."),
        ),
    )  # fmt: skip


def tell_ended(tx: Transaction, exception: RuleException) -> None:
    """Tell whoever asked and profits that the rule holds again."""
    _tell(
        tx, exception, _concerned(tx, exception), Kind.EXCEPTION_ENDED,
        (
            msg("The exception is over: %(rule)s"),
            msg("The rule holds again from now on. If it is not kept yet, the page of the device "
                "says how to fix it."),
        ),
        Urgency.URGENT,
    )  # fmt: skip


def _concerned(tx: Transaction, exception: RuleException) -> list[str]:
    few = people_of(tx, exception.scope) if exception.scope.kind in _FEW else []
    return [exception.requested_by, *few]


def _tell(
    tx: Transaction,
    exception: RuleException,
    people: Sequence[str],
    kind: Kind,
    words: tuple[Text, Text],
    urgency: Urgency = Urgency.NORMAL,
) -> None:
    told = list(dict.fromkeys(person for person in people if person))
    control = catalogue_in_force().controls.get(exception.control_id)
    if not told:
        return
    notices.queue_notice(
        tx,
        to=People(told),
        kind=kind,
        subject=f"exception:{exception.id}",
        title=_both(words[0], exception, control),
        body=_both(words[1], exception, control),
        urgency=urgency,
        link=f"/my/exceptions/{exception.id}",
    )


def _both(text: Text, exception: RuleException, control: Control | None) -> dict[str, str]:
    """Say a sentence about an exception in both languages; the rule's title is content."""
    titles: Mapping[str, str] = control.title if control is not None else {}
    values = {
        "name": exception.requester,
        "reason": exception.reason,
        "measure": exception.measure,
        "settler": exception.settler,
        "because": exception.settled_because,
        "until": last_day(exception.until).astimezone().date().isoformat(),
    }
    return {
        language: translate(
            Text(text.id, {**values, "rule": titles.get(language, exception.control_id)}), language
        )
        for language in LANGUAGES
    }
