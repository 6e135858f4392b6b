"""The certificate that the gate shows: for its own name and for every resource's host."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from sekisho.access.model import Resource
from sekisho.server.bootstrap import House
from sekisho.server.certificates import covered_names, needs_renewal, write_private
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.plan import Secrets

# Debian, Red Hat, SUSE, Alpine and the BSDs, in this order.
_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
)  # fmt: skip
_LOCAL = ("localhost", "127.0.0.1", "::1")


def gate_secrets(house: House, resources: Sequence[Resource]) -> Secrets:
    """Return the organisation's own certificate where it covers all names, else one of our CA."""
    names = gate_names(house, resources)
    authority = house.authority.certificate_pem
    own = _own(house, names)
    if own is not None:
        return Secrets(own[0], own[1], authority)
    folder = gate_folder(house.settings.data)
    chain, key = folder / "server.pem", folder / "server.key"
    if not (chain.is_file() and key.is_file()) or _is_due(house, chain, names):
        issued = house.authority.issue_server(names, house.clock.now())
        write_private(key, issued.key_pem)
        write_private(chain, issued.certificate_pem + authority)
    return Secrets(chain.read_text("ascii"), key.read_text("ascii"), authority)


def gate_names(house: House, resources: Sequence[Resource]) -> list[str]:
    """List the names under which the gate is reached."""
    settings = house.settings
    first = [name for name in (settings.gate_name, settings.public_name) if name]
    hosts = sorted({each.public_host.lower() for each in resources if each.public_host})
    return list(dict.fromkeys([*first, *_LOCAL, *hosts]))


def _own(house: House, names: Sequence[str]) -> tuple[str, str] | None:
    """Return chain and key of the organisation's certificate if it is for every wanted name."""
    settings = house.settings
    if not settings.certificate:
        return None
    chain, key = Path(settings.certificate), Path(settings.certificate_key)
    covered = set(covered_names(x509.load_pem_x509_certificate(chain.read_bytes())))
    wanted = [name for name in names if name not in _LOCAL]
    if all(name in covered or f"*.{name.partition('.')[2]}" in covered for name in wanted):
        return chain.read_text("ascii"), key.read_text("ascii")
    return None


def _is_due(house: House, chain: Path, names: list[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    return needs_renewal(certificate, names, house.clock.now())


def machine_authorities() -> str:
    """Return the file of the authorities that this machine trusts, "" if none is found.

    Envoy has to be told a file: it takes no "those of the system" where a name is checked.
    """
    told = ssl.get_default_verify_paths().cafile or ""
    return next((each for each in (told, *_AUTHORITIES) if each and Path(each).is_file()), "")
