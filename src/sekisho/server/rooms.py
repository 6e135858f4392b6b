"""Which handlers each room brings, and what each needs while the web process lives."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from litestar import Litestar
from litestar.datastructures import State

from sekisho.access import api as access_api
from sekisho.access import web as access_web
from sekisho.cases import api as cases_api
from sekisho.cases import web as cases_web
from sekisho.controls import api as controls_api
from sekisho.controls import service as controls
from sekisho.controls import web as controls_web
from sekisho.detection import api as detection_api
from sekisho.detection import web as detection_web
from sekisho.devices import api as devices_api
from sekisho.devices import web as devices_web
from sekisho.devices.desk import Desk, Files
from sekisho.evidence import api as evidence_api
from sekisho.identity import api as identity_api
from sekisho.identity import web as identity_web
from sekisho.kernel.principal import Principal
from sekisho.notices import api as notices_api
from sekisho.notices import web as notices_web
from sekisho.server.bootstrap import House
from sekisho.server.pages import (
    decisions,
    documents,
    evidence,
    exception_forms,
    exception_import,
    exceptions,
    gate,
    host_certificates,
    imports,
    mismatches,
    overview,
    person,
    portal,
    preferences,
    roster,
    rule,
    settings,
    view_counts,
)
from sekisho.server.scim import api as scim_api
from sekisho.worklists import api as worklists_api
from sekisho.worklists import web as worklists_web


class Roster:
    """Finds devices for the front door by asking the desk, once that is open."""

    def __init__(self) -> None:
        self.state: State = State()

    def find_device(self, node_key: str) -> Principal | None:
        """Return the device that has this node key; None for nobody, or with the desk closed."""
        desk: Desk | None = self.state.get("desk")
        return desk.find_device(node_key) if desk else None


def room_handlers() -> Sequence[Any]:
    """List every room's handlers."""
    rooms = (
        access_api,
        access_web,
        cases_api,
        cases_web,
        controls_api,
        controls_web,
        detection_api,
        detection_web,
        devices_api,
        devices_web,
        evidence_api,
        identity_api,
        identity_web,
        notices_api,
        notices_web,
        decisions,
        documents,
        exception_forms,
        exception_import,
        exceptions,
        gate,
        host_certificates,
        imports,
        mismatches,
        evidence,
        overview,
        person,
        portal,
        preferences,
        roster,
        rule,
        scim_api,
        settings,
        view_counts,
        worklists_api,
        worklists_web,
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
