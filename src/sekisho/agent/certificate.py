"""The device's short-lived certificate: ask for it, keep it, renew it at two thirds of its life."""

import time
from pathlib import Path

from sekisho.agent import keys
from sekisho.agent.journal import say
from sekisho.agent.keystores import KeyMakingError, KeyStorage
from sekisho.agent.session import Session
from sekisho.wire import fields, osquery
from sekisho.wire.errors import MessageError, words

_CLOCK_SLACK_SECONDS = 3_600.0
CERTIFICATE = "device-certificate.pem"
_WHERE = words("the reply to the certificate request")


def is_renewal_due(issued_at: float, not_after: float, now: float) -> bool:
    """Say whether two thirds of the life are over; without a certificate it is due.

    One that was issued in the future came while the clock was wrong, so it is due as well.
    """
    if issued_at > now + _CLOCK_SLACK_SECONDS:
        return True
    return now >= issued_at + (not_after - issued_at) * 2 / 3


def renew_if_due(session: Session) -> bool:
    """Request a certificate when there is none or it ages; returns whether one was fetched."""
    issued = float(session.state.get("certificate_issued_at") or 0)
    ends = float(session.state.get("certificate_not_after") or 0)
    if not is_renewal_due(issued, ends, time.time()):
        return False
    request_certificate(session)
    return True


def request_certificate(session: Session) -> None:
    """Make a key, have it certified and keep both; raises what link and keys raise."""
    folder = session.state.path.parent
    request = keys.run_request(folder)
    reply = session.link.post(
        osquery.CERTIFICATE,
        {
            "node_key": session.node_key,
            "csr": request.csr_pem,
            "key_storage": request.key_storage.value,
        },
        node_key=session.node_key,
    )
    _keep(session, folder, reply, request.key_storage)


def _keep(session: Session, folder: Path, reply: fields.JSONObject, storage: KeyStorage) -> None:
    certificate = fields.text(reply, "certificate_pem", _WHERE)
    chain = fields.optional_text(reply, "chain_pem", _WHERE)
    not_after = fields.instant(reply, "not_after", _WHERE).timestamp()
    if not_after <= time.time():
        raise MessageError(
            "%(where)s brought a certificate that has ended already; "
            "set the clock of this computer or of the server",
            where=_WHERE,
        )
    former = keys.run_thumbprint(folder / CERTIFICATE) if _same_place(session, storage) else ""
    (folder / CERTIFICATE).write_text(certificate + chain, encoding="ascii")
    keys.keep_new_key(folder, storage)
    session.state.put(
        certificate_issued_at=str(time.time()),
        certificate_not_after=str(not_after),
        key_storage=storage.value,
    )
    _accept(folder / CERTIFICATE, storage, former)


def _same_place(session: Session, storage: KeyStorage) -> bool:
    """Say whether the former key lies in a store of the system from which it is to go."""
    return storage is not KeyStorage.FILE and session.state.get("key_storage") == storage.value


def _accept(certificate: Path, storage: KeyStorage, former: str) -> None:
    """Give the system's store the certificate; without it only other programs miss something."""
    try:
        keys.run_accept(certificate, storage, former)
    except KeyMakingError as error:
        say(f"the certificate was not put beside its key: {error}")
