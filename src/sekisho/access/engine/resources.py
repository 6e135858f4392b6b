"""What a resource must be to be served; every fault is named."""

import ipaddress
import re
from collections.abc import Iterator
from datetime import timedelta

from sekisho.access.model import DESKTOPS, Resource, ResourceKind, Trust, Upstream
from sekisho.identity.model import Strength
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg

_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_PIN = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 200
_LONGEST_NOTE = 2_000
_LONGEST_HOST = 253  # RFC 1035 section 2.3.4, less the final dot
_MOST_UPSTREAMS = 16
_MOST_PORTS = 64
_HIGHEST_PORT = 65_535
_LONGEST_AGE = timedelta(hours=12)
_LONGEST_PEM = 100_000


def list_faults(resource: Resource) -> list[Text]:
    """List what is wrong with a resource; [] is fine."""
    return [*_names(resource), *_places(resource), *_demands(resource)]


def _names(resource: Resource) -> Iterator[Text]:
    if not _KEY.fullmatch(resource.key):
        yield msg("The short name has 1 to 63 of a-z, 0-9 and “-”.")
    if not (resource.name_ja.strip() or resource.name_en.strip()):
        yield msg("It needs a name in Japanese or English.")
    if max(len(resource.name_ja), len(resource.name_en)) > _LONGEST_NAME:
        yield msg("A name has at most %(n)s characters.", n=_LONGEST_NAME)
    if len(resource.note) > _LONGEST_NOTE:
        yield msg("The note is longer than %(n)s characters.", n=_LONGEST_NOTE)
    if not is_host_name(resource.public_host):
        yield msg("“%(got)s” is not a host name.", got=resource.public_host[:80])


def is_host_name(name: str) -> bool:
    """Tell whether ``name`` can be the name of a host: lower case, no port, no address."""
    labels = name.split(".")
    numeric = labels[-1].isdecimal()
    return len(name) <= _LONGEST_HOST and not numeric and all(map(_LABEL.fullmatch, labels))


def write_upstream(upstream: Upstream) -> str:
    """Write an address as one line: ``tls://wiki.lan:443 name-in-its-certificate``."""
    scheme = "tls" if upstream.tls else "tcp"
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    name = f" {upstream.tls_name}" if upstream.tls_name else ""
    return f"{scheme}://{host}:{upstream.port}{name}"


def read_upstream(line: str) -> Upstream:
    """Read what ``write_upstream`` writes; raise InvalidInputError for what is none."""
    address, _, name = line.strip().partition(" ")
    scheme, found, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in {"tcp", "http", "tls", "https"} or not found or not port.isdecimal():
        raise InvalidInputError(
            msg("“%(got)s” is not an address behind the gate.", got=line[:80]),
            hint=msg("One a line, for example tcp://10.0.0.5:8080 or tls://wiki.lan:443."),
        )
    plain = host.removeprefix("[").removesuffix("]")
    return Upstream(plain, int(port[:9]), scheme in {"tls", "https"}, name.strip())


def _places(resource: Resource) -> Iterator[Text]:
    if not 1 <= len(resource.upstreams) <= _MOST_UPSTREAMS:
        yield msg("It needs 1 to %(n)s addresses behind the gate.", n=_MOST_UPSTREAMS)
    elif resource.kind in DESKTOPS and len(resource.upstreams) != 1:
        yield msg("A desktop has exactly one address behind the gate.")
    for upstream in resource.upstreams:
        if not _is_reachable(upstream):
            yield msg("“%(host)s:%(port)s” is not an address behind the gate.",
                      host=upstream.host[:80], port=upstream.port)  # fmt: skip
    if len(resource.ports) > _MOST_PORTS or not all(map(_is_port, resource.ports)):
        yield msg("Ports are numbers from 1 to 65535, at most %(n)s.", n=_MOST_PORTS)
    if resource.ports and resource.kind is not ResourceKind.TCP:
        yield msg("Only a TCP resource has a list of ports.")


def _is_reachable(upstream: Upstream) -> bool:
    return _is_port(upstream.port) and (is_host_name(upstream.host) or _is_unicast(upstream.host))


def _is_unicast(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified or address.is_link_local)


def _is_port(port: int) -> bool:
    return 0 < port <= _HIGHEST_PORT


def _demands(resource: Resource) -> Iterator[Text]:
    browser = resource.least_trust is Trust.BROWSER
    if browser and resource.kind is ResourceKind.TCP:
        yield msg(
            "A TCP tunnel needs a device with a certificate; a browser alone cannot have one."
        )
    if browser and resource.least_strength < Strength.TWO:
        yield msg("What any browser may open needs two factors at least.")
    age = resource.most_mfa_age
    if age is not None and not timedelta(0) < age <= _LONGEST_AGE:
        yield msg("The age of a sign-in is between 1 minute and 12 hours.")
    if resource.pin and not _PIN.fullmatch(resource.pin):
        yield msg("A pinned certificate is named by 64 hexadecimal digits (SHA-256).")
    if len(resource.ca_pem) > _LONGEST_PEM or (
        resource.ca_pem and "-----BEGIN CERTIFICATE-----" not in resource.ca_pem
    ):
        yield msg("The authority of the address behind the gate must be a PEM certificate.")
