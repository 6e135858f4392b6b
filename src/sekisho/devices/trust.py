"""What a device is to trust for the server: our own CA, the organisation's, the public ones.

A kit outlives certificates. So it never names the one certificate that is shown today, but
authorities: our own CA always (it stands in when another one is late), those in the chain that
the server shows, and, for a name that a public authority could certify, the public ones. Then a
renewal and a change between our own CA and ACME need no new kit.
"""

import ipaddress
import re
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

# Names that no public authority certifies: RFC 6761, 6762, 8375, ICANN's “internal”.
_PRIVATE_ENDINGS = frozenset(
    {"alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local"}
    | {"localhost", "onion", "test"}
)
_PEM = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def is_public_name(host: str) -> bool:
    """Tell whether a public authority could give a certificate for ``host``."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.rstrip(".").lower().split(".")
        return len(labels) > 1 and all(labels) and labels[-1] not in _PRIVATE_ENDINGS
    return False


def pick_authorities(chain_pem: str) -> str:
    """Return the authorities of a shown chain as PEM; the certificate itself if it stands alone.

    A chain without an authority leaves nothing else to trust: such a certificate needs new kits
    when it is renewed. Raises ``ValueError`` when it is not PEM.
    """
    if not chain_pem.strip():
        return ""
    chain = x509.load_pem_x509_certificates(chain_pem.encode("ascii"))
    authorities = [one for one in chain if _is_authority(one)]
    return _as_pem(authorities or chain)


def read_public_roots() -> str:
    """Return the authorities that this computer trusts for public names, as PEM; "" without any."""
    path = ssl.get_default_verify_paths().cafile
    for candidate in (path, *_BUNDLES):
        if candidate and Path(candidate).is_file():
            # Not parsed: some roots still in use are not as today's rules want them.
            text = Path(candidate).read_text(encoding="utf-8", errors="replace")
            return "".join(f"{block}\n" for block in _PEM.findall(text))
    return ""


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _as_pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in certificates)
