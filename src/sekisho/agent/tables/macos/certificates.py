"""Table ``certificates`` of macOS: the system's and the person's keychains, or files asked for."""

from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Where
from sekisho.agent.tables.certificates import OWN_CERTIFICATE, rows_of, split_pem
from sekisho.agent.tables.columns import CERTIFICATES
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos.accounts import homes
from sekisho.agent.tables.patterns import wanted

_SECONDS = 15.0
_OWN_FOLDER = "/Library/Application Support/Sekisho"
_KEYCHAINS = (
    "/Library/Keychains/System.keychain",
    "/System/Library/Keychains/SystemRootCertificates.keychain",
)


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (
        Table("certificates", CERTIFICATES, lambda w: certificates(host, w), frozenset({"path"})),
    )


def certificates(host: Host, where: Where) -> Iterator[Row]:
    """Yield the certificates of keychains (``security find-certificate``) and PEM or DER files."""
    for path in wanted(where, "path") or _usual(host):
        if ".keychain" in path:
            if host.exists(path):
                yield from _keychain(host, path)
            continue
        data = host.read(path)
        if data is not None:
            blocks = split_pem(data) if b"-----BEGIN" in data else [data]
            yield from rows_of(blocks, path=path)


def _usual(host: Host) -> Iterator[str]:
    yield from _KEYCHAINS
    yield f"{_OWN_FOLDER}/{OWN_CERTIFICATE}"
    for _, home in homes(host):
        yield f"{home}{_OWN_FOLDER}/{OWN_CERTIFICATE}"
        yield f"{home}/Library/Keychains/login.keychain-db"


def _keychain(host: Host, path: str) -> Iterator[Row]:
    command = ["/usr/bin/security", "find-certificate", "-a", "-p", path]
    text = answer(host.run(command, timeout=_SECONDS), "security")
    yield from rows_of(split_pem(text.encode()), path=path)
