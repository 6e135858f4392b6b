"""A database with people, a device whose verdicts a test sets, and one resource behind the gate."""

import functools
from dataclasses import dataclass, field, replace
from datetime import timedelta

from access.making import resource
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.engine.forms import write_form
from sekisho.access.model import AccessRequest, Door, Resource
from sekisho.access.policies import Policy, PolicyForm
from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.engine import start_verdict
from sekisho.controls.model import Catalogue, Subject, Verdict, VerdictKind
from sekisho.controls.store import verdicts
from sekisho.devices.model import Certificate, Device, DeviceState, Ownership, Platform
from sekisho.devices.store import devices, privacy
from sekisho.identity import service as identity
from sekisho.identity.engine.rights import rights_of
from sekisho.identity.model import Method, Person, PersonState, Role, Strength, Visit
from sekisho.identity.service.sessions import Proof, open_session
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import ControlID, DeviceID, PersonID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind


@functools.cache
def _catalogue() -> Catalogue:
    return load_catalogue()


@dataclass
class Town:
    """Everything that a decision is made from."""

    database: Database
    clock: FakeClock
    sign_ins: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put the program's own rules in force."""
        controls.put_in_force(_catalogue())

    def add(self, name: str, *roles: Role) -> Principal:
        """Add an active person, signed in with a passkey."""
        with self.database.write(SYSTEM) as tx:
            person = identity.add_person(
                tx, name=name, email=f"p{len(self.sign_ins)}@example.jp", language="ja",
                roles=roles or [Role.TELEWORKER], state=PersonState.ACTIVE,
            )  # fmt: skip
            self._sign_in(tx, person)
        rights = rights_of(roles or [Role.TELEWORKER])
        return Principal(
            PrincipalKind.PERSON, person.id, person.name, rights, self.sign_ins[person.id],
            self.clock.now(), "192.0.2.7",
        )  # fmt: skip

    def _sign_in(self, tx: Transaction, person: Person) -> None:
        proof = Proof(Strength.RESISTANT, tx.now)
        made = open_session(tx, person, Method.PASSKEY, Visit("192.0.2.7"), proof=proof)
        self.sign_ins[person.id] = made.session_id

    def give(self, owner: Principal, name: str = "dev_1", *, managed: bool = True) -> str:
        """Give somebody an active device with a good certificate; every rule passes."""
        who = PersonID(owner.id)
        ownership = Ownership.COMPANY if managed else Ownership.PRIVATE
        device = Device(
            DeviceID(name), ownership, Platform.WINDOWS, DeviceState.ACTIVE, f"PC {name}", who,
            None, f"host-{name}", "", name, "", "Windows", "11", "sekisho-agent/1", "",
            self.clock.now(), self.clock.now(), self.clock.now(), None, "", None, None,
        )  # fmt: skip
        subject = Subject(DeviceID(name), ownership, Platform.WINDOWS, who)
        with self.database.write(SYSTEM) as tx:
            devices.insert_device(tx, device)
            end = tx.now + timedelta(days=7)
            good = Certificate(f"c-{name}", end, tx.now, None, f"t-{name}")
            privacy.insert_certificate(tx, name, good, f"k-{name}")
            controls.start_device(tx, subject)
            rules = controls.catalogue_in_force().applying(Platform.WINDOWS, ownership)
            begun = [start_verdict(control, tx.now) for control in rules]
            rows = [(DeviceID(name), self._passing(verdict)) for verdict in begun]
            verdicts.save_verdicts(tx, rows)
        return name

    def _passing(self, verdict: Verdict) -> Verdict:
        now = self.clock.now()
        return replace(
            verdict, kind=VerdictKind.PASS, judged=VerdictKind.PASS, since=now, received_at=now,
            expires_at=now + timedelta(hours=12),
        )  # fmt: skip

    def fail(self, name: str = "dev_1") -> ControlID:
        """Let one blocking rule of a device fail, its grace over; return which."""
        wanted = controls.catalogue_in_force().controls
        with self.database.write(SYSTEM) as tx:
            found = verdicts.find_verdicts(tx, DeviceID(name))
            control = next(c for c in sorted(found) if wanted[c].severity.value == "critical")
            long_ago = tx.now - timedelta(days=60)
            bad = replace(
                found[control], kind=VerdictKind.FAIL, judged=VerdictKind.FAIL, since=long_ago,
                first_failed_at=long_ago,
            )  # fmt: skip
            verdicts.save_verdicts(tx, [(DeviceID(name), bad)])
        return control

    def request(self, who: Principal, where: Resource, device: str = "dev_1") -> AccessRequest:
        """Return the request of somebody in front of a device ("" = any browser)."""
        return AccessRequest(
            PersonID(who.id), where.id, self.sign_ins[who.id],
            Door.DEVICE if device else Door.BROWSER, "192.0.2.7",
            DeviceID(device) if device else None, f"c-{device}" if device else "",
        )  # fmt: skip

    def publish(self, admin: Principal, **changes: object) -> Resource:
        """Add the resource."""
        with self.database.write(admin) as tx:
            return service.add_resource(tx, resource(**changes))

    def rule(self, admin: Principal, *policies: Policy) -> int:
        """Put policies in force; by default everybody may come in."""
        chosen = policies or (Policy("staff", write_form("staff", PolicyForm()), "社員", "Staff"),)
        with self.database.write(admin) as tx:
            now = service.version_in_force(tx)
            based_on = now.number if now else 0
            made = service.propose_policies(tx, chosen, note="t", based_on=based_on)
        return made.number
