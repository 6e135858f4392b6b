"""What Envoy asks, freed of protobuf: who is at which door, for what, showing what."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509

from sekisho.access.model import Door
from sekisho.kernel.i18n import preferred_language
from sekisho.kernel.ids import DeviceID
from sekisho.server.gate.plan import DEVICE_SAN


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as Envoy tells of it; header names are in lower case.

    ``door`` is None if the script at the door did not run. ``cookie`` and ``state``
    are the gate's own cookies, taken off by then. ``device`` and ``serial`` come from the verified
    certificate alone. ``server`` is the name in the TLS handshake.
    """

    door: Door | None
    method: str
    authority: str
    path: str
    headers: Mapping[str, str]
    address: str
    server: str
    cookie: str = ""
    state: str = ""
    device: DeviceID | None = None
    serial: str = ""

    @property
    def host(self) -> str:
        """Return the host without its port, in lower case."""
        return host_of(self.authority)

    @property
    def is_tunnel(self) -> bool:
        """Tell whether this is a CONNECT for a tunnel (RFC 9110 section 9.3.6).

        A WebSocket of HTTP/2 (RFC 8441) is none: Envoy has turned it into a GET by then.
        """
        return self.method == "CONNECT"

    @property
    def is_visit(self) -> bool:
        """Tell whether a person looks at a page, so that leading them elsewhere makes sense."""
        mode = self.headers.get("sec-fetch-mode", "navigate")
        wants_page = "text/html" in self.headers.get("accept", "")
        return self.method in {"GET", "HEAD"} and mode == "navigate" and wants_page

    @property
    def language(self) -> str:
        """Return the language that the caller asks for."""
        return preferred_language(self.headers.get("accept-language", ""))


def host_of(authority: str) -> str:
    """Return the host of ``host[:port]`` in lower case, without a trailing dot."""
    name = authority.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


def read_asked(request: Any) -> Asked:
    """Read a ``CheckRequest`` of ext_authz."""
    found, http = request.attributes, request.attributes.request.http
    own = _own(found)
    device, serial = read_certificate(found.source.certificate)
    door = own.get("door", "")
    return Asked(
        door=Door(door) if door in set(Door) else None,
        method=http.method,
        authority=http.host,
        path=http.path,
        headers=dict(http.headers),
        address=found.source.address.socket_address.address,
        server=found.tls_session.sni.lower(),
        cookie=own.get("cookie", ""),
        state=own.get("state", ""),
        device=device,
        serial=serial,
    )


def _own(attributes: Any) -> dict[str, str]:
    told = attributes.metadata_context.filter_metadata
    if "sekisho" not in told:
        return {}
    return {name: value.string_value for name, value in told["sekisho"].fields.items()}


@lru_cache(maxsize=4_096)
def read_certificate(quoted: str) -> tuple[DeviceID | None, str]:
    """Return the device and serial number (hex) of a certificate that Envoy has verified.

    It is PEM as Envoy tells it: percent-encoded.
    """
    if not quoted:
        return None, ""
    certificate = x509.load_pem_x509_certificate(urllib.parse.unquote_to_bytes(quoted))
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None, ""
    for name in names.get_values_for_type(x509.UniformResourceIdentifier):
        if name.startswith(DEVICE_SAN):
            return DeviceID(name.removeprefix(DEVICE_SAN)), f"{certificate.serial_number:x}"
    return None, ""
