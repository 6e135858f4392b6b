"""Files from an address: HTTPS only, bounded, and asked again only when they changed."""

import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from sekisho.detection.library import LARGEST_DOWNLOAD
from sekisho.kernel.errors import InvalidInputError, TooLargeError, UnavailableError
from sekisho.kernel.i18n import msg

_SECONDS = 60.0
_MOST_REDIRECTS = 5
_NOT_MODIFIED = 304
_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave; ``content`` None if it has not changed since ``etag``."""

    name: str
    content: bytes | None
    etag: str


class Fetcher(Protocol):
    """Whoever can get a file from an address."""

    def fetch(self, address: str, etag: str) -> Fetched:
        """Return the file, or that it is the same; raise UnavailableError if it cannot be had."""


def check_address(address: str) -> str:
    """Return an address that may be asked; raise InvalidInputError for any other.

    Plain HTTP would let anyone on the way put rules in (or take them out), so it is refused but
    for this machine itself.
    """
    parts = urlsplit(address.strip())
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if (
        parts.hostname
        and not parts.username
        and parts.scheme in ({"https", "http"} if here else {"https"})
    ):
        return address.strip()
    raise InvalidInputError(
        msg("“%(address)s” is no address that can be fetched from.", address=address[:200]),
        hint=msg("Give an address that begins with https:// and holds no name or password."),
    )


class WebFetcher:
    """Fetches with httpx at most ``most`` bytes a file, and no step of a redirect by plain HTTP.

    ``proxy`` and the trusted authorities follow the machine's settings.
    """

    def __init__(self, client: httpx.Client | None = None, *, most: int = LARGEST_DOWNLOAD) -> None:
        self._most = most
        self._client = client or httpx.Client(
            timeout=_SECONDS, follow_redirects=True, max_redirects=_MOST_REDIRECTS,
            event_hooks={"request": [_check_step]},
        )  # fmt: skip

    def fetch(self, address: str, etag: str) -> Fetched:
        """Return the file at ``address``; at most a minute between two pieces."""
        headers = {"If-None-Match": etag} if etag else {}
        try:
            with self._client.stream("GET", check_address(address), headers=headers) as answer:
                if answer.status_code == _NOT_MODIFIED:
                    return Fetched("", None, etag)
                answer.raise_for_status()
                content = self._read(answer)
        except httpx.HTTPError as error:
            raise UnavailableError(
                msg("The file could not be fetched: %(why)s", why=_say(error)),
                hint=msg("Check the address and this server's way to it; what you have stays."),
            ) from error
        name = urlsplit(str(answer.url)).path.rsplit("/", 1)[-1] or "rules.zip"
        return Fetched(name, content, answer.headers.get("etag", "")[:200])

    def _read(self, answer: httpx.Response) -> bytes:
        found = bytearray()
        for piece in answer.iter_bytes():
            found += piece
            if len(found) > self._most:
                raise TooLargeError(
                    msg("The file has more than %(most)s MB.", most=self._most // 1024**2),
                    hint=msg("Give the address of something smaller."),
                )
        return bytes(found)


def _say(error: httpx.HTTPError) -> str:
    """Return why in the system's words, without its number."""
    return _NUMBER.sub("", str(error)) or repr(error)


def _check_step(request: httpx.Request) -> None:
    """Judge every address that is asked, those that redirects lead to as well."""
    check_address(str(request.url))
