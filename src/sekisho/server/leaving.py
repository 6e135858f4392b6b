"""The end of somebody's time here, over all rooms, in one transaction with one record."""

from collections.abc import Mapping

from sekisho.access.service import asking as access
from sekisho.controls import service as controls
from sekisho.controls.service import selfchecks
from sekisho.devices.service import leaving as devices
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.notices.service import choices
from sekisho.worklists.service import views


def end_person(tx: Transaction, person_id: str, reason: str) -> Mapping[str, object]:
    """End everything of a person at once; return what ended (the record says the same).

    Needs identity.write in the person's unit and every right the person has. Raises ConflictError
    for the last administrator and for somebody who has left already.
    """
    person = identity.require_leavable(tx, person_id)
    elsewhere = {
        "exceptions": controls.end_exceptions_of(tx, person.id),
        **devices.hand_back_devices(tx, person.id),
        "requests": access.end_asks_of(tx, person.id),
        "findings": findings.release_findings(tx, person.id),
        "self_checks_erased": selfchecks.forget_person(tx, person.id),
    }
    views.forget_person(tx, person.id)
    choices.forget_person(tx, person.id)
    return identity.end_person(tx, person.id, reason, elsewhere)
