"""A real mail server (aiosmtpd) on loopback: TLS or STARTTLS, a password, and moods."""

import asyncio
import email
import email.policy
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from fakes.tls import Credentials


@dataclass
class MailServer:
    """What arrived, and how the server answers: by recipient, or for everyone."""

    port: int = 0
    credentials: Credentials | None = None
    mails: list[EmailMessage] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    sessions: int = 0

    async def handle_RCPT(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or refuse as told."""
        del session, options
        if self.hang_up:
            assert server.transport is not None
            server.transport.close()
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        del server, session
        content = envelope.content
        assert isinstance(content, bytes)
        made = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.mails.append(made)
        return "250 kept"


def _check(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    del server, session, envelope, mechanism
    good = isinstance(data, LoginPassword) and data == LoginPassword(b"sekisho", b"hiraku-goma")
    return AuthResult(success=good, handled=False)


@contextmanager
def refusing_port() -> Iterator[int]:
    """Keep a port of loopback at which nobody serves: another test might else begin to there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def running_mail_server(
    credentials: Credentials | None = None, *, tls: bool = False, starttls: bool = False,
    password: bool = False,
) -> Iterator[MailServer]:  # fmt: skip
    """Serve on a free port of loopback until the block ends."""
    server = MailServer(credentials=credentials)
    context = credentials.server_context() if credentials else None
    loop = asyncio.new_event_loop()

    def make() -> SMTP:
        server.sessions += 1
        return SMTP(
            server,
            hostname="mail.test",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=_check if password else None,
            auth_required=password,
            auth_require_tls=starttls,
            loop=loop,
        )

    async def start() -> asyncio.Server:
        return await loop.create_server(make, "127.0.0.1", 0, ssl=context if tls else None)

    listening = loop.run_until_complete(start())
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_stop(listening), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(listening: asyncio.Server) -> None:
    listening.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)
