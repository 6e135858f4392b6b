"""What is remembered of a device's facts is never out of date, whoever wrote and however."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from sekisho.controls.model import Proof, Verdict, VerdictKind
from sekisho.controls.service.access import list_settled_verdicts
from sekisho.controls.store import verdicts
from sekisho.controls.store.tables import EXEMPTIONS, VERDICTS
from sekisho.kernel.db import Database, Transaction, upsert
from sekisho.kernel.i18n import Text
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM

_DEVICES = [DeviceID("dev_1"), DeviceID("dev_2")]
_CONTROLS = [ControlID("a"), ControlID("b")]
_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_times = st.integers(-3, 3).map(lambda hours: _NOON + timedelta(hours=hours))
_maybe = st.none() | _times
_verdict = st.builds(
    Verdict,
    control_id=st.sampled_from(_CONTROLS), control_version=st.integers(1, 2),
    kind=(kind := st.sampled_from(VerdictKind)), judged=kind, proof=st.sampled_from(Proof),
    since=_times, received_at=_maybe, first_failed_at=_maybe, expires_at=_maybe,
    message=st.sampled_from([None, Text("a", {"n": 1}), Text("a", {"n": 2})]),
    rows=st.sampled_from([(), ({"x": "1"},), ({"x": 1},)]),
)  # fmt: skip

Step = Callable[[Transaction], Any]
_device = st.sampled_from(_DEVICES)
_saved = st.builds(lambda d, v: lambda tx: verdicts.save_verdicts(tx, [(d, v)]), _device, _verdict)
_touched = st.builds(
    lambda d, v: lambda tx: verdicts.touch_verdicts(tx, [(d, v)]), _device, _verdict
)
_deleted = st.builds(
    lambda d, c: lambda tx: verdicts.delete_verdicts(tx, d, [c]), _device,
    st.sampled_from(_CONTROLS),
)  # fmt: skip
_gone = st.builds(lambda d: lambda tx: verdicts.delete_device(tx, d), _device)
_behind = st.builds(  # past everything that we have to write with
    lambda kind: (
        lambda tx: tx.execute(text("UPDATE control_verdicts SET judged = :kind"), {"kind": kind})
    ),
    st.sampled_from([each.value for each in VerdictKind]),
)
_excepted = st.builds(
    lambda d, c, until: lambda tx: upsert(
        tx, EXEMPTIONS,
        [{"device_id": d, "control_id": c, "exception_id": f"exc_{until}", "until": until}],
        index=["device_id", "control_id", "exception_id"], update=["until"],
    ),
    _device, st.sampled_from(_CONTROLS), _times,
)  # fmt: skip
_ended = st.just(lambda tx: tx.execute(delete(EXEMPTIONS)))
_steps = st.lists(
    st.tuples(
        st.one_of(_saved, _saved, _touched, _deleted, _gone, _behind, _excepted, _ended),
        st.booleans(),
    ),
    max_size=8,
)


def _hold(tx: Transaction) -> None:
    """What is given is what a fresh reading gives, with the same words for each device."""
    assert verdicts.find_verdicts_of(tx, _DEVICES) == {
        device: verdicts.find_verdicts(tx, device) for device in _DEVICES
    }
    alone = {device: list_settled_verdicts(tx, [device])[device] for device in _DEVICES}
    assert list_settled_verdicts(tx, _DEVICES) == alone


def test_no_fact_of_a_device_is_ever_stale(database: Database) -> None:
    @settings(max_examples=25)
    @given(_steps)
    def check(steps: list[tuple[Step, bool]]) -> None:
        with database.write(SYSTEM) as tx:
            tx.execute(delete(VERDICTS))
            tx.execute(delete(EXEMPTIONS))
        for step, stays in steps:
            with database.write(SYSTEM) as tx:
                savepoint = tx.connection.begin_nested()
                step(tx)
                _hold(tx)
                (savepoint.commit if stays else savepoint.rollback)()
                _hold(tx)
            with database.read(SYSTEM) as tx:
                _hold(tx)

    check()
