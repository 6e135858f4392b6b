"""How many rows each saved view lists, asked for by a page once it is shown."""

import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.controls import service as controls
from sekisho.devices.service import searching
from sekisho.devices.service.searching import DeviceSearch
from sekisho.identity import service as identity
from sekisho.identity.pages import people
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.principal import Principal
from sekisho.server.pages import exceptions
from sekisho.worklists.engine.orders import read_listing
from sekisho.worklists.model import Listing
from sekisho.worklists.service import findings, views
from sekisho.worklists.service.choosing import read_search
from sekisho.worklists.service.findings import FindingSearch
from sekisho.worklists.service.views import RIGHT_OF

MOST_SECONDS = 0.5
Counter = Callable[[Transaction, str], int]


def _count_devices(tx: Transaction, query: str) -> int:
    return searching.find_devices(tx, read_search(DeviceSearch, query), offset=0, limit=1).total


def _count_findings(tx: Transaction, query: str) -> int:
    return findings.count_findings(tx, read_search(FindingSearch, query))


def _count_exceptions(tx: Transaction, query: str) -> int:
    known = exceptions.Filters.__dataclass_fields__
    filters = exceptions.Filters(**{k: v for k, v in parse_qsl(query) if k in known})
    narrow = exceptions.make_filter(tx, controls.catalogue_in_force(), filters)
    return controls.list_exceptions(tx, narrow, limit=1).total


def _count_people(tx: Transaction, query: str) -> int:
    known = people.Filters.__dataclass_fields__
    filters = people.Filters(**{k: v for k, v in parse_qsl(query) if k in known})
    return identity.count_people(tx, narrow=people.make_filter(tx, filters))


_COUNTERS: Mapping[Listing, Counter] = {
    Listing.DEVICES: _count_devices,
    Listing.FINDINGS: _count_findings,
    Listing.EXCEPTIONS: _count_exceptions,
    Listing.PEOPLE: _count_people,
}


@get("/views/counts", sync_to_thread=True)
def count_views(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    listing: FromQuery[str] = "",
) -> dict[str, int]:
    """Count what each view of a list shows; after half a second the rest goes without a number."""
    wanted = read_listing(listing)
    principal.require_reach(RIGHT_OF[wanted])
    found: dict[str, int] = {}
    until = time.monotonic() + MOST_SECONDS
    with database.read(principal) as tx:
        for view in views.list_views(tx, wanted):
            if time.monotonic() > until:
                break
            try:
                found[view.id] = _COUNTERS[wanted](tx, view.query)
            except SekishoError:
                continue  # what it names may be gone; the list itself says so
    return found


HANDLERS: list[ControllerRouterHandler] = [count_views]
