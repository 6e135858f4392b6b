"""What a channel needs to be set up, checked before anything is kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.notices.model import ChannelKind, MailSecurity

LONGEST_NAME = 100
LONGEST_VALUE = 500
LONGEST_CA = 100_000
LONGEST_URL = 2_000
SHORTEST_SECRET = 16
_PORTS = range(1, 65_536)
FIELDS_OF_KIND: Mapping[ChannelKind, tuple[str, ...]] = {
    ChannelKind.MAIL: ("host", "port", "security", "user", "from", "from_name", "ca"),
    ChannelKind.SLACK: ("ca",),
    ChannelKind.TEAMS: ("card", "ca"),
    ChannelKind.WEBHOOK: ("ca",),
}
SECRETS_OF_KIND: Mapping[ChannelKind, tuple[str, ...]] = {
    ChannelKind.MAIL: ("password",),
    ChannelKind.SLACK: ("url",),
    ChannelKind.TEAMS: ("url",),
    ChannelKind.WEBHOOK: ("url", "secret"),
}
# Where the services keep their webhooks; people's own may go nowhere else.
KNOWN_HOSTS: Mapping[ChannelKind, tuple[str, ...]] = {
    ChannelKind.SLACK: ("hooks.slack.com", "hooks.slack-gov.com"),
    ChannelKind.TEAMS: (".api.powerplatform.com", ".logic.azure.com"),
}
_RETIRED_HOSTS = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")


@dataclass(frozen=True, slots=True)
class Wish:
    """A channel as somebody wants it: what is no secret, and what is."""

    kind: ChannelKind
    name: str
    setup: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    language: str
    languages: Collection[str]


@dataclass(frozen=True, slots=True)
class Checked:
    """A channel that can be kept."""

    name: str
    setup: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


def check_wish(wish: Wish, *, personal: bool) -> Checked:
    """Return what may be kept; raise InvalidInputError naming the first thing that is wrong."""
    name = " ".join(wish.name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInputError(msg("A channel needs a name of 1 to 100 characters."))
    if wish.language not in wish.languages:
        raise InvalidInputError(
            msg("The language “%(got)s” is not known; ja or en is expected.", got=wish.language)
        )
    setup = {f: wish.setup.get(f, "").strip() for f in FIELDS_OF_KIND[wish.kind]}
    secrets = {f: wish.secrets[f] for f in SECRETS_OF_KIND[wish.kind] if wish.secrets.get(f)}
    for key, value in {**setup, **secrets}.items():
        _check_length(key, value)
    kept = {key: value for key, value in setup.items() if value}
    if wish.kind is ChannelKind.MAIL:
        return Checked(name, _check_mail(kept), secrets)
    return Checked(name, _check_hook(wish.kind, kept, secrets, personal=personal), secrets)


def _check_length(key: str, value: str) -> None:
    longest = {"ca": LONGEST_CA, "url": LONGEST_URL}.get(key, LONGEST_VALUE)
    if len(value) > longest or (key != "ca" and not value.isprintable()):
        raise InvalidInputError(
            msg("%(field)s may have %(most)s printable characters at most.",
                field=key, most=longest)
        )  # fmt: skip


def _check_mail(setup: Mapping[str, str]) -> dict[str, str]:
    host, port = setup.get("host", ""), setup.get("port", "")
    if not host or any(c in host for c in " /@\\"):
        raise InvalidInputError(
            msg("The name of the mail server is missing, or is none."),
            hint=msg("Something like smtp.example.jp is expected."),
        )
    if not (port.isascii() and port.isdecimal() and int(port[:6]) in _PORTS):
        raise InvalidInputError(
            msg("The port must be a number from 1 to 65535."),
            hint=msg("Mostly 465 (TLS) or 587 (STARTTLS)."),
        )
    security = setup.get("security", "")
    if security not in set(MailSecurity):
        raise InvalidInputError(msg("Choose how the way to the mail server is protected."))
    if security == MailSecurity.NONE and setup.get("user"):
        raise InvalidInputError(
            msg("A password is never sent over an unprotected connection."),
            hint=msg("Choose TLS or STARTTLS, or leave the user name empty."),
        )
    return {**setup, "from": setup.get("from", "")}


def _check_hook(
    kind: ChannelKind, setup: Mapping[str, str], secrets: Mapping[str, str], *, personal: bool
) -> dict[str, str]:
    try:
        parts = urlsplit(secrets.get("url", ""))
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _no_address() from error
    if parts.scheme != "https" or not host or parts.username is not None:
        raise _no_address()
    if any(_belongs(host, retired) for retired in _RETIRED_HOSTS):
        raise InvalidInputError(
            msg("This is a connector of Office 365, which no longer works."),
            hint=msg("In Teams, make a workflow that posts to a channel when a webhook request is "
                     "received, and enter its address."),
        )  # fmt: skip
    known = KNOWN_HOSTS.get(kind, ())
    if personal and (not any(_belongs(host, one) for one in known) or port not in {None, 443}):
        raise InvalidInputError(
            msg("%(host)s is not where this service keeps its webhooks.", host=host),
            hint=msg("Other addresses can be set up by an administrator."),
        )
    if kind is ChannelKind.WEBHOOK and len(secrets.get("secret", "")) < SHORTEST_SECRET:
        raise InvalidInputError(
            msg("A webhook needs a secret of 16 characters or more, by which the other side "
                "recognises Sekisho.")
        )  # fmt: skip
    return {**setup, "host": host}


def _no_address() -> InvalidInputError:
    why: Text = msg("It must begin with https://.")
    return InvalidInputError(
        msg("The webhook address cannot be used. %(why)s", why=why),
        hint=msg("Copy it again, whole, from where the other side shows it."),
    )


def _belongs(host: str, known: str) -> bool:
    """Tell whether ``host`` is ``known``, or below it where it begins with a dot."""
    return host.endswith(known) if known.startswith(".") else host == known
