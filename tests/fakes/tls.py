"""A certificate for loopback, and the authority that a client has to trust for it."""

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files of a server, and the authority's certificate."""

    folder: Path
    authority: str

    def server_context(self) -> ssl.SSLContext:
        """Return a server's context with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context


def issue_for_loopback(folder: Path, *names: str) -> Credentials:
    """Make an authority and a certificate for ``names`` (localhost unless given)."""
    now = dt.datetime.now(dt.UTC)
    ca = CertificateAuthority.load_or_create(folder / "test-ca", SecretBox(bytes(32)), "Test", now)
    issued = ca.issue_server(names or ("localhost", "127.0.0.1"), now)
    (folder / "server.pem").write_text(issued.certificate_pem, encoding="ascii")
    (folder / "server.key").write_text(issued.key_pem, encoding="ascii")
    return Credentials(folder, ca.certificate_pem)
