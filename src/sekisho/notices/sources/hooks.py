"""Webhooks: Slack's, those of Teams workflows, and signed ones of the organisation's own.

- Slack (docs.slack.dev, "Sending messages using incoming webhooks"): 200 with the body ``ok``;
  one message a second; 429 with Retry-After; 403, 404 and 410 mean the webhook is gone.
- Teams: the connectors of Office 365 are gone; a workflow ("Send webhook alerts to a channel"
  and the like) takes an Adaptive Card and answers 202 before it posts. Older templates want the
  card wrapped as a message's attachment, newer ones want it bare, so the channel says which.
- Our own: ``X-Sekisho-Signature: t=SECONDS,v1=HEX`` where HEX is HMAC-SHA-256 of
  ``SECONDS.BODY`` under the channel's secret; ``X-Sekisho-Id`` is the same at every try.
"""

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import msgspec

from sekisho.kernel.clock import Clock
from sekisho.kernel.i18n import Text, msg
from sekisho.notices.engine import wording
from sekisho.notices.engine.retrying import Failure, Scope
from sekisho.notices.model import ChannelKind, Fault, Letter
from sekisho.notices.sources.carrier import SendingError, Way, channel_error
from sekisho.notices.sources.guard import Target, find_target
from sekisho.notices.sources.tls import explain_tls, make_context

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 15
_ANSWER_SHOWN = 200
_GONE = frozenset({401, 403, 404, 410})
_TOO_MANY = 429
_SERVER_FAULT = 500


class HookCarrier:
    """Posts letters to one webhook."""

    def __init__(self, kind: ChannelKind, way: Way, clock: Clock) -> None:
        self._kind = kind
        self._way = way
        self._clock = clock
        self.pause_seconds = 1.1 if kind is ChannelKind.SLACK else 0.3

    def __enter__(self) -> Self:
        """Judge where the address leads; raise SendingError if it may not be used."""
        self._target: Target = find_target(self._way.secrets["url"], self._way.inside)
        import httpx  # noqa: PLC0415 - 9 MiB with what it brings, and few ask it

        context = make_context(self._way.setup.get("ca", ""))
        self._client = httpx.Client(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, letter: Letter) -> None:
        """Post one letter; raise SendingError unless it was taken."""
        import httpx  # noqa: PLC0415 - the same

        body = msgspec.json.encode(self._message(letter))
        target = self._target
        try:
            with self._client.stream(
                "POST", target.url, content=body, headers=self._headers(letter, body),
                extensions={"sni_hostname": target.host},
            ) as answer:  # fmt: skip
                self._judge(answer, _read_start(answer))
        except httpx.HTTPError as error:
            raise _unreachable(error, target) from error

    def _message(self, letter: Letter) -> dict[str, Any]:
        if self._kind is ChannelKind.SLACK:
            return wording.slack_message(letter, self._way.house)
        if self._kind is ChannelKind.TEAMS:
            return wording.teams_message(
                letter, self._way.house, wrapped=self._way.setup.get("card") != "bare"
            )
        return wording.webhook_message(letter, self._way.house)

    def _headers(self, letter: Letter, body: bytes) -> dict[str, str]:
        headers = {
            "Host": self._target.host_header,
            "Content-Type": "application/json",
            "User-Agent": "Sekisho",
        }
        if self._kind is ChannelKind.WEBHOOK:
            seconds = str(int(self._clock.now().timestamp()))
            mark = sign_body(self._way.secrets.get("secret", ""), seconds, body)
            headers["X-Sekisho-Id"] = letter.message_id
            headers["X-Sekisho-Signature"] = f"t={seconds},v1={mark}"
        return headers

    def _judge(self, answer: "httpx.Response", said: str) -> None:
        if self._kind is ChannelKind.SLACK and answer.status_code == HTTPStatus.OK:
            if said.strip() == "ok":
                return
        elif answer.is_success:
            return
        raise SendingError(_failure(answer, said, self._clock.now()))


def sign_body(secret: str, seconds: str, body: bytes) -> str:
    """Return the hex HMAC-SHA-256 of ``seconds.body`` (RFC 2104)."""
    return hmac.digest(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hex()


def _read_start(answer: "httpx.Response") -> str:
    """Read no more of an answer than a person would be shown."""
    found = b""
    for part in answer.iter_bytes():
        found += part
        if len(found) >= _ANSWER_SHOWN:
            break
    return found[:_ANSWER_SHOWN].decode("utf-8", "replace")


def _failure(answer: "httpx.Response", said: str, now: datetime) -> Failure:
    status = answer.status_code
    message = msg("It answered %(status)s: %(said)s", status=status,
                  said=wording.one_line(said, _ANSWER_SHOWN) or "—")  # fmt: skip
    if status == _TOO_MANY:
        hint = msg("Nothing to do: Sekisho waits as long as it was asked to.")
        wait = read_retry_after(answer.headers, now)
        return Failure(Scope.CHANNEL, Fault(message, hint), wait=wait)
    if status in _GONE:
        hint = msg("The webhook was removed or its key has changed: make a new one there and enter "
                   "it here.")  # fmt: skip
        return Failure(Scope.CHANNEL, Fault(message, hint))
    if answer.is_redirect:
        hint = msg("Redirects are not followed: enter the address that it finally leads to.")
        return Failure(Scope.CHANNEL, Fault(message, hint))
    if status >= _SERVER_FAULT:
        hint = msg("Their side has a fault: it is tried again by itself.")
        return Failure(Scope.CHANNEL, Fault(message, hint),
                       wait=read_retry_after(answer.headers, now))  # fmt: skip
    hint = msg("It did not take this message: check that the address is one for this kind of "
               "channel.")  # fmt: skip
    return Failure(Scope.LETTER, Fault(message, hint), final=True)


def read_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long Retry-After asks to wait (RFC 9110 section 10.2.3); None if it is unclear."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=min(int(value[:9]), 86_400))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(timedelta(0), min(aware - now, timedelta(days=1)))


def _unreachable(error: "httpx.HTTPError", target: Target) -> SendingError:
    import httpx  # noqa: PLC0415 - the same

    reason = _cause(error, ssl.SSLError)
    if reason is not None:
        return explain_tls(reason, target.host, target.port)
    if _cause(error, ConnectionRefusedError) is not None:
        return channel_error(
            msg("%(host)s refused the connection at port %(port)s.",
                host=target.host, port=target.port),
            msg("Check the port, and that a firewall lets this server out."),
        )  # fmt: skip
    if isinstance(error, httpx.TimeoutException):
        return channel_error(
            msg("%(host)s did not answer within %(n)s seconds.",
                host=target.host, n=TIMEOUT_SECONDS),
            msg("Check that a firewall lets this server out; it is tried again by itself."),
        )  # fmt: skip
    return channel_error(
        msg("%(host)s could not be reached: %(why)s", host=target.host, why=_plain(error)),
        msg("Check that a firewall lets this server out; it is tried again by itself."),
    )


def _plain(error: Exception) -> Text:
    return Text("%(why)s", {"why": wording.one_line(str(error) or type(error).__name__, 200)})


def _cause(error: BaseException, kind: type[Any]) -> Any:
    """Return the first error of ``kind`` behind ``error``, or None."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
