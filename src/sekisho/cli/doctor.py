"""``sekisho doctor``: looks for what keeps this installation from working, and says the mend.

Every look gives one line: fine, to mend, or could not be looked at. Nothing is changed.
"""

import argparse
import datetime as dt
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from sqlalchemy import text

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.migrations import current_revision
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

_LOW_DISK_BYTES = 1_000_000_000
_CERTIFICATE_DAYS = 14


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what was looked at, whether it is fine, what was seen, what to do."""

    name: str
    fine: bool
    seen: Text | str
    hint: Text | str = ""


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``doctor``."""
    parser = nouns.add_parser("doctor", help="look for what keeps this installation from working")
    add_data_option(parser)
    parser.set_defaults(run=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything and print a line for each; 1 if something is to mend."""
    settings = read_settings(arguments)
    looks = list(look_at(settings))
    for look in looks:
        _print(look, arguments.format)
    return 0 if all(look.fine for look in looks) else 1


def look_at(settings: Settings) -> Iterator[Look]:
    """Look at each part in turn; a part that cannot be looked at is one to mend."""
    parts: dict[str, Callable[[Settings], Look]] = {
        "data": _look_at_folder,
        "key": _look_at_key,
        "database": _look_at_database,
        "certificate": _look_at_certificate,
        "server": _look_at_server,
    }
    for name, part in parts.items():
        try:
            yield part(settings)
        except SekishoError as error:
            yield Look(name, False, error.message, error.hint)
        except (OSError, ValueError) as error:
            yield Look(name, False, msg("could not be looked at: %(why)s", why=error))


def _look_at_folder(settings: Settings) -> Look:
    if not (settings.data / "VERSION").is_file():
        return Look("data", False, msg("%(path)s is not a data folder yet", path=settings.data),
                    msg("Start with: sekisho up --data %(path)s", path=settings.data))  # fmt: skip
    free = shutil.disk_usage(settings.data).free
    seen = msg("%(path)s, %(free)s MB free", path=settings.data, free=free // 1_000_000)
    hint = msg("Make room on this disk: check-ins are refused when it is full.")
    return Look("data", free > _LOW_DISK_BYTES, seen, "" if free > _LOW_DISK_BYTES else hint)


def _look_at_key(settings: Settings) -> Look:
    SecretBox.load(settings.secret_key)
    return Look("key", True, msg("%(path)s is private and readable", path=settings.secret_key))


def _look_at_database(settings: Settings) -> Look:
    database = Database(settings.database, SystemClock())
    try:
        with database.read(SYSTEM) as tx:
            tx.scalar(text("SELECT count(*) FROM installation"))
        revision = ", ".join(current_revision(database))
        return Look("database", True, msg("%(kind)s answers, schema %(revision)s",
                                          kind=database.dialect, revision=revision))  # fmt: skip
    finally:
        database.close()


def _look_at_certificate(settings: Settings) -> Look:
    path = Path(settings.certificate) if settings.certificate else settings.data / "tls/server.pem"
    end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    days = (end - SystemClock().now()) // dt.timedelta(days=1)
    fine = days > _CERTIFICATE_DAYS or not settings.certificate
    hint = msg("Renew it where you got it, then start Sekisho again.")
    return Look("certificate", fine, msg("valid for %(days)s more days", days=days),
                "" if fine else hint)  # fmt: skip


def _look_at_server(settings: Settings) -> Look:
    start = msg("Start it with: sekisho up")
    try:
        with urllib.request.urlopen(f"{settings.admin_url}/healthz", timeout=3) as answer:  # noqa: S310 - our own address
            health = json.load(answer)
    except urllib.error.HTTPError as error:
        health = json.load(error)
    except OSError as error:
        return Look("server", False, msg("%(url)s does not answer: %(why)s",
                                         url=settings.admin_url, why=error), start)  # fmt: skip
    fine = health.get("status") == "ok"
    seen = msg("database %(database)s, worker %(worker)s",
               database=health.get("database"), worker=health.get("worker"))  # fmt: skip
    return Look("server", fine, seen, "" if fine else start)


def _print(look: Look, form: str) -> None:
    language = speaking()
    seen, hint = translate(look.seen, language), translate(look.hint, language)
    if form == "json":
        print(json.dumps({"part": look.name, "fine": look.fine, "seen": seen, "hint": hint},
                         ensure_ascii=False))  # fmt: skip
        return
    print(f"{'✔' if look.fine else '✖'} {look.name:12} {seen}")
    if hint:
        print(f"  → {hint}")
