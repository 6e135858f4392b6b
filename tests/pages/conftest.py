"""The whole server in this process with a small organisation in it, and browsers that visit it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.model import Answer, Catalogue, Control, Probe, Subject
from sekisho.devices.model import Device, KitKind
from sekisho.devices.protocol import EnrollRequest
from sekisho.devices.service import enrolment, inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.service.kits import KitOrder, create_kit
from sekisho.identity.engine.sites import LOCAL_COOKIE
from sekisho.identity.model import Method, PersonState, Role, Visit
from sekisho.identity.service.people import add_person
from sekisho.identity.service.sessions import open_session
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.auth import csrf_token
from sekisho.server.bootstrap import House, open_house
from sekisho.server.listeners import tag_listener
from sekisho.wire.kit import Ownership
from support.laid_out import moved_in


@dataclass(slots=True)
class Town:
    """An organisation: its house, its clock, and how to bring people and devices in."""

    house: House
    clock: FakeClock
    app: Any
    clients: dict[str, TestClient[Any]] = field(default_factory=dict)

    @property
    def catalogue(self) -> Catalogue:
        return controls.catalogue_in_force()

    def client(self, listener: str = "admin") -> TestClient[Any]:
        return self.clients[listener]

    def add_person(self, name: str, *roles: Role) -> PersonID:
        with self.house.database.write(SYSTEM) as tx:
            person = add_person(
                tx, name=name, email=f"{len(name)}{ord(name[0])}@example.jp", language="ja",
                roles=roles, state=PersonState.ACTIVE,
            )  # fmt: skip
        return person.id

    def sign_in(self, person_id: PersonID) -> dict[str, str]:
        """Return the headers of a browser in which this person is signed in."""
        from sekisho.identity import service as identity  # noqa: PLC0415 - shadows the module name

        with self.house.database.write(SYSTEM) as tx:
            person = identity.find_person(tx, person_id)
            assert person is not None
            signed = open_session(tx, person, Method.PASSKEY, Visit("127.0.0.1", "test"))
        return {
            "Cookie": f"{LOCAL_COOKIE}={signed.secret}",
            "X-CSRF-Token": csrf_token(self.house.box, signed.secret),
            "Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin", "Accept": "text/html",
        }  # fmt: skip

    def enrol(
        self, name: str, *, owner: PersonID | None = None, ownership: str = "company",
        group: bool = False,
    ) -> Device:  # fmt: skip
        """Enrol a Linux host by the protocol and return its device."""
        order = KitOrder(
            KitKind.GROUP if group else KitKind.DEVICE, Ownership(ownership), label=name,
            owner_id=owner, max_devices=5,
        )  # fmt: skip
        details = {
            "os_version": {"platform": "debian", "name": "Debian GNU/Linux", "version": "12"},
            "system_info": {"hostname": name, "computer_name": name, "uuid": f"uuid-{name}"},
            "osquery_info": {"version": "5.14.1"},
        }
        with self.house.database.write(SYSTEM) as tx:
            kit = create_kit(tx, order)
            request = EnrollRequest(kit.secret.reveal(), f"uuid-{name}", "9", details)
            enrolled = enrolment.enrol(tx, request, "192.0.2.7")
            assert isinstance(enrolled, enrolment.Enrolled), enrolled
            found = inventory.list_devices(tx, DeviceFilter(), limit=500).devices
        return max(found, key=lambda device: device.id)

    def answer(self, device: Device, *, failing: int = 0) -> list[Control]:
        """Let a device answer every rule that applies; the first ``failing`` ones say no."""
        asked = [
            control
            for control in self.catalogue.applying("linux", device.ownership)
            if self._probe(control, device)
        ]
        with self.house.database.write(SYSTEM) as tx:
            subject = Subject(
                device.id, Ownership(device.ownership), device.platform, device.owner_id
            )  # type: ignore[arg-type,unused-ignore] # two rooms name the same platforms
            answers = [
                answer
                for place, control in enumerate(asked)
                for answer in self._answers(control, device, tx.now, passes=place >= failing)
            ]
            controls.judge_answers(tx, subject, answers, tx.now)
        return asked

    def _probe(self, control: Control, device: Device) -> Probe | None:
        """Return what this osquery host is really asked."""
        check = control.find_check("linux")
        private = device.ownership == "private"
        return check.choose_probe(sekisho_agent=False, private=private) if check else None

    def _answers(self, control: Control, device: Device, now: Any, *, passes: bool) -> list[Answer]:
        probe = self._probe(control, device)
        assert probe is not None
        rows = ({"1": "1"},) if passes else ()
        return [
            Answer(probe.ready_name, ({"1": "1"},), device_time=now),
            Answer(control.policy_name, rows, device_time=now),
        ]


@pytest.fixture
def town(data_folder: Path, clock: FakeClock) -> Iterator[Town]:
    with open_town(Settings(data=data_folder, organisation="株式会社みなと設計"), clock) as made:
        yield made


@contextmanager
def open_town(settings: Settings, clock: FakeClock) -> Iterator[Town]:
    """Open an organisation on the database that the settings name."""
    with open_house(settings, clock) as house, moved_in(house) as app:
        made = Town(house, clock, app)
        with TestClient(tag_listener(app, "admin"), base_url="http://127.0.0.1") as admin:
            made.clients["admin"] = admin
            made.clients["public"] = TestClient(
                tag_listener(app, "public"), base_url="http://127.0.0.1"
            )
            yield made


@pytest.fixture
def guard(town: Town) -> dict[str, str]:
    """The browser of the security person."""
    return town.sign_in(town.add_person("佐伯 航", Role.SECURITY))


LATER = timedelta(minutes=5)
