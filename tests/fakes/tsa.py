"""A real time-stamp authority of one's own: OpenSSL signs, a small HTTP server asks it."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CONFIG = """
[req]
distinguished_name=dn
prompt=no
[dn]
CN=Sekisho test TSA
[ca]
basicConstraints=critical,CA:true
keyUsage=critical,keyCertSign
[tsa_cert]
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
[tsa]
default_tsa=tsa_config
[tsa_config]
serial={folder}/serial
crypto_device=builtin
signer_cert={folder}/tsa.pem
signer_key={folder}/tsa.key
signer_digest=sha256
default_policy=1.2.3.4.1
digests=sha256
accuracy=secs:1
ess_cert_id_chain=no
ess_cert_id_alg=sha256
"""


@dataclass
class Authority:
    """Where it listens, its root certificate, and what it does to its answers."""

    folder: Path
    url: str = ""
    spoil: Callable[[bytes], bytes] = field(default=lambda answer: answer)

    @property
    def root(self) -> Path:
        """Return the root certificate."""
        return self.folder / "ca.pem"

    def reply(self, query: bytes) -> bytes:
        """Stamp a query."""
        (self.folder / "query").write_bytes(query)
        _openssl(self.folder, "ts", "-reply", "-config", "config", "-queryfile", "query",
                 "-out", "answer")  # fmt: skip
        return self.spoil((self.folder / "answer").read_bytes())


def make_authority(folder: Path) -> Authority:
    """Make the keys and certificates."""
    folder.mkdir()
    (folder / "config").write_text(_CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    key = ("-newkey", "rsa:2048", "-nodes", "-config", "config", "-days", "30")
    _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem",
             "-subj", "/CN=Sekisho test root", "-extensions", "ca")  # fmt: skip
    _openssl(folder, "req", *key[:-2], "-keyout", "tsa.key", "-out", "tsa.csr")
    _openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-days", "30", "-out", "tsa.pem", "-extfile", "config",
             "-extensions", "tsa_cert")  # fmt: skip
    return Authority(folder)


@contextmanager
def running_tsa(folder: Path) -> Iterator[Authority]:
    """Serve until the block ends."""
    authority = make_authority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer a time-stamp query (RFC 3161 section 3.4)."""
            query = self.rfile.read(int(self.headers["Content-Length"]))
            answer = authority.reply(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
