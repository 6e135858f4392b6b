"""Mail by SMTP (RFC 5321): one connection for many letters, TLS verified.

A letter is multipart text and HTML in UTF-8. Message-ID stays the same at every try, so that a
mail that arrives twice can be told to be one; In-Reply-To names the subject's thread.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import format_datetime
from typing import Self

from sekisho.kernel.clock import Clock
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.notices.engine import wording
from sekisho.notices.engine.wording import House
from sekisho.notices.model import Letter, MailSecurity
from sekisho.notices.sources import mime
from sekisho.notices.sources.carrier import SendingError, Way, channel_error, letter_error
from sekisho.notices.sources.tls import explain_tls, make_context

TIMEOUT_SECONDS = 20
_PERMANENT = 500
_WANTS_MORE = 530  # RFC 3207 section 4, RFC 4954 section 6
_LONGEST_REPLY = 200
_SIMPLE_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
                             r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")  # fmt: skip


class MailCarrier:
    """Hands letters to one mail server."""

    pause_seconds = 0.0

    def __init__(self, way: Way, clock: Clock) -> None:
        self._way = way
        self._clock = clock
        self._host = way.setup["host"]
        self._port = int(way.setup["port"])
        self._security = MailSecurity(way.setup["security"])

    def __enter__(self) -> Self:
        """Connect, protect the connection, sign in; raise SendingError where one fails."""
        with self._explained():
            context = make_context(self._way.setup.get("ca", ""))
            if self._security is MailSecurity.TLS:
                self._client: smtplib.SMTP = smtplib.SMTP_SSL(
                    self._host, self._port, timeout=TIMEOUT_SECONDS, context=context
                )
            else:
                self._client = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            with self._explained():
                self._greet(context)
        except SendingError:
            self._client.close()
            raise
        return self

    def _greet(self, context: ssl.SSLContext) -> None:
        self._client.ehlo()
        if self._security is MailSecurity.STARTTLS:
            self._client.starttls(context=context)
            self._client.ehlo()
        if self._way.setup.get("user"):
            self._client.login(self._way.setup["user"], self._way.secrets.get("password", ""))

    def __exit__(self, *_: object) -> None:
        """Say goodbye; nothing is lost if the server has gone already."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self._client.quit()
        self._client.close()

    def send(self, letter: Letter) -> None:
        """Send one letter; raise SendingError if the server did not take it."""
        address = check_address(letter.address)
        mail = write_mail(letter, self._way, self._clock.now())
        try:
            with self._explained():
                self._client.sendmail(self._way.setup["from"], [address], mail)
        except SendingError:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._client.rset()
            raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise explain(error, self._host, self._port) from error


def write_mail(letter: Letter, way: Way, now: datetime) -> bytes:
    """Write the mail of a letter whose address has been judged."""
    house, sender = way.house, way.setup["from"]
    domain = sender.rpartition("@")[2]
    name = wording.one_line(way.setup.get("from_name") or "Sekisho", 100)
    items = wording.items_of(letter, house)
    headers = [
        ("From", mime.write_address(name, sender)),
        ("To", mime.write_address(wording.one_line(letter.name, 100), letter.address)),
        ("Subject", mime.encode_words(wording.subject_of(letter, items))),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{letter.message_id}@{domain}>"),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 section 5: no vacation answers
        ("X-Auto-Response-Suppress", "All"),
        ("Content-Language", letter.language),
    ]
    if letter.thread:
        thread = f"<{letter.thread}@{domain}>"
        headers += [("In-Reply-To", thread), ("References", thread)]
    if letter.digest:
        headers += [("List-Id", f"Sekisho <notices.{domain}>"),
                    ("List-Unsubscribe", f"<{ways_address(house)}>")]  # fmt: skip
    text = wording.plain_mail(letter, house, items)
    html = wording.html_mail(letter, house, items)
    return mime.write_message(headers, letter.message_id, text, html)


def ways_address(house: House) -> str:
    """Return the page where a person chooses what is sent to them."""
    return f"{house.public_url}/my/notices/ways"


def check_address(address: str) -> str:
    """Return an address that mail can be sent to; raise SendingError for any other."""
    if _SIMPLE_ADDRESS.fullmatch(address):
        return address
    try:
        return Address(addr_spec=address).addr_spec
    except (MessageError, ValueError, IndexError) as error:
        raise letter_error(
            msg("“%(got)s” is not an address that mail can be sent to.",
                got=wording.one_line(address, 100)),
            msg("Correct the person's e-mail address, then send again."),
            final=True,
        ) from error  # fmt: skip


def explain(error: Exception, host: str, port: int) -> SendingError:
    """Say in plain words what a mail server's refusal or silence means, and what to do."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return _refused_letter(code, reply)
    if isinstance(error, smtplib.SMTPDataError):
        return _refused_letter(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPException):
        return _smtp_fault(error, host)
    return _network_fault(error, host, port)


def _refused_letter(code: int, reply: bytes | str) -> SendingError:
    return letter_error(
        msg("The mail server refused the mail: %(reply)s", reply=_reply(code, reply)),
        msg("Check the address; a mailbox may be full or gone."),
        final=code >= _PERMANENT,
    )


def _smtp_fault(error: smtplib.SMTPException, host: str) -> SendingError:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return channel_error(
            msg("The mail server refused the user name or password: %(reply)s",
                reply=_reply(error.smtp_code, error.smtp_error)),
            msg("Enter them again; some services want a password made for programs."),
        )  # fmt: skip
    if isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code == _WANTS_MORE:
        return channel_error(
            msg("The mail server asks for STARTTLS or a sign-in first: %(reply)s",
                reply=_reply(error.smtp_code, error.smtp_error)),
            msg("Choose STARTTLS, and enter the user name and password of the mail server."),
        )  # fmt: skip
    if isinstance(error, smtplib.SMTPSenderRefused):
        return channel_error(
            msg("The mail server refused the sender %(sender)s: %(reply)s",
                sender=error.sender, reply=_reply(error.smtp_code, error.smtp_error)),
            msg("Use a sender that this server may send for, or sign in."),
        )  # fmt: skip
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return channel_error(
            msg("%(host)s does not offer what is needed: %(why)s", host=host, why=_plain(error)),
            msg("Without STARTTLS nothing is sent in the clear: choose TLS (port 465), or another "
                "server."),
        )  # fmt: skip
    return channel_error(
        msg("%(host)s broke off: %(why)s", host=host, why=_plain(error)),
        msg("It is tried again by itself; if it stays so, look into the mail server's log."),
    )


def _network_fault(error: Exception, host: str, port: int) -> SendingError:
    if isinstance(error, ssl.SSLError):
        return explain_tls(error, host, port)
    if isinstance(error, socket.gaierror | UnicodeError):
        return channel_error(
            msg("The name %(host)s is not known (DNS).", host=host),
            msg("Check the address for a slip, and that this server can look names up."),
        )
    if isinstance(error, ConnectionRefusedError):
        return channel_error(
            msg("%(host)s refused the connection at port %(port)s.", host=host, port=port),
            msg("Check the port, and that the mail server runs."),
        )
    if isinstance(error, TimeoutError):
        return channel_error(
            msg("%(host)s did not answer within %(n)s seconds.", host=host, n=TIMEOUT_SECONDS),
            msg("Check that a firewall lets this server out; it is tried again by itself."),
        )
    return channel_error(
        msg("%(host)s could not be reached: %(why)s", host=host, why=_plain(error)),
        msg("Check that a firewall lets this server out; it is tried again by itself."),
    )


def _plain(error: Exception) -> Text:
    return Text("%(why)s", {"why": wording.one_line(str(error) or type(error).__name__, 200)})


def _reply(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return wording.one_line(f"{code} {text}", _LONGEST_REPLY)


def check_sender(address: str) -> str:
    """Return the sender's address; raise InvalidInputError if mail cannot come from it."""
    try:
        return Address(addr_spec=address.strip()).addr_spec
    except (MessageError, ValueError, IndexError) as error:
        raise InvalidInputError(
            msg("“%(got)s” is not an e-mail address.", got=address[:100]),
            hint=msg("Something like name@example.jp is expected."),
        ) from error
