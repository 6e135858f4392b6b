"""What the gate is to serve, as plain values from which Envoy's configuration is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sekisho.access.model import Door, Resource
from sekisho.kernel.settings import Address

COOKIES: Mapping[Door, str] = {
    Door.DEVICE: "__Host-sekisho",
    Door.BROWSER: "__Host-sekisho-browser",
}
"""The gate's cookie at each door; the prefix binds it to its host and to TLS (RFC 6265bis)."""
IDENTITY_PREFIX = "x-sekisho-"
"""Headers of this prefix tell an app who asks; only the gate sets them."""
CLAIM_HEADERS: Mapping[str, str] = {
    "user": "sub", "email": "email", "session": "sid", "device": "dev", "audience": "aud",
    "certificate": "crt",
}  # fmt: skip
"""In which headers of ours a verified cookie's claims come to the script at the door."""
INNER_HEADERS: Sequence[str] = (IDENTITY_PREFIX + "audience", IDENTITY_PREFIX + "certificate")
"""Those that only the script reads; no app is told."""
CLAIMED_HEADERS: Sequence[str] = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    "x-forwarded-prefix", "x-forwarded-server", "x-forwarded-user", "x-real-ip", "x-client-ip",
    "true-client-ip", "x-original-url", "x-original-host", "x-rewrite-url", "proxy",
)  # fmt: skip
"""What proxies tell apps, and apps believe: nobody stands before the gate, so a client made it up.

``proxy`` becomes HTTP_PROXY in a CGI program (CVE-2016-5385).
"""
OWN_PREFIX = "/.sekisho/"
"""Paths of the gate itself on every host that it serves."""
ISSUER = "sekisho-gate"
SAMPLE_HOST = "sample.sekisho.internal"
"""The upstream that is the gate's own small sample app."""
DESKTOP_SOCKET = "desktop.sock"
"""Where the gate serves the pages of desktops in the browser."""
RELAY_SOCKET = "relay.sock"
"""Where the relay takes their WebSockets."""
RELAY_PATH = "/socket"
RESOURCE_HEADER = IDENTITY_PREFIX + "resource"
"""Tells the gate's own pages which resource is meant; set by the route alone."""
DEVICE_SAN = "sekisho:device:"


def audience_of(resource: str, door: Door) -> str:
    """Return whom a cookie is for: one resource at one door (RFC 7519 section 4.1.3)."""
    return f"{resource}@{door.value}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds against slow and greedy peers; seconds, KiB and counts."""

    connections: int = 20_000
    header_seconds: int = 10
    body_seconds: int = 3600  # a whole upload; whoever sends nothing is idle much sooner
    handshake_seconds: int = 10
    idle_seconds: int = 300
    unused_seconds: int = 60  # of a connection without a request, half a head of HTTP/2 included
    header_kib: int = 48
    headers: int = 100
    kept_seconds: int = 12 * 3600  # of a tunnel that may outlive the decision process
    close_milliseconds: int = 50
    upstream_seconds: int = 5
    long_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Secrets:
    """The chain and key (PEM) that the gate shows, and the authorities of devices (PEM)."""

    chain: str
    key: str
    device_authority: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that Envoy is told.

    ``doors`` say where each listens. ``jwks`` is the public key of cookies (RFC 7517). ``denied``
    names, per resource, access sessions whose cookie is no longer good. ``keep_tunnels``: tunnels
    outlive the decision process (new ones never open without it). ``generation`` names the process
    then: what lived on without one cannot be held again, so a new one's name ends it in seconds.
    ``authorities`` is the file of those that this machine trusts, "" if there is none: apps whose
    TLS leans on them are not reached then.
    """

    doors: Mapping[Door, Address]
    resources: Sequence[Resource]
    secrets: Secrets
    jwks: str
    denied: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keep_tunnels: bool = False
    generation: str = ""
    authorities: str = ""
    limits: Limits = field(default_factory=Limits)
