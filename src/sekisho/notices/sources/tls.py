"""TLS of every way out: verified, 1.2 at least, with the organisation's own authority if named."""

import ssl

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.notices.sources.carrier import SendingError, channel_error


def make_context(authority: str = "") -> ssl.SSLContext:
    """Return a verifying context; ``authority`` (PEM) is trusted besides the machine's own.

    Raises InvalidInputError if ``authority`` is no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority:
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidInputError(
                msg("The certificate authority is not a certificate in PEM form."),
                hint=msg("Paste the text from -----BEGIN CERTIFICATE----- to the end line."),
            ) from error
    return context


def explain_tls(error: ssl.SSLError, host: str, port: int) -> SendingError:
    """Say in plain words why a handshake failed, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return channel_error(
            msg("The certificate of %(host)s is not trusted: %(why)s",
                host=host, why=error.verify_message),
            msg("Use the name that stands in the certificate, or enter the authority that issued "
                "it."),
        )  # fmt: skip
    return channel_error(
        msg("%(host)s does not speak TLS as expected at port %(port)s: %(why)s",
            host=host, port=port, why=error.reason or "handshake failed"),
        msg("Port 465 is TLS from the start; port 587 and 25 begin in the clear and use "
            "STARTTLS."),
    )  # fmt: skip
