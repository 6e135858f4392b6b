"""What this installation is told once, at its start: one frozen value, read in one place.

Settings come from ``settings.yaml`` in the data folder, then from the environment
(``SEKISHO_…``), then from the command line; later ones win. An unknown key is an error, so that
a misspelt setting is never silently without effect.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Language, msg

_PREFIX = "SEKISHO_"
_HIGHEST_PORT = 65535
# An ACME authority comes from outside, to port 80 (RFC 8555 section 8.3).
_ANYWHERE = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host and a port (0 = any free one)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``HOST:PORT`` or ``[IPv6]:PORT``; raise InvalidInputError for anything else."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
            raise InvalidInputError(
                msg("“%(got)s” is not an address; HOST:PORT is expected.", got=text),
                hint=msg("For example 0.0.0.0:8443 or [::1]:8443."),
            )
        return cls(host, int(port))

    def __str__(self) -> str:
        """Write it as ``HOST:PORT``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an installation can be told.

    ``data``: the folder of database, keys and artefacts. ``database_url``: SQLAlchemy address;
    empty = SQLite in the data folder. ``key_file``: the secret key; empty = in the data folder.
    ``organisation``: its name on pages. ``public_name``: the DNS name under which others reach
    this server; empty = only this machine. ``certificate``/``certificate_key``: the
    organisation's own certificate (PEM) for the public name. ``acme_directory``/``acme_email``:
    get one by ACME (RFC 8555) from that directory, proven at ``acme_listen``. ``public``,
    ``intake``, ``admin``: the three listeners. ``gate``, ``gate_browser``: the gate's doors, for
    known devices and for browsers without one; ``gate_name``: the gate's DNS name, empty = the
    public name. ``gate_tunnels``: ``cut`` or ``keep`` those that are open when the decision
    process dies. ``envoy``: the program; empty = find or fetch one, ``off`` = no gate.
    ``language``: default of pages. ``time_zone``: of times on pages, such as Asia/Tokyo; empty =
    this machine's. ``checkpoint_file``, ``checkpoint_mail``, ``checkpoint_tsa``, ``smtp``: where
    signed checkpoints of the evidence go.
    ``webhooks_inside``: host names and networks inside that notices may go to, by commas.
    ``lists_from``: an https folder where newer dated lists are fetched from; empty = from nowhere.
    """

    data: Path
    database_url: str = ""
    key_file: str = ""
    organisation: str = ""
    public_name: str = ""
    certificate: str = ""
    certificate_key: str = ""
    acme_directory: str = ""
    acme_email: str = ""
    acme_listen: Address = field(default_factory=lambda: Address(_ANYWHERE, 80))
    public: Address = field(default_factory=lambda: Address("127.0.0.1", 8443))
    intake: Address = field(default_factory=lambda: Address("127.0.0.1", 8444))
    admin: Address = field(default_factory=lambda: Address("127.0.0.1", 8480))
    gate: Address = field(default_factory=lambda: Address("127.0.0.1", 9443))
    gate_browser: Address = field(default_factory=lambda: Address("127.0.0.1", 9444))
    gate_name: str = ""
    gate_tunnels: str = "cut"
    envoy: str = ""
    language: Language = "ja"
    time_zone: str = ""
    controls: str = ""
    checkpoint_file: str = ""
    checkpoint_mail: str = ""
    checkpoint_tsa: str = ""
    smtp: str = ""
    webhooks_inside: str = ""
    lists_from: str = ""
    log_format: str = "text"

    @property
    def database(self) -> str:
        """Return the SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{self.data / 'sekisho.db'}"

    @property
    def secret_key(self) -> Path:
        """Return the path of the secret key."""
        return Path(self.key_file) if self.key_file else self.data / "secret.key"

    @property
    def public_url(self) -> str:
        """Return the address others use, such as ``https://sekisho.example.jp:8443``."""
        host = self.public_name or "localhost"
        return f"https://{host}" + ("" if self.public.port == 443 else f":{self.public.port}")  # noqa: PLR2004 - the port of https, RFC 9110 section 4.2.2

    @property
    def gate_url(self) -> str:
        """Return where tunnels come in: ``host:port`` of the gate's door for devices."""
        return f"{self.gate_name or self.public_name or 'localhost'}:{self.gate.port}"

    @property
    def portal_url(self) -> str:
        """Return where people sign in: the public address, or on one machine the admin listener."""
        return self.public_url if self.public_name else self.admin_url

    @property
    def admin_url(self) -> str:
        """Return the address of the first sign-in; localhost, where browsers allow passkeys."""
        return f"http://localhost:{self.admin.port}"


def load_settings(
    data: Path, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings of the data folder ``data``; raise InvalidInputError naming every fault."""
    path = data / "settings.yaml"
    values = _read_file(path) if path.is_file() else {}
    values |= {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_PREFIX) and name not in _READ_ELSEWHERE
    }
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    values.pop("data", None)
    return _checked(Settings(data=data), values)


# Variables of our prefix that mean something to another part (the launcher, the agent).
_READ_ELSEWHERE = frozenset({"SEKISHO_DATA", "SEKISHO_PYTHON", "SEKISHO_VENV"})


def save_settings(settings: Settings) -> None:
    """Write what differs from the defaults to ``settings.yaml`` (synced, then renamed)."""
    defaults = asdict(Settings(data=settings.data))
    chosen = {
        item.name: _plain(getattr(settings, item.name))
        for item in fields(settings)
        if item.name != "data" and asdict(settings)[item.name] != defaults[item.name]
    }
    target = settings.data / "settings.yaml"
    draft = target.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        yaml.safe_dump(chosen, file, allow_unicode=True)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Address | Path) else value


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            msg("%(path)s is not a readable YAML file: %(why)s", path=path, why=error),
            hint=msg("Mend the line named, or take the file away to use the defaults."),
        ) from error
    if not isinstance(found, dict):
        raise InvalidInputError(
            msg("%(path)s must hold “name: value” lines.", path=path),
            hint=msg("Mend the line named, or take the file away to use the defaults."),
        )
    return {str(name): value for name, value in found.items()}


def _checked(settings: Settings, values: Mapping[str, Any]) -> Settings:
    known = {item.name for item in fields(Settings)} - {"data"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InvalidInputError(
            msg("Unknown setting: %(names)s.", names=", ".join(unknown)),
            hint=msg("Known settings are: %(names)s.", names=", ".join(sorted(known))),
        )
    parsed = {name: _parse(name, value) for name, value in values.items()}
    settings = replace(settings, **parsed)
    if settings.language not in get_args(Language):
        raise InvalidInputError(
            msg("The language “%(got)s” is not known; ja or en is expected.", got=settings.language)
        )
    if settings.gate_tunnels not in {"cut", "keep"}:
        raise InvalidInputError(
            msg("gate_tunnels is “%(got)s”; cut or keep is expected.", got=settings.gate_tunnels)
        )
    _check_time_zone(settings.time_zone)
    return settings


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInputError(
            msg("The time zone “%(got)s” is not known.", got=name),
            hint=msg("Name one of the IANA database, such as Asia/Tokyo."),
        ) from error


def _parse(name: str, value: Any) -> Any:
    if isinstance(getattr(Settings(data=Path()), name), Address):
        return value if isinstance(value, Address) else Address.parse(str(value))
    return "" if value is None else str(value)
