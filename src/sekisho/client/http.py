"""One connection to a Sekisho server: a token, a trusted CA, typed answers.

Errors come back as what the server raised: the same kind, message and hint. Certificates are
always checked; a server with its own CA is trusted by naming that CA's file.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from sekisho.kernel import errors
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import Secret

T = TypeVar("T")
_TIMEOUT_SECONDS = 30.0
_KINDS: Mapping[int, type[errors.SekishoError]] = {
    kind.status: kind
    for kind in (
        errors.InvalidInputError,
        errors.UnauthenticatedError,
        errors.NotPermittedError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.TooLargeError,
        errors.UnavailableError,
    )
}


class Refusal(msgspec.Struct):
    """The body of every error the server answers with."""

    error: str
    hint: str = ""


class Connection:
    """Asks a server and decodes what it answers."""

    def __init__(self, url: str, token: Secret, ca: Path | None = None) -> None:
        trusted = _trust(ca)
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"},
            verify=trusted,
            timeout=_TIMEOUT_SECONDS,
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        **names: str,
    ) -> T:
        """Ask and return the answer as ``kind`` (``bytes`` is given as it came).

        ``path`` is written as in the API's document; ``names`` fill what stands in braces.
        Raises the server's own kind of error, UnavailableError where it cannot be reached, and
        InvalidInputError for an answer of another shape (a server of another version).
        """
        path = path.format_map({name: quote(value, safe="") for name, value in names.items()})
        answer = self._send(method, path, query, body)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise _refused(answer)
        if kind is bytes:
            return answer.content  # type: ignore[return-value]  # T is bytes here
        try:
            return msgspec.json.decode(answer.content or b"null", type=kind)
        except msgspec.MsgspecError as error:
            raise errors.InvalidInputError(
                msg("The answer of %(path)s has another shape than expected: %(why)s",
                    path=path, why=error),
                hint=msg("Use the client of the server's version."),
            ) from error  # fmt: skip

    def _send(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: object
    ) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        asked = {name: value for name, value in (query or {}).items() if value not in {None, ""}}
        try:
            return self._http.request(method, path, params=asked, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise errors.UnavailableError(
                msg("%(url)s cannot be reached: %(why)s", url=self._http.base_url, why=error),
                hint=msg("Check the address, the network and the CA file."),
            ) from error


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidInputError(
            msg("%(path)s cannot be used as the CA to trust: %(why)s", path=ca, why=error),
            hint=msg("Name the PEM file of the server's CA (ca/ca.pem in its data folder)."),
        ) from error


def _refused(answer: httpx.Response) -> errors.SekishoError:
    try:
        said = msgspec.json.decode(answer.content, type=Refusal)
    except msgspec.MsgspecError:
        said = Refusal(f"HTTP {answer.status_code}")
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        wait = int(answer.headers.get("Retry-After", "60"))
        return errors.RateLimitedError(said.error, retry_after_seconds=wait, hint=said.hint)
    other = errors.UnavailableError if answer.is_server_error else errors.SekishoError
    kind = _KINDS.get(answer.status_code, other)
    return kind(said.error, hint=said.hint)
