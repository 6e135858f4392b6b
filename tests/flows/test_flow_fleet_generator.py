"""Fleet's own load generator against our server: a client that nobody here has written.

It is not part of this project and not needed to build it. Name its binary in
``SEKISHO_OSQUERY_PERF`` to run this test (``docs/performance.md`` says how to get one).
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from sekisho.controls import service as controls
from sekisho.controls.model import VerdictKind
from sekisho.devices.model import DeviceState, KitKind, Ownership
from sekisho.devices.service import inventory, kits
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import load_settings
from support.running import running_up

HOSTS = 30
PLAY_SECONDS = 60


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Path:
    named = os.environ.get("SEKISHO_OSQUERY_PERF", "")
    if not named:
        pytest.skip("SEKISHO_OSQUERY_PERF names no binary of Fleet's osquery-perf")
    monkeypatch.delenv("SEKISHO_OSQUERY_PERF")  # the server would take it for a setting
    assert Path(named).is_file(), f"SEKISHO_OSQUERY_PERF: there is no file {named}"
    return Path(named)


def test_fleet_hosts_enrol_and_their_policies_become_verdicts(
    generator: Path, tmp_path: Path
) -> None:
    with running_up(tmp_path / "data", "--no-device") as running:
        database = Database(load_settings(running.data, {}).database, SystemClock())
        order = kits.KitOrder(
            KitKind.GROUP, Ownership.COMPANY, "generator", max_devices=HOSTS, approval=False
        )
        with database.write(SYSTEM) as tx:
            secret = kits.create_kit(tx, order).secret.reveal()
        said = play(generator, running.public_url, secret)
        with database.read(SYSTEM) as tx:
            page = inventory.list_devices(tx, limit=HOSTS)
            kinds = [
                verdict.kind
                for device in page.devices
                for verdict in controls.list_verdicts(tx, device.id)
            ]
        database.close()
    assert page.total == HOSTS, said
    assert {device.state for device in page.devices} == {DeviceState.ACTIVE}
    assert {device.answered_at is None for device in page.devices} == {False}, said
    # It answers preconditions with a made-up row, so its policies count, nine in ten as passed.
    assert kinds.count(VerdictKind.PASS) > kinds.count(VerdictKind.FAIL) > 0


def play(generator: Path, url: str, secret: str) -> str:
    """Let the generator play for a minute; return what it printed last."""
    command = [
        str(generator), "--server_url", url, "--enroll_secret", secret,
        "--host_count", str(HOSTS), "--start_period", "5s", "--query_interval", "5s",
        "--config_interval", "30s", "--logger_tls_period", "10s", "--orbit_prob", "0",
        "--mdm_prob", "0", "--http_message_signature_prob", "0", "--policy_pass_prob", "0.9",
        "--os_templates", f"windows_11:{HOSTS // 2},ubuntu_22.04:{HOSTS - HOSTS // 2}",
        "--software_db_path", "",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        time.sleep(PLAY_SECONDS)
        child.terminate()
        said, _ = child.communicate(timeout=20)
    return said[-3000:]
