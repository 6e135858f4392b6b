"""``sekisho admin``: a way back in for whoever may read the secret key on this machine."""

import argparse
from collections.abc import Callable
from typing import TypeVar

import msgspec

from sekisho.cli.installation import add_data_option, read_settings, require_installation
from sekisho.cli.main import speaking
from sekisho.identity import service as identity
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import msg, translate
from sekisho.kernel.migrations import migrate
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.server.auth import command_principal

T = TypeVar("T")
_STRENGTHS = {"one": 1, "two": 2, "resistant": 3}


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``admin``."""
    parser = nouns.add_parser("admin", help="a new one-time sign-in link")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    link = verbs.add_parser("link", help="print a link that works once")
    add_data_option(link)
    link.add_argument(
        "--person",
        metavar="EMAIL",
        default="",
        help="whose way back in it is (needed once an administrator can sign in)",
    )
    link.set_defaults(run=make_link)  # fmt: skip
    require = verbs.add_parser("require", help="how strongly a role must prove itself")
    add_data_option(require)
    require.add_argument("role", metavar="ROLE", help="a role, such as admin or teleworker")
    require.add_argument(
        "strength", choices=sorted(_STRENGTHS), help="what its people must have shown"
    )
    require.set_defaults(run=set_requirement)


def set_requirement(arguments: argparse.Namespace) -> int:
    """Set what a role asks for, where nobody can do it on the page; the act is recorded."""
    key, strength = f"role:{arguments.role}", _STRENGTHS[arguments.strength]
    _act(read_settings(arguments), lambda tx: identity.change_requirement(tx, key, strength))
    said = {"role": arguments.role, "strength": arguments.strength}
    if arguments.format == "json":
        print(msgspec.json.encode(said).decode())
        return 0
    print(translate(msg("%(role)s: from now on %(strength)s.", **said), speaking()))
    return 0


def make_link(arguments: argparse.Namespace) -> int:
    """Print a one-time link; exit code 0, or an error for a folder that cannot be opened."""
    settings = read_settings(arguments)
    purpose, path = _issue(settings, arguments.person)
    minutes = int(identity.LINK_LIFE[purpose].total_seconds() // 60)
    url = settings.admin_url + path
    if arguments.format == "json":
        said = {"url": url, "purpose": purpose, "minutes": minutes}
        print(msgspec.json.encode(said).decode())
        return 0
    print(url)
    print(translate(msg("It works once, for %(n)s minutes.", n=minutes), speaking()))
    return 0


def _issue(settings: Settings, email: str) -> tuple[identity.Purpose, str]:
    return _act(settings, lambda tx: identity.issue_admin_link(tx, email))


def _act(settings: Settings, act: Callable[[Transaction], T]) -> T:
    """Act in one transaction as whoever may read the key; raise NotFoundError without a house."""
    require_installation(settings)
    box = SecretBox.load(settings.secret_key)
    database = Database(settings.database, SystemClock())
    try:
        migrate(database)
        with database.write(command_principal(box)) as tx:
            return act(tx)
    finally:
        database.close()
