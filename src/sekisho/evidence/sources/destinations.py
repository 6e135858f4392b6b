"""Where checkpoints go when they leave this machine: a file, a mailbox, a time-stamp authority.

Every destination takes one signed line and returns a receipt (bytes, or None); it raises
UnavailableError with the reason if the line did not arrive. A file may get a line twice (a crash
between writing and noting it); readers of checkpoints accept that.
"""

import os
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from sekisho.evidence.engine import timestamps
from sekisho.evidence.sources.shelf import sync_folder
from sekisho.kernel.errors import InvalidInputError, UnavailableError
from sekisho.kernel.i18n import Text, msg, system_reason
from sekisho.kernel.settings import Settings

_TIMEOUT_SECONDS = 20
_LARGEST_ANSWER = 1024 * 1024


class Destination(Protocol):
    """One place outside, known by ``name`` in the state that people see."""

    name: str

    def send(self, line: bytes) -> bytes | None:
        """Send one checkpoint line; return a receipt if the destination gives one."""
        ...


class FileDestination:
    """Appends to a file, such as one on a mounted share, and syncs it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"file:{path}"

    def send(self, line: bytes) -> None:
        """Append the line; raise UnavailableError if it is not safely there."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = not self.path.exists()
            self._append(line + b"\n")
            if fresh:
                sync_folder(self.path.parent)
        except OSError as error:
            raise UnavailableError(
                msg("The checkpoint could not be appended to %(path)s: %(why)s",
                    path=self.path, why=system_reason(error)),
                hint=msg("Check that the share is mounted and has space."),
            ) from error  # fmt: skip

    def _append(self, data: bytes) -> None:
        """Append whole lines only: a torn end from an earlier crash or full disk is closed."""
        with self.path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                data = data if file.read(1) == b"\n" else b"\n" + data
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


class MailDestination:
    """Sends each checkpoint as a mail; ``server`` is ``smtp[s|+starttls]://[user:pw@]host[:port]``."""

    def __init__(self, address: str, server: str, context: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.name = f"mail:{address}"
        self._server = urlsplit(server)
        self._context = context or ssl.create_default_context()
        if self._server.scheme not in ("smtp", "smtps", "smtp+starttls") or not (
            self._server.hostname
        ):
            raise InvalidInputError(
                msg("“%(got)s” is not a mail server; smtp://HOST:PORT, smtps:// or "
                    "smtp+starttls:// is expected.", got=self._server.hostname or server)
            )  # fmt: skip

    def send(self, line: bytes) -> None:
        """Send the mail; raise UnavailableError if the server did not take it."""
        mail = EmailMessage()
        mail["From"] = self.address
        mail["To"] = self.address
        mail["Subject"] = "Sekisho evidence checkpoint / 証拠チェックポイント"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(line.decode() + "\n", cte="base64")
        try:
            with self._connect() as client:
                client.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise UnavailableError(
                msg("The checkpoint could not be mailed to %(address)s: %(why)s",
                    address=self.address, why=error),
                hint=msg("Check the settings checkpoint_mail and smtp."),
            ) from error  # fmt: skip

    def _connect(self) -> smtplib.SMTP:
        host, port = self._server.hostname or "", self._server.port or 0
        if self._server.scheme == "smtps":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=_TIMEOUT_SECONDS, context=self._context
            )
        else:
            client = smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
        try:
            self._sign_in(client)
        except BaseException:
            client.close()
            raise
        return client

    def _sign_in(self, client: smtplib.SMTP) -> None:
        if self._server.scheme == "smtp+starttls":
            client.starttls(context=self._context)
        if self._server.username:
            client.login(unquote(self._server.username), unquote(self._server.password or ""))


class TimestampDestination:
    """Has the line's digest time-stamped by an RFC 3161 authority; the token is the receipt."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"tsa:{url}"

    def send(self, line: bytes) -> bytes:
        """Return the authority's answer (DER); raise UnavailableError if it is not one."""
        import httpx  # noqa: PLC0415 - 9 MiB with what it brings, and few ask it
        from rfc3161_client import (  # noqa: PLC0415 - the same
            HashAlgorithm,
            TimestampRequestBuilder,
            decode_timestamp_response,
        )

        request = (
            TimestampRequestBuilder()
            .data(line)
            .hash_algorithm(HashAlgorithm.SHA256)
            .cert_request(cert_request=True)
            .build()
        )
        try:
            answer = self._ask(request.as_bytes())
            timestamps.check_imprint(answer, line)
            if decode_timestamp_response(answer).tst_info.nonce != request.nonce:
                raise UnavailableError(self._say(msg("the answer belongs to another request")))
        except (httpx.HTTPError, ValueError, InvalidInputError) as error:
            raise UnavailableError(
                self._say(error), hint=msg("Check the setting checkpoint_tsa.")
            ) from error
        return answer

    def _ask(self, body: bytes) -> bytes:
        """Post the request (RFC 3161 section 3.4); read no more than a token can need."""
        import httpx  # noqa: PLC0415 - the same

        kind = {"Content-Type": "application/timestamp-query"}
        found = b""
        with httpx.stream(
            "POST", self.url, content=body, headers=kind, timeout=_TIMEOUT_SECONDS
        ) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                found += part
                if len(found) > _LARGEST_ANSWER:
                    raise UnavailableError(self._say(msg("the answer is too long")))
        return found

    def _say(self, why: object) -> Text:
        return msg("The time-stamp authority %(url)s gave no token: %(why)s", url=self.url, why=why)


def open_destinations(settings: Settings) -> list[Destination]:
    """Return the destinations that the settings name; the data folder's own file is the first.

    The file in the data folder serves export and accidents; it does not leave the machine.
    Raises InvalidInputError for a mail destination without a server.
    """
    found: list[Destination] = [FileDestination(local_file(settings.data))]
    found += [FileDestination(Path(path)) for path in _split(settings.checkpoint_file)]
    found += [MailDestination(a, settings.smtp) for a in _split(settings.checkpoint_mail)]
    found += [TimestampDestination(url) for url in _split(settings.checkpoint_tsa)]
    return found


def local_file(data: Path) -> Path:
    """Return the file of checkpoints inside the data folder."""
    return data / "checkpoints" / "checkpoints.jsonl"


def own_destination(data: Path) -> str:
    """Return the name of the one destination that does not leave the machine."""
    return FileDestination(local_file(data)).name


def _split(value: str) -> Sequence[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
