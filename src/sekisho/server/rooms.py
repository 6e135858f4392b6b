"""Which handlers each room brings, and what each needs while the web process lives."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from litestar import Litestar

from sekisho.controls import api as controls_api
from sekisho.controls import service as controls
from sekisho.controls import web as controls_web
from sekisho.devices import api as devices_api
from sekisho.devices import web as devices_web
from sekisho.devices.desk import Files
from sekisho.evidence import api as evidence_api
from sekisho.evidence import web as evidence_web
from sekisho.findings import api as findings_api
from sekisho.identity import api as identity_api
from sekisho.identity import web as identity_web
from sekisho.server.bootstrap import House
from sekisho.server.pages import overview, portal, preferences, rule, settings


def room_handlers() -> Sequence[Any]:
    """List every room's handlers."""
    rooms = (
        controls_api,
        controls_web,
        devices_api,
        devices_web,
        evidence_api,
        evidence_web,
        findings_api,
        identity_api,
        identity_web,
        overview,
        portal,
        preferences,
        rule,
        settings,
    )
    return [handler for room in rooms for handler in room.HANDLERS]


def room_lifespans(
    house: House,
) -> Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]]:
    """List what opens with the application and closes with it."""
    return [
        devices_api.desk_lifespan(
            house.database, house.clock, controls.catalogue_in_force, device_files(house)
        )
    ]


def device_files(house: House) -> Files:
    """Return what the devices room needs of the house besides the database."""
    return Files(
        authority=house.authority,
        box=house.box,
        organisation=house.settings.organisation or "Sekisho",
        carves=house.settings.data / "carves",
        shelf=house.settings.data / "artefacts",
    )
