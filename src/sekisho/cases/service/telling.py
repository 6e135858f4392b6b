"""Who is told of a report. What it says stays on its page: mails and channels only lead there."""

from sekisho.cases.model import URGENT_KINDS, WORDS_OF_KIND, Report, ReportKind
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID
from sekisho.notices import service as notices
from sekisho.notices.model import Holders, Kind, People, Urgency


def tell_made(tx: Transaction, report: Report, manager: PersonID | None) -> None:
    """Tell those who answer at once, and the manager if the organisation wants that."""
    name = identity.get_person(tx, report.reporter_id).name
    what = WORDS_OF_KIND[report.kind]
    notices.queue_notice(
        tx,
        to=Holders("cases.write", identity.unit_of(tx, report.reporter_id)),
        kind=Kind.REPORT_MADE,
        subject=f"report:{report.id}",
        title=(
            msg("%(name)s asks: %(what)s", name=name, what=what)
            if report.kind is ReportKind.QUESTION
            else msg("%(name)s reports: %(what)s", name=name, what=what)
        ),
        body=msg("Read it and answer on its page. The reporter sees your answer at once."),
        urgency=Urgency.URGENT if report.kind in URGENT_KINDS else Urgency.NORMAL,
        link=f"/reports/{report.id}",
    )
    if manager is not None:
        notices.queue_notice(
            tx,
            to=People([manager]),
            kind=Kind.REPORT_TOLD_MANAGER,
            subject=f"report:{report.id}",
            title=msg("%(name)s has reported something to the security team", name=name),
            body=msg("Reporting early is right. The security team answers; please give %(name)s "
                     "the time for it.", name=name),
        )  # fmt: skip


def tell_reply(tx: Transaction, report: Report) -> None:
    """Tell whoever looks after a report, or all who answer, that the reporter wrote again."""
    name = identity.get_person(tx, report.reporter_id).name
    notices.queue_notice(
        tx,
        to=(
            People([report.handler_id])
            if report.handler_id
            else Holders("cases.write", identity.unit_of(tx, report.reporter_id))
        ),
        kind=Kind.REPORT_MADE,
        subject=f"report:{report.id}",
        title=msg("%(name)s has added to a report", name=name),
        body=msg("Read it and answer on its page. The reporter sees your answer at once."),
        link=f"/reports/{report.id}",
    )


def tell_answered(tx: Transaction, report: Report, *, finished: bool) -> None:
    """Tell the reporter that there is an answer, or that the report is finished."""
    notices.queue_notice(
        tx,
        to=People([report.reporter_id]),
        kind=Kind.REPORT_ANSWERED,
        subject=f"report:{report.id}",
        title=(
            msg("Your report is finished")
            if finished
            else msg("The security team has answered your report")
        ),
        body=msg("Read the answer on the page of your report; you can write back there."),
        link=f"/my/reports/{report.id}",
    )
