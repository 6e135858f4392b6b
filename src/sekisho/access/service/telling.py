"""Who is told what about access."""

import hashlib

from sekisho.access.model import Resource
from sekisho.access.policies import PolicyVersion
from sekisho.access.store.requests import Ask
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Localized, Text, msg
from sekisho.kernel.ids import PersonID
from sekisho.notices import service as notices
from sekisho.notices.model import Holders, Kind, People, Reach, Urgency


def tell_proposed(tx: Transaction, version: PolicyVersion) -> None:
    """Tell those who approve that a version waits for one of them."""
    notices.queue_notice(
        tx,
        to=Holders("access.approve"),
        kind=Kind.ACCESS_ASKED,
        subject="policy",
        title=msg("Version %(n)s of the access policies waits for approval", n=version.number),
        body=msg("Look at what changes and who would lose access, then approve or refuse it."),
        link=f"/access/policies/versions/{version.number}",
        dedupe_key=f"access.version:{version.number}",
    )


def tell_network(tx: Transaction, name: str) -> None:
    """Tell those who approve policies that a network which policies use was changed."""
    notices.queue_notice(
        tx,
        to=Holders("access.approve"),
        kind=Kind.ACCESS_ASKED,
        subject=f"network:{name}",
        title=msg("The network “%(name)s”, which policies use, was changed", name=name),
        body=msg("Who may come from where changes with it. Look whether that is right."),
        link="/access/networks",
    )


def tell_asked(tx: Transaction, ask: Ask, resource: Resource, to: Reach) -> None:
    """Tell those who grant it that somebody asks for access."""
    name = identity.get_person(tx, ask.person_id).name
    notices.queue_notice(
        tx,
        to=to,
        kind=Kind.ACCESS_ASKED,
        subject=f"request:{ask.id}",
        title=msg("%(name)s asks for access to %(app)s", name=name, app=_named(resource)),
        body=msg("For %(n)s minutes. Read the reason and decide.", n=ask.minutes),
        link=f"/access/requests/{ask.id}",
    )


def tell_decided(tx: Transaction, ask: Ask, resource: Resource, *, granted: bool) -> None:
    """Tell the person what was decided."""
    notices.queue_notice(
        tx,
        to=People([PersonID(ask.person_id)]),
        kind=Kind.ACCESS_DECIDED,
        subject=f"request:{ask.id}",
        title=(
            msg("Access to %(app)s is granted", app=_named(resource))
            if granted
            else msg("Access to %(app)s was refused", app=_named(resource))
        ),
        body=msg("Your apps show until when, or why."),
        link="/my/apps",
    )


def tell_gate_refused(tx: Transaction, what: str, why: str) -> None:
    """Tell those who look after access that what they decide does not reach the gate."""
    same = hashlib.sha256(f"{what}\0{why}".encode()).hexdigest()[:16]
    notices.queue_notice(
        tx,
        to=Holders("access.write"),
        kind=Kind.GATE_REFUSED,
        subject="gate",
        title=msg("The gate does not take its configuration (%(what)s)", what=what),
        body=msg("It goes on with the last one it took: what was changed or revoked since then "
                 "may not hold. Envoy says: %(why)s", why=why[:300]),
        urgency=Urgency.URGENT,
        link="/access/sessions",
        dedupe_key=f"gate.refused:{tx.now:%Y-%m-%d}:{same}",
    )  # fmt: skip


def tell_cut_all(tx: Transaction, reason: str) -> None:
    """Tell those who may confirm that somebody asks to cut every session."""
    notices.queue_notice(
        tx,
        to=Holders("access.approve"),
        kind=Kind.ACCESS_ASKED,
        subject="access",
        title=msg("Somebody asks to cut every connection now"),
        body=msg("Reason: %(why)s", why=reason[:200]),
        link="/access/sessions",
    )


def _named(resource: Resource) -> Text:
    return Text("%(words)s", {"words": Localized(resource.named("ja"), resource.named("en"))})
