"""Where a webhook may go: https to public addresses, unless the settings name places inside.

The name is resolved once and the connection goes to the very address that was judged, so that a
name cannot point elsewhere a moment later (DNS rebinding). Redirects are never followed.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.notices.sources.carrier import channel_error

_HTTPS = 443
_LONGEST_URL = 2_000
# Networks that carry an IPv4 address inside: RFC 6052 section 2.1, RFC 3056 section 2.
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True)
class Target:
    """A judged place: the address to connect to, the name to expect, and the rest of the URL."""

    address: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """Return the URL by address; the name goes into Host and the handshake."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        """Return the value of Host (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTPS else f"{host}:{self.port}"


def check_url(url: str) -> SplitResult:
    """Return the parts of a webhook's URL; raise InvalidInputError if it can be none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad(msg("This is not an address.")) from error
    if parts.scheme != "https":
        raise _bad(msg("It must begin with https://."))
    if parts.username is not None or parts.password is not None:
        raise _bad(msg("It must not hold a user name."))
    if not parts.hostname or port == 0 or len(url) > _LONGEST_URL:
        raise _bad(msg("This is not an address."))
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _bad(msg("It must be plain ASCII without blanks."))
    return parts


def _bad(why: Text) -> InvalidInputError:
    return InvalidInputError(
        msg("The webhook address cannot be used. %(why)s", why=why),
        hint=msg("Copy it again, whole, from where the other side shows it."),
    )


def find_target(url: str, inside: Sequence[str]) -> Target:
    """Resolve and judge; raise SendingError for an unknown name or a place inside."""
    parts = check_url(url)
    host, port = parts.hostname or "", parts.port or _HTTPS
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise channel_error(
            msg("The name %(host)s is not known (DNS).", host=host),
            msg("Check the address for a slip, and that this server can look names up."),
        ) from error
    addresses = [str(entry[4][0]).split("%", 1)[0] for entry in found]
    if not _named(host, inside):
        for address in addresses:
            _refuse_inside(host, address, inside)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # One address is used, so IPv4 first: a machine without a way out by IPv6 may still be told one.
    return Target(min(addresses, key=lambda address: ":" in address), host, port, path)


def _refuse_inside(host: str, address: str, inside: Sequence[str]) -> None:
    if is_public(address) or _listed(address, inside):
        return
    raise channel_error(
        msg("%(host)s leads to %(address)s, which is not a public address.",
            host=host, address=address),
        msg("If this place inside is meant, name it in the setting webhooks_inside."),
    )  # fmt: skip


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public Internet, also where it wraps an IPv4 one."""
    return all(part.is_global and not part.is_multicast for part in _unwrapped(address))


def _unwrapped(address: str) -> list[IPv4Address | IPv6Address]:
    found = ip_address(address)
    if isinstance(found, IPv4Address):
        return [found]
    if found.ipv4_mapped is not None:
        return [found.ipv4_mapped]
    if found in _NAT64:
        return [IPv4Address(found.packed[-4:])]
    if found in _SIX_TO_FOUR:
        return [found, IPv4Address(found.packed[2:6])]
    return [found]


def _named(host: str, inside: Sequence[str]) -> bool:
    return host.lower() in {name.lower() for name in inside}


def _listed(address: str, inside: Sequence[str]) -> bool:
    wanted = ip_address(address)
    for name in inside:
        try:
            if wanted in ip_network(name, strict=False):
                return True
        except ValueError:  # a host name
            continue
    return False
