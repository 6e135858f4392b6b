"""Named networks: the ranges of addresses that policies speak of, each with who uses it."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.access.engine.forms import read_form
from sekisho.access.policies import Policy
from sekisho.access.service import books, telling
from sekisho.access.service.gathering import read_networks, save_networks
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.seen import mark_of, require_unchanged

MOST_NETWORKS = 500
MOST_RANGES = 200
_NAME = re.compile(r'[^\x00-\x1f\x7f"\\,]{1,64}')


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """A name, its ranges in CIDR form, and the country they are in ("" says none)."""

    name: str
    ranges: tuple[str, ...]
    country: str = ""

    @property
    def mark(self) -> str:
        """What a form that shows this network was filled in from (``kernel.seen``)."""
        return mark_of(self.name, self.ranges, self.country)


@dataclass(frozen=True, slots=True)
class UsedNetwork:
    """A network and the policies, in force or waiting, that speak of it."""

    network: NamedNetwork
    policies: tuple[Policy, ...]


def list_used_networks(tx: Transaction, search: str = "") -> list[UsedNetwork]:
    """List the named networks by name. Needs ``access.read``.

    ``search`` keeps those whose name, range or country holds it, or that an address is within.
    """
    tx.principal.require("access.read")
    policies = _policies(tx)
    found = [each for each in _networks(tx) if _is_found(each, search.strip())]
    return [UsedNetwork(each, _users(each.name, policies)) for each in found]


def _is_found(network: NamedNetwork, words: str) -> bool:
    said = "\n".join((network.name, network.country, *network.ranges))
    if words.casefold() in said.casefold():
        return True
    try:
        address = ipaddress.ip_address(words)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(each) for each in network.ranges)


def put_network(
    tx: Transaction, network: NamedNetwork, *, before: str = "", seen: str | None = None
) -> bool:
    """Add a network, or replace the one called ``before``; tell whether anything changed.

    Needs ``access.write``. Where a policy uses it, also a fresh proof, and those who approve
    policies are told: who may come from where changes with it. Raises InvalidInputError for ranges
    that cannot be read, ConflictError for a name that is taken or would leave a policy without it,
    and if the form shows another state than ``seen``.
    """
    tx.principal.require("access.write")
    made = _checked(network)
    known = {each.name: each for each in _networks(tx)}
    if before and before not in known:
        raise NotFoundError(msg("There is no network “%(name)s”.", name=before[:64]))
    if before:
        require_unchanged(seen, known[before].mark, before)
    if made.name != before and made.name in known:
        raise ConflictError(msg("The name “%(name)s” is taken.", name=made.name))
    if known.get(before) == made:
        return False
    if before:
        _guard(tx, before, goes=made.name != before)
        del known[before]
    if len(known) >= MOST_NETWORKS:
        raise InvalidInputError(msg("There are %(most)s networks at most.", most=MOST_NETWORKS))
    _store(tx, [*known.values(), made], made.name)
    return True


def remove_network(tx: Transaction, name: str) -> None:
    """Remove a network that no policy uses. Needs ``access.write``."""
    tx.principal.require("access.write")
    known = {each.name: each for each in _networks(tx)}
    if known.pop(name, None) is None:
        raise NotFoundError(msg("There is no network “%(name)s”.", name=name[:64]))
    _guard(tx, name, goes=True)
    _store(tx, list(known.values()), name)


def _guard(tx: Transaction, name: str, *, goes: bool) -> None:
    """Let nobody take a name from under a policy, and see that a change of it is noticed."""
    users = _users(name, _policies(tx))
    if not users:
        return
    if goes:
        raise ConflictError(
            msg("Policies use “%(name)s”: %(users)s", name=name,
                users=", ".join(each.id for each in users)),
            hint=msg("Take it out of them first."),
        )  # fmt: skip
    tx.principal.require_fresh(tx.now)
    telling.tell_network(tx, name)


def _store(tx: Transaction, networks: Sequence[NamedNetwork], name: str) -> None:
    rows = [(each.name, each.country, cidr) for each in networks for cidr in each.ranges]
    save_networks(tx, sorted(rows))
    found = next((each for each in networks if each.name == name), None)
    detail = {"name": name, "ranges": list(found.ranges) if found else [],
              "country": found.country if found else ""}  # fmt: skip
    evidence.record(tx, kind="access.networks_changed", subject=f"network:{name}", detail=detail)


def _networks(tx: Transaction) -> list[NamedNetwork]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, country, network in read_networks(tx):
        found.setdefault(name, []).append((str(network), country))
    return [
        NamedNetwork(name, tuple(cidr for cidr, _ in rows), rows[0][1])
        for name, rows in sorted(found.items())
    ]


def _policies(tx: Transaction) -> list[Policy]:
    now = books.version_in_force(tx)
    versions = [*([now] if now else []), *books.list_waiting(tx)]
    return [policy for version in versions for policy in version.policies]


def _users(name: str, policies: Sequence[Policy]) -> tuple[Policy, ...]:
    return tuple({each.id: each for each in policies if _uses(name, each)}.values())


def _uses(name: str, policy: Policy) -> bool:
    form = read_form(policy.text)
    return name in form.networks if form else f'"{name}"' in policy.text


def _checked(network: NamedNetwork) -> NamedNetwork:
    name, country = network.name.strip(), network.country.strip().upper()
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            msg("A network's name has 1 to 64 characters, no quotes or commas.")
        )
    if country and not re.fullmatch(r"[A-Z]{2}", country):
        raise InvalidInputError(
            msg("“%(got)s” is no country of two letters, such as JP.", got=country[:20])
        )
    if not 1 <= len(network.ranges) <= MOST_RANGES:
        raise InvalidInputError(
            msg("A network has 1 to %(most)s ranges of addresses.", most=MOST_RANGES)
        )
    return NamedNetwork(name, tuple(sorted(set(map(_range, network.ranges)))), country)


def _range(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise InvalidInputError(
            msg("“%(got)s” is not a range of addresses.", got=text.strip()[:60]),
            hint=msg("For example 203.0.113.0/24, 198.51.100.7 or 2001:db8::/32."),
        ) from None
