"""Fleet's own load generator against our server: a client that nobody here has written.

``python -m bench.fleet_generator PROGRAM`` takes the program ``osquery-perf`` of Fleet
(github.com/fleetdm/fleet, ``cmd/osquery-perf``), built with Go by whoever has it: it is not part of
this project, and no test needs it. It plays some hosts for a minute; each must be enrolled, be
asked, and have verdicts at the end, as its 0.9 of passing policies says.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from sekisho.controls import service as controls
from sekisho.controls.model import VerdictKind
from sekisho.devices.model import DeviceState, KitKind, Ownership
from sekisho.devices.service import inventory, kits
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import load_settings
from support.running import Running, running_up

HOSTS = 30
PLAY_SECONDS = 60


def main() -> int:
    """Play, print the table, and return 1 if a host was lost on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="Fleet's osquery-perf")
    program = parser.parse_args().program
    if not program.is_file():
        parser.error(f"there is no file {program}")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_up(Path(folder) / "data", "--no-device") as running,
    ):
        return _judge(running, program)


def _judge(running: Running, program: Path) -> int:
    database = Database(load_settings(running.data, {}).database, SystemClock())
    order = kits.KitOrder(
        KitKind.GROUP, Ownership.COMPANY, "generator", max_devices=HOSTS, approval=False
    )
    try:
        with database.write(SYSTEM) as tx:
            secret = kits.create_kit(tx, order).secret.reveal()
        said = play(program, running.public_url, secret)
        with database.read(SYSTEM) as tx:
            devices = inventory.list_devices(tx, limit=HOSTS).devices
            kinds = Counter(
                verdict.kind
                for device in devices
                for verdict in controls.list_verdicts(tx, device.id)
            )
    finally:
        database.close()
    active = sum(device.state is DeviceState.ACTIVE for device in devices)
    answered = sum(device.answered_at is not None for device in devices)
    print(f"enrolled {active} of {HOSTS}, answered {answered} of {HOSTS}")
    print(", ".join(f"{kind.value} {count}" for kind, count in kinds.most_common()))
    # It answers preconditions with a made-up row, so its policies count, nine in ten as passed.
    fine = active == answered == HOSTS and kinds[VerdictKind.PASS] > kinds[VerdictKind.FAIL] > 0
    if not fine:
        print(said)
    return 0 if fine else 1


def play(program: Path, url: str, secret: str) -> str:
    """Let the generator play for a minute; return what it printed last."""
    command = [
        str(program), "--server_url", url, "--enroll_secret", secret,
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


if __name__ == "__main__":
    sys.exit(main())
