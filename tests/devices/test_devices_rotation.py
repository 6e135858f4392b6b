"""Enrolment under loss: whatever is lost, retried or withdrawn, the right keys work, no others."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fakes.clock import FakeClock
from sekisho.devices.engine import Refusal
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.protocol import EnrollRequest
from sekisho.devices.service.enrolment import UNUSED_KEYS, Enrolled, confirm_key, enrol
from sekisho.devices.service.kits import KitOrder, create_kit
from sekisho.devices.service.lifecycle import withdraw_device
from sekisho.devices.store import devices as store
from sekisho.kernel.db import Database
from sekisho.kernel.ids import digest_token
from sekisho.kernel.principal import SYSTEM


class Enrolment(RuleBasedStateMachine):
    """One device secret, two hosts that try it, replies that get lost, keys that come back."""

    template = b""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        path = Path(self.folder.name) / "sekisho.db"
        path.write_bytes(self.template)
        self.database = Database(f"sqlite:///{path}", self.clock)
        with self.database.write(SYSTEM) as tx:
            made = create_kit(tx, KitOrder(KitKind.DEVICE, Ownership.COMPANY))
        self.secret = made.secret.reveal()
        self.bound = ""
        self.device = ""
        self.issued: list[str] = []
        self.newest_used = -1
        self.withdrawn = False

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @rule(host=st.sampled_from(["one", "two"]))
    def try_to_enrol(self, host: str) -> None:
        request = EnrollRequest(self.secret, host, "2", {})
        with self.database.write(SYSTEM) as tx:
            outcome = enrol(tx, request, "203.0.113.9")
        if self.withdrawn or self.bound not in {"", host}:
            assert isinstance(outcome, Refusal)
            return
        assert isinstance(outcome, Enrolled)
        assert outcome.device_id == self.device or not self.device
        self.bound, self.device = host, outcome.device_id
        self.issued.append(outcome.node_key)

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def use_a_key(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.issued) - 1))
        with self.database.write(SYSTEM) as tx:
            found = confirm_key(tx, digest_token(self.issued[place]))
        unused_after = len(self.issued) - max(place, self.newest_used + 1)
        dropped = place > self.newest_used and unused_after > UNUSED_KEYS
        good = not self.withdrawn and place >= self.newest_used and not dropped
        assert (found is not None) is good
        if good:
            self.newest_used = place

    @precondition(lambda self: self.device and not self.withdrawn)
    @rule()
    def withdraw(self) -> None:
        with self.database.write(SYSTEM) as tx:
            withdraw_device(tx, self.device)
        self.withdrawn = True

    @rule(seconds=st.sampled_from([0, 1, 3600, -30]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @invariant()
    def there_is_never_more_than_one_device_nor_too_many_keys(self) -> None:
        with self.database.read(SYSTEM) as tx:
            assert len(store.find_same_host(tx, "one")) + len(store.find_same_host(tx, "two")) <= 1
            if self.device:
                assert len(store.list_keys(tx, self.device)) <= UNUSED_KEYS + 1
                assert bool(store.list_keys(tx, self.device)) is not self.withdrawn


def test_enrolment_under_loss(sqlite_template: Path) -> None:
    Enrolment.template = sqlite_template.read_bytes()
    run_state_machine_as_test(
        Enrolment, settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )
