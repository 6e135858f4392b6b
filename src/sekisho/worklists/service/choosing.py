"""Which rows an act is about, and whether whoever orders it may order such a thing at all."""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from sekisho.controls import service as controls
from sekisho.devices.service import inventory, many, searching
from sekisho.devices.service.searching import DeviceSearch
from sekisho.findings import service as findings
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID
from sekisho.kernel.principal import Principal
from sekisho.worklists.engine.orders import read_tags
from sekisho.worklists.model import MOST_MEMBERS, Act, ActKind, Listing
from sekisho.worklists.service.findings import (
    FindingSearch,
    find_units,
    make_filter,
    require_assignee,
)

_LONGEST_ADDRESS = 4_000
Search = TypeVar("Search", DeviceSearch, FindingSearch)


def choose(
    tx: Transaction, listing: Listing, ids: Sequence[str], wish: str | None
) -> Sequence[str]:
    """Return the rows of these ids that the caller sees, or all that an address lists."""
    if wish is None:
        return _known(tx, listing, list(dict.fromkeys(ids))[: MOST_MEMBERS + 1])
    if listing is Listing.DEVICES:
        search = read_search(DeviceSearch, wish)
        narrow = searching.make_filter(tx, search)
        found = inventory.list_device_ids(tx, narrow, limit=MOST_MEMBERS + 1)
    else:
        wanted = make_filter(tx, read_search(FindingSearch, wish))
        found = findings.list_ids(tx, wanted, MOST_MEMBERS + 1)
    if len(found) > MOST_MEMBERS:
        raise InvalidInputError(
            msg("More than %(most)s rows match.", most=f"{MOST_MEMBERS:,}"),
            hint=msg("Narrow the search and do it in parts."),
        )
    return found


def _known(tx: Transaction, listing: Listing, ids: Sequence[str]) -> Sequence[str]:
    if listing is Listing.DEVICES:
        seen: Mapping[str, object] = many.find_devices(tx, ids, "devices.read")
        return [name for name in ids if name in seen]
    reach = tx.principal.require_reach("findings.read")
    found = findings.find_findings(tx, ids)
    units = {} if reach is None else find_units(tx, found)
    seen = {f.id: f for f in found if reach is None or units.get(f.subject) in reach}
    return [name for name in ids if name in seen]


def read_search(kind: type[Search], address: str) -> Search:
    """Read the filters of an address (``q=…&verdict=fail``); what is unknown is left out."""
    known = kind.__dataclass_fields__
    pairs = parse_qsl(address.removeprefix("?")[:_LONGEST_ADDRESS])
    return kind(**{name: value for name, value in pairs if name in known})


def check_order(tx: Transaction, kind: ActKind, words: Mapping[str, str]) -> dict[str, str]:
    """Return the words of an order after looking up whom and what they name.

    Raises NotFoundError for a person or rule that is not there, NotPermittedError for what the
    caller may order nowhere.
    """
    person = words.get("person", "")
    require_assignee(tx, person)
    if kind is ActKind.OWN and person:
        tx.principal.require("devices.write", standing.unit_of(tx, person))
    if kind is ActKind.EXCEPT:
        _check_exception(tx, words)
    if "tags" in words:
        tags = [many.clean_tag(tag) for tag in read_tags(words["tags"])]
        return {**words, "tags": ", ".join(tags)}
    return dict(words)


def _check_exception(tx: Transaction, words: Mapping[str, str]) -> None:
    tx.principal.require_reach("exceptions.write")
    if tx.principal.person_id is None:
        raise NotPermittedError(
            msg("An exception is asked for and decided by a person."),
            hint=msg("Sign in and do it on the page of exceptions."),
        )
    rule = words.get("rule", "")
    if rule and ControlID(rule) not in controls.catalogue_in_force().controls:
        raise NotFoundError(
            msg("There is no rule “%(id)s” in the catalogue.", id=rule[:60]),
            hint=msg("Look for it in the list of rules."),
        )


def may_act(principal: Principal, act: Act) -> bool:
    """Tell whether whoever ordered an act still has the right for it anywhere."""
    if act.kind is ActKind.EXCEPT:
        return principal.holds("exceptions.write") and principal.holds(f"{act.listing}.read")
    right = "devices.write" if act.listing is Listing.DEVICES else "findings.write"
    return principal.holds(right)
