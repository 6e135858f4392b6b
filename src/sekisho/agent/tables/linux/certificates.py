"""Table ``certificates`` of Linux: the system's bundle, files asked for, personal NSS stores."""

from collections.abc import Iterator
from pathlib import Path

import apsw

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.certificates import OWN_CERTIFICATE, rows_of, split_pem
from sekisho.agent.tables.columns import CERTIFICATES
from sekisho.agent.tables.host import Host, people
from sekisho.agent.tables.patterns import find, wanted

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_OWN_FOLDER = "/var/lib/sekisho-agent"
_PERSONAL_FOLDER = ".local/share/sekisho-agent"
_ADDED = "/usr/local/share/ca-certificates"
_ENDINGS = (".crt", ".pem", ".cer", ".der")
_NSS = ".pki/nssdb/cert9.db"
_SELECT = "SELECT a11 FROM nssPublic WHERE a0 = ?"
_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_CERTIFICATE_CLASS = bytes.fromhex("00000001")  # CKO_CERTIFICATE, big-endian in NSS's database


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (
        Table("certificates", CERTIFICATES, lambda w: certificates(host, w), frozenset({"path"})),
    )


def certificates(host: Host, where: Where) -> Iterator[Row]:
    """Yield the certificates of the paths asked for, or of all the usual places."""
    asked = [
        *wanted(where, "path"),
        *(path for pattern in wanted(where, "path~") for path in find(host.root, pattern)),
    ]
    for path in asked or _usual(host):
        if path.endswith("cert9.db"):
            yield from rows_of(read_nss(host.path(path)), path=path)
        else:
            data = host.read(path)
            if data is not None:
                yield from rows_of(_blocks(data), path=path)


def _usual(host: Host) -> Iterator[str]:
    bundle = next((path for path in _BUNDLES if host.exists(path)), None)
    if bundle is not None:
        yield bundle
    yield from (f"{_ADDED}/{name}" for name in host.names(_ADDED) if name.endswith(_ENDINGS))
    yield f"{_OWN_FOLDER}/{OWN_CERTIFICATE}"
    for account in people(host):
        yield f"{account.home}/{_PERSONAL_FOLDER}/{OWN_CERTIFICATE}"
        if host.exists(f"{account.home}/{_NSS}"):
            yield f"{account.home}/{_NSS}"


def _blocks(data: bytes) -> Iterator[bytes]:
    return split_pem(data) if b"-----BEGIN" in data else iter([data])


def read_nss(path: Path) -> Iterator[bytes]:
    """Yield the DER certificates of an NSS store (``cert9.db``), opened read-only."""
    if not path.exists():
        return
    try:
        store = apsw.Connection(f"file:{path}?mode=ro&immutable=1", flags=_READ_ONLY)
        try:
            found = list(store.execute(_SELECT, (_CERTIFICATE_CLASS,)))
        finally:
            store.close()
    except apsw.Error as error:
        raise Unreadable(f"the certificate store {path} could not be read: {error}") from None
    yield from (bytes(value) for (value,) in found if value)
