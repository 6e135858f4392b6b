"""Under which name a page is served, and whether that name is ours.

- Only ``localhost`` and the public name are ours; anything else in a Host header is refused, so
  that a foreign name resolved to our address (DNS rebinding) meets no cookie and no passkey.
- A bare address is accepted on the machine itself, but passkeys cannot be bound to it
  (WebAuthn level 3, section 5.1.2: an rp_id is a domain), so its ``rp_id`` is empty.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from sekisho.identity.model import Site
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

LOCAL = "localhost"
SECURE_COOKIE = "__Host-sekisho"  # RFC 6265bis section 4.1.3.2: this host, this path, TLS only
LOCAL_COOKIE = "sekisho_session"  # browsers refuse __Host- on http, so http://localhost has its own


def session_cookie_name(scheme: str) -> str:
    """Return the name of the session cookie for pages served by ``scheme``."""
    return SECURE_COOKIE if scheme == "https" else LOCAL_COOKIE


def find_site(scheme: str, host: str, public_name: str, hosts: frozenset[str]) -> Site:
    """Return the site for a Host header; raise InvalidInputError for a name that is not ours.

    ``hosts`` are further addresses this server listens at, such as ``192.0.2.7``.
    """
    name = host_name(host)
    if name and name in {LOCAL, public_name.lower()}:
        return Site(name, f"{scheme}://{host.lower()}")
    if _is_local_address(name) or (name in hosts and _is_address(name)):
        return Site("", f"{scheme}://{host.lower()}")
    raise InvalidInputError(
        msg("“%(got)s” is not a name of this server.", got=host[:200]),
        hint=msg(
            "Open it as %(names)s, or set the name with: sekisho up --public-name NAME",
            names=", ".join(sorted({LOCAL, public_name.lower()} - {""})),
        ),
    )


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without port and brackets; "" if unreadable."""
    try:
        parts = urlsplit(f"//{host}")
        plain = not (parts.path or parts.query or parts.fragment or parts.username)
        readable = plain and (parts.port or 0) >= 0
    except ValueError:
        return ""
    return (parts.hostname or "") if readable else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_local_address(name: str) -> bool:
    return _is_address(name) and ip_address(name).is_loopback


def safe_next(target: str) -> str:
    """Return where to go after a sign-in: a path on this site, "/" for anything else."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if plain and target.isprintable() and "\\" not in target else "/"
