"""Somebody to sign in: an administrator with a passkey, on this machine."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pyotp

from fakes.authenticator import Authenticator
from fakes.clock import FakeClock
from sekisho.evidence import service as evidence
from sekisho.identity import service
from sekisho.identity.model import Assignment, Person, PersonState, Role, SignedIn, Site, Visit
from sekisho.identity.service.standing import admission_of
from sekisho.kernel.db import Database
from sekisho.kernel.ids import UnitID
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox

SITE = Site("localhost", "http://localhost:8480")
VISIT = Visit("192.0.2.1", "Firefox")


@dataclass(slots=True)
class Town:
    """A database and the acts that most tests begin with."""

    database: Database
    clock: FakeClock
    box: SecretBox
    authenticator: Authenticator = field(default_factory=Authenticator)

    def code(self, secret: str) -> str:
        """The six digits that an app with this secret shows now."""
        return pyotp.TOTP(secret).at(self.clock.now())

    def start_admin(self, email: str = "saeki@example.jp") -> SignedIn:
        """Use a first-admin link with a passkey."""
        with self.database.write(SYSTEM) as tx:
            path = service.issue_first_admin_link(tx)
        assert path is not None
        token = path.removeprefix("/start/")
        profile = {"name": "佐伯 航", "email": email, "language": "ja"}
        with self.database.write(ANONYMOUS) as tx:
            handle, options = service.begin_link_passkey(tx, token, profile, SITE)
        answer = self.authenticator.create(options)
        with self.database.write(ANONYMOUS) as tx:
            return service.finish_link_passkey(tx, token, handle, answer, "YubiKey", VISIT)

    def as_person(self, signed_in: SignedIn) -> Principal:
        """Return the principal that the front door would make of a sign-in."""
        return self.principal(signed_in.person, signed_in.session_id)

    def principal(self, person: Person, session_id: str = "ses_x") -> Principal:
        """Return a person as if signed in this very moment, with what they may do now."""
        with self.database.read(SYSTEM) as tx:
            admission = admission_of(tx, service.get_person(tx, person.id))
        return Principal(
            PrincipalKind.PERSON,
            person.id,
            person.name,
            admission.rights,
            session_id,
            self.clock.now(),
            scoped=admission.scoped,
        )

    def add(self, email: str, *roles: Role, unit: str | None = None) -> Person:
        """Add an active person."""
        with self.database.write(SYSTEM) as tx:
            return service.add_person(
                tx, name=email, email=email, language="en", roles=roles,
                state=PersonState.ACTIVE, unit_id=unit,
            )  # fmt: skip

    def unit(self, name: str, parent: str | None = None) -> str:
        """Make a unit."""
        with self.database.write(SYSTEM) as tx:
            return service.create_unit(tx, service.UnitDraft(name), parent).id

    def give(self, person: Person, role: Role, unit: str | None = None) -> Principal:
        """Give a person one more role, and return them as if signed in."""
        with self.database.write(SYSTEM) as tx:
            held = service.get_person(tx, person.id).assignments
            assignment = Assignment(role, UnitID(unit) if unit else None)
            service.set_roles(tx, person.id, held | {assignment})
        return self.principal(person)

    def enter_passkey(self, **bent: object) -> SignedIn:
        """Sign in with the newest passkey, the browser's answer bent as told."""
        visit = bent.pop("visit", VISIT)
        assert isinstance(visit, Visit)
        with self.database.write(ANONYMOUS) as tx:
            handle, options = service.begin_passkey_sign_in(tx, SITE)
        answer = self.authenticator.get(options, **bent)
        return service.try_act(
            self.database,
            ANONYMOUS,
            lambda tx: service.sign_in_with_passkey(tx, handle, answer, visit),
        )

    def enter_code(
        self, email: str, code: str, address: str = "192.0.2.1", site: Site = SITE
    ) -> SignedIn:
        """Sign in with a code."""
        return service.try_act(
            self.database,
            ANONYMOUS,
            lambda tx: service.sign_in_with_code(
                tx,
                self.box,
                email=email,
                code=code,
                site=site,
                visit=replace(VISIT, address=address),
            ),
        )

    def register_totp(self, principal: Principal, code_of: Callable[[str], str]) -> str:
        """Register an authenticator app and return its secret."""
        with self.database.write(principal) as tx:
            setup = service.begin_totp(tx, self.box, SITE)
        service.try_act(
            self.database,
            principal,
            lambda tx: service.finish_totp(tx, self.box, setup.handle, code_of(setup.secret)),
        )
        return setup.secret

    def kinds(self) -> list[str]:
        """List the kinds of all evidence records of this room, oldest first."""
        with self.database.write(SYSTEM) as tx:
            evidence.seal_records(tx)
            found = evidence.list_records(tx, limit=500)
        return [record.kind for record in reversed(found)]
