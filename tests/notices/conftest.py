"""People to tell, channels to tell them by, and what sending needs."""

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fakes.clock import FakeClock
from fakes.tls import Credentials, issue_for_loopback
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.notices import service
from sekisho.notices.engine.wording import House
from sekisho.notices.model import Channel, ChannelKind, Kind, NewNotice, People, Reach, Urgency
from sekisho.notices.service.channels import ChannelOrder

TOKYO = ZoneInfo("Asia/Tokyo")
HOUSE = House("株式会社みなと", "https://sekisho.example.jp", "http://localhost:8480")
TITLE = {"ja": "直すことが1つあります", "en": "One thing to fix"}
BODY = {
    "ja": "画面ロックがオフです。\n6月3日までに直してください。",
    "en": "The screen lock is off.",
}


@dataclass(slots=True)
class Office:
    """An organisation with people and channels, and the acts that tests begin with."""

    database: Database
    clock: FakeClock
    box: SecretBox
    pauses: list[float] = field(default_factory=list)

    @property
    def outside(self) -> service.Outside:
        return service.Outside(
            self.clock, self.box, HOUSE, TOKYO, ("127.0.0.0/8", "localhost"),
            self.pauses.append, lambda: 0.0,
        )  # fmt: skip

    def add(self, name: str, *roles: Role, email: str = "", language: str = "ja") -> Principal:
        """Add an active person and return them as if signed in just now."""
        with self.database.write(SYSTEM) as tx:
            person = identity.add_person(
                tx, name=name, email=email or f"{name}@example.jp", language=language,
                roles=roles or [Role.TELEWORKER], state=PersonState.ACTIVE,
            )  # fmt: skip
        rights = {"self.read", "self.write"} | ({"*"} if Role.ADMIN in roles else set())
        return Principal(
            PrincipalKind.PERSON, person.id, person.name, frozenset(rights), "ses_x",
            self.clock.now(),
        )  # fmt: skip

    def tell(self, *to: str, reach: Reach | None = None, urgency: Urgency = Urgency.NORMAL,
             kind: Kind = Kind.DEVICE_FAILS, subject: str = "device:dev_1") -> None:  # fmt: skip
        """Queue a notice and hand it out."""
        with self.database.write(SYSTEM) as tx:
            service.queue_notices(tx, [
                NewNotice(reach or People(to), kind, subject, TITLE, BODY, urgency, "/my")
            ])  # fmt: skip
        service.hand_out(self.database, TOKYO)

    def set_mail(self, port: int, security: str = "none", **more: str) -> Channel:
        """Set the mail server up."""
        password = {"password": more.pop("password")} if "password" in more else {}
        setup = {"host": "localhost", "port": str(port), "security": security,
                 "from": "sekisho@example.jp", **more}  # fmt: skip
        return self.set(ChannelOrder(ChannelKind.MAIL, "メール", setup, password))

    def set(self, order: ChannelOrder) -> Channel:
        """Set a shared channel up."""
        with self.database.write(SYSTEM) as tx:
            return service.set_channel(tx, self.box, order)

    def send(self) -> int:
        """Send what is due."""
        return service.send_due(self.database, self.outside)


@pytest.fixture
def office(database: Database, clock: FakeClock, box: SecretBox) -> Office:
    return Office(database, clock, box)


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    folder: Path = tmp_path_factory.mktemp("tls")
    return issue_for_loopback(folder)
