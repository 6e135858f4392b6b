"""A certificate for the public name by ACME (RFC 8555), proven over HTTP (section 8.3).

The library `acme` (certbot's own) speaks the protocol; here is only what it is asked for, where
its keys lie (sealed) and how a failure is said. The challenge is answered by a listener that
lives only while it is needed.
"""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import josepy.jwa
import josepy.jwk
import requests  # noqa: TID251 - the exceptions of the library acme are of this kind
from acme import challenges, client, errors, messages
from acme.standalone import HTTP01RequestHandler, HTTP01Server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sekisho import __version__
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Address, Settings

_CONTEXT = "server.acme:account"
_PATIENCE = dt.timedelta(seconds=90)


def obtain_certificate(settings: Settings, box: SecretBox) -> tuple[str, str]:
    """Get a certificate for the public name; return its chain and its key, both as PEM.

    Raises UnavailableError saying what the authority answered or why it was not reached.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        acme = _sign_in(settings, box)
        order = acme.new_order(_request(key, settings.public_name))
        # An authority may let an earlier proof stand (RFC 8555 section 7.1.4): nothing to answer.
        open_ones = [a for a in order.authorizations if a.body.status == messages.STATUS_PENDING]
        chosen = [_http_challenge(authorization) for authorization in open_ones]
        with _answering(settings.acme_listen, acme, chosen):
            for challenge in chosen:
                acme.answer_challenge(challenge, challenge.response(acme.net.key))
            done = acme.poll_and_finalize(order, _deadline())
    except (errors.Error, messages.Error, requests.RequestException, OSError) as error:
        raise UnavailableError(
            msg("No certificate could be got for %(name)s from %(authority)s: %(why)s",
                name=settings.public_name, authority=settings.acme_directory, why=_why(error)),
            hint=msg("The name must lead to this machine, and port 80 must be reachable from "
                     "the authority; until then our own CA's certificate is shown."),
        ) from error  # fmt: skip
    return str(done.fullchain_pem), _pem(key)


def _deadline() -> dt.datetime:
    return dt.datetime.now() + _PATIENCE  # noqa: DTZ005, TID251 - the library compares naive times


def _sign_in(settings: Settings, box: SecretBox) -> client.ClientV2:
    key = josepy.jwk.JWKEC(key=_account_key(settings.data / "acme" / "account.key.sealed", box))
    network = client.ClientNetwork(key, alg=josepy.jwa.ES256, user_agent=f"sekisho/{__version__}")
    directory = client.ClientV2.get_directory(settings.acme_directory, network)
    acme = client.ClientV2(directory, network)
    wanted = messages.NewRegistration.from_data(
        email=settings.acme_email or None, terms_of_service_agreed=True
    )
    try:
        acme.new_account(wanted)
    except errors.ConflictError as known:
        account = messages.RegistrationResource(uri=known.location, body=wanted)
        network.account = account
    return acme


def _account_key(path: Path, box: SecretBox) -> ec.EllipticCurvePrivateKey:
    if not path.is_file():
        made = ec.generate_private_key(ec.SECP256R1())
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(box.seal(_pem(made).encode(), _CONTEXT))
        path.chmod(0o600)
    plain = box.open(path.read_bytes(), _CONTEXT)
    key = serialization.load_pem_private_key(plain, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnavailableError(msg("The ACME account key %(path)s is not usable.", path=path))
    return key


def _request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _http_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for offered in authorization.body.challenges:
        if isinstance(offered.chall, challenges.HTTP01):
            return offered
    raise errors.ClientError("the authority offers no http-01 challenge")


@contextlib.contextmanager
def _answering(
    address: Address, acme: client.ClientV2, chosen: list[messages.ChallengeBody]
) -> Iterator[None]:
    """Answer ``/.well-known/acme-challenge/`` at ``address`` while the block runs."""
    resources = {
        HTTP01RequestHandler.HTTP01Resource(
            chall=c.chall, response=c.response(acme.net.key), validation=c.validation(acme.net.key)
        )
        for c in chosen
    }
    server = HTTP01Server((address.host, address.port), resources, ipv6=":" in address.host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _why(error: Exception) -> str:
    """Say an authority's refusal with the reason it gave for each name."""
    if isinstance(error, errors.ValidationError):
        reasons = [
            f"{failed.body.identifier.value}: {offered.error.detail}"
            for failed in error.failed_authzrs
            for offered in failed.body.challenges
            if offered.error is not None
        ]
        return "; ".join(reasons) or "refused"
    return str(error) or type(error).__name__


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
