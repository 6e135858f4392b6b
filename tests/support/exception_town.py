"""People, devices and rules to ask exceptions for: who they are is the same in every test."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls import service
from sekisho.controls.exceptions import RuleException, Scope, ScopeKind, Wish
from sekisho.controls.model import Control, Platform, Subject, Verdict
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.identity.service.standing import admission_of
from sekisho.kernel.db import Database
from sekisho.kernel.ids import ControlID, DeviceID, PersonID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.wire.kit import Ownership

UAC = ControlID("uac-on")
NAMES = {
    "tanaka": ("田中 結衣", Role.TELEWORKER),
    "saeki": ("佐伯 航", Role.SECURITY),
    "mori": ("森 友紀", Role.EXECUTIVE),
    "kondo": ("近藤 光", Role.SECURITY),
    "abe": ("阿部 慧", Role.AUDITOR),
}


def _without_lists(control: Control) -> Control:
    checks = {
        platform: replace(
            check,
            probe=replace(check.probe, data=()),
            fallback=replace(check.fallback, data=()) if check.fallback else None,
        )
        for platform, check in control.checks.items()
    }
    return replace(control, data=(), checks=checks)


@dataclass(slots=True)
class ExceptionTown:
    """A database with five people and one failing laptop of 田中."""

    database: Database
    clock: FakeClock
    replies: Replies
    laptop: Subject = field(
        default_factory=lambda: Subject(
            DeviceID("dev_1"), Ownership.COMPANY, Platform.WINDOWS, "per_tanaka"
        )
    )

    def settle(self) -> "ExceptionTown":
        """Add the people and let the laptop fail the rule.

        The rules lean on no dated lists here, so that no test fails when one grows old.
        """
        catalogue = self.replies.catalogue
        bare = {key: _without_lists(each) for key, each in catalogue.controls.items()}
        service.put_in_force(replace(catalogue, controls=bare))
        with self.database.write(SYSTEM) as tx:
            for name, (words, role) in NAMES.items():
                identity.add_person(
                    tx, name=words, email=f"{name}@example.jp", language="ja", roles=[role],
                    state=PersonState.ACTIVE, person_id=PersonID(f"per_{name}"),
                )  # fmt: skip
        self.answer(self.laptop, passed=False)
        return self

    def answer(self, subject: Subject, *, passed: bool, control: str = UAC) -> None:
        """Let a device answer one rule."""
        answers = self.replies.about(control, subject.platform, passed=passed)
        with self.database.write(SYSTEM) as tx:
            service.judge_answers(tx, subject, answers, tx.now)

    def who(self, name: str) -> Principal:
        """Return a person as if signed in now, with what they may do now."""
        with self.database.read(SYSTEM) as tx:
            person = identity.find_person(tx, f"per_{name}")
            assert person is not None
            admission = admission_of(tx, person)
        return Principal(
            PrincipalKind.PERSON, person.id, person.name, admission.rights, "ses_x",
            self.clock.now(), scoped=admission.scoped,
        )  # fmt: skip

    def wish(self, scope: Scope | None = None, *, days: float = 20, control: str = UAC) -> Wish:
        """Return what somebody might ask for."""
        return Wish(
            ControlID(control), scope or Scope(ScopeKind.DEVICE, self.laptop.device_id),
            "古い業務ソフトのため", "社内網に接続しない", self.clock.now() + timedelta(days=days),
        )  # fmt: skip

    def ask(
        self, name: str = "tanaka", wish: Wish | None = None, *, renews: str = ""
    ) -> RuleException:
        """Ask for an exception."""
        with self.database.write(self.who(name)) as tx:
            return service.request_exception(tx, wish or self.wish(), None, renews=renews)

    def approve(self, exception: RuleException, name: str = "saeki") -> RuleException:
        """Approve a request."""
        with self.database.write(self.who(name)) as tx:
            return service.approve_exception(tx, exception.id)

    def grant(self, scope: Scope | None = None, *, days: float = 20) -> RuleException:
        """Ask and approve, by two people."""
        asker = "tanaka" if scope is None else "kondo"
        return self.approve(self.ask(asker, self.wish(scope, days=days)))

    def verdict(self, device: str = "dev_1", control: str = UAC) -> Verdict:
        """Return what one rule says of a device now."""
        with self.database.read(SYSTEM) as tx:
            found = service.list_verdicts(tx, DeviceID(device))
        return next(v for v in found if v.control_id == control)

    def turn(self) -> None:
        """Let the worker do what is due."""
        with self.database.write(SYSTEM) as tx:
            service.turn_exceptions(tx)
        with self.database.write(SYSTEM) as tx:
            service.expire_stale(tx)
