"""A small real SMTP server on loopback that keeps what it is sent (RFC 5321, the part needed)."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mailbox:
    """What arrived, and whether the server refuses recipients."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    refusing: bool = False


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Talk SMTP until QUIT."""
        self._say("220 fake ready")
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ", 1)[0].split(":", 1)[0].upper()
            if word == "DATA":
                self._say("354 go on")
                self.server.mailbox.mails.append(self._read_mail())  # type: ignore[attr-defined]
                self._say("250 kept")
            elif word == "RCPT" and self.server.mailbox.refusing:  # type: ignore[attr-defined]
                self._say("550 no such mailbox")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _read_mail(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode()) not in (".\r\n", ""):
            lines.append(line.removeprefix("."))
        return "".join(lines)


@contextmanager
def running_smtp() -> Iterator[Mailbox]:
    """Serve until the block ends."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session) as server:
        server.daemon_threads = True
        mailbox = Mailbox(port=server.server_address[1])
        server.mailbox = mailbox  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield mailbox
        finally:
            server.shutdown()
            thread.join()
