"""What nobody else tells of: keys that end soon, evidence that does not verify (worker)."""

from datetime import timedelta

from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.service import reach
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import msg
from sekisho.notices.model import Holders, Kind, NewNotice, People, Urgency
from sekisho.notices.service.queueing import queue_notice, queue_notices

WARNED_DAYS = (7, 1)


def tell_ending_tokens(tx: Transaction) -> None:
    """Tell owners of API tokens that end within a week, and again within a day."""
    for days in WARNED_DAYS:
        ending = reach.list_ending_tokens(tx, tx.now + timedelta(days=days))
        queue_notices(tx, [
            NewNotice(
                to=People([token.person_id]),
                kind=Kind.IDENTITY_TOKEN,
                subject=f"token:{token.id}",
                title=msg("The API token “%(label)s” ends on %(date)s",
                          label=token.label, date=token.ends_at),
                body=msg("What uses it will no longer get in. Make a new one and put it there "
                         "before."),
                urgency=Urgency.NORMAL if days > 1 else Urgency.URGENT,
                link="/account/tokens",
                dedupe_key=f"identity.token_ends:{token.id}:{days}",
            )
            for token in ending
        ])  # fmt: skip


def tell_lost_ways_in(tx: Transaction) -> None:
    """Tell those who may agree that somebody asked for a new way in, and the person themselves."""
    asked = [r for r in identity.list_recoveries(tx) if r.state == "open" and r.ends_at > tx.now]
    queue_notices(tx, [notice for one in asked for notice in _lost(one)])


def _lost(asked: identity.Recovery) -> tuple[NewNotice, NewNotice]:
    subject = f"person:{asked.person_id}"
    person = NewNotice(
        to=People([asked.person_id]),
        kind=Kind.IDENTITY_CHANGED,
        subject=subject,
        title=msg("Somebody asked for a new way in for you"),
        body=msg("If it was not you, refuse it on your page and tell your security people."),
        urgency=Urgency.URGENT,
        link="/account",
        dedupe_key=f"identity.recovery:{asked.id}:person",
    )
    others = NewNotice(
        to=Holders("identity.recover"),
        kind=Kind.IDENTITY_CHANGED,
        subject=subject,
        title=msg("%(name)s asks for a new way in", name=asked.person_name),
        body=msg("Two people must agree. Make sure by voice or face that it is them."),
        urgency=Urgency.URGENT,
        link="/people/lost",
        dedupe_key=f"identity.recovery:{asked.id}:others",
    )
    return person, others


def tell_broken_evidence(tx: Transaction) -> None:
    """Tell security if the last verification of the evidence found a problem."""
    last = evidence.get_state(tx).last_verification
    if not last or not last.get("problems"):
        return
    queue_notice(
        tx,
        to=Holders("evidence.read"),
        kind=Kind.EVIDENCE_BROKEN,
        subject="evidence",
        title=msg("The evidence does not verify"),
        body=msg("Something in the chain is changed, missing or written anew. Keep this machine as "
                 "it is and hold the evidence against the checkpoints elsewhere: sekisho evidence "
                 "verify."),
        urgency=Urgency.URGENT,
        link="/evidence",
        dedupe_key=f"evidence.broken:{last.get('at')}",
    )  # fmt: skip
