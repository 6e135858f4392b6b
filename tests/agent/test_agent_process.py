"""The agent as a process of its own: enrolment, the loop, kill -9, outages, size."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.osquery_server import OsqueryServer
from sekisho.agent.state import State
from sekisho.wire.kit import Ownership
from support.agent import make_kit, sign

MAX_RSS_KIB = 30_000_000 // 1024
# What the loop may bring in besides the standard library.
THIRD_PARTY = {"apsw"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="starts the agent on Linux")


def wait_for(what: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


AS_OWNER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def may_become_another_user() -> bool:
    try:
        return subprocess.run([*AS_OWNER, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def sekisho(*words: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "sekisho", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def enrol(server: OsqueryServer, tmp_path: Path) -> Path:
    kit = tmp_path / "kit.json"
    kit.write_text(make_kit(server).to_json())
    state = tmp_path / "state"
    done = sekisho("agent", "enroll", str(kit), "--state", str(state), "--format", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["enrolled"] is True
    assert result["key_storage"] in {"file", "tpm"}
    return state


@contextmanager
def running_agent(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    agent = subprocess.Popen([sys.executable, "-m", "sekisho", "agent", "run", "--state", state])
    try:
        yield agent
    finally:
        if agent.poll() is None:
            agent.kill()
        agent.wait()


def test_enrolled_device_answers_stops_cleanly_and_has_a_certificate(
    server: OsqueryServer, tmp_path: Path
) -> None:
    server.behaviour.queries = {"fleet_policy_query_a@1": "SELECT 1 FROM os_version"}
    state = enrol(server, tmp_path)

    with running_agent(state) as agent:
        wait_for(lambda: server.taken.writes)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=10) == 0

    assert server.taken.writes[0]["queries"]["fleet_policy_query_a@1"] == [{"1": "1"}]
    assert (state / "device-certificate.pem").read_text().startswith("-----BEGIN CERTIFICATE")
    assert (state / "device-key.pem").stat().st_mode & 0o777 == 0o600
    assert (state / "agent.db").stat().st_mode & 0o777 == 0o600


def test_a_forgotten_node_enrols_again(server: OsqueryServer, tmp_path: Path) -> None:
    state = enrol(server, tmp_path)
    server.behaviour.queries = {"a": "SELECT 1"}
    server.forget_nodes()

    with running_agent(state):
        wait_for(lambda: server.taken.writes)

    assert len(server.taken.enrolments) == 2


def test_spooled_lines_survive_kill_9_and_an_outage(server: OsqueryServer, tmp_path: Path) -> None:
    state = enrol(server, tmp_path)
    server.behaviour.config["schedule"] = {
        "often": {"query": "SELECT count(*) AS n FROM osquery_registry", "interval": 3600}
    }
    server.behaviour.raw_reply["/api/osquery/log"] = (503, b'{"error": "down"}')

    with running_agent(state) as agent:
        wait_for(lambda: any(path.endswith("/log") for path, _ in server.taken.requests))
        agent.kill()
        agent.wait()
    server.behaviour.raw_reply.clear()
    assert server.taken.lines() == []
    server.behaviour.config["schedule"] = {}
    with running_agent(state):
        wait_for(server.taken.lines)

    assert [line["name"] for line in server.taken.lines()] == ["often"]


def test_a_changed_setting_is_reported_within_ten_seconds(
    server: OsqueryServer, tmp_path: Path
) -> None:

    state = enrol(server, tmp_path)
    server.behaviour.queries = {
        "fleet_policy_query_port@1": "SELECT 1 FROM listening_ports WHERE port = 45679",
        "fleet_policy_query_other@1": "SELECT 1 FROM os_version",
    }
    with running_agent(state), socket.socket() as listener:
        wait_for(lambda: server.taken.writes)
        assert server.taken.writes[0]["queries"]["fleet_policy_query_port@1"] == []
        server.behaviour.queries = {}
        time.sleep(1)

        listener.bind(("0.0.0.0", 45679))  # noqa: S104 - seen from outside is the point
        listener.listen()
        wait_for(lambda: len(server.taken.writes) > 1, 10)

    write = server.taken.writes[1]
    assert write["queries"] == {"fleet_policy_query_port@1": [{"1": "1"}]}


def test_the_loop_is_small(server: OsqueryServer, tmp_path: Path) -> None:
    state = enrol(server, tmp_path)
    server.behaviour.queries = {
        f"fleet_policy_query_{name}@1": f"SELECT 1 FROM {name} LIMIT 1"  # noqa: S608 - names below
        for name in ("os_version", "processes", "deb_packages", "listening_ports", "users", "file")
    }
    server.behaviour.accelerate = 60
    with running_agent(state) as agent:
        wait_for(lambda: len(server.taken.writes) >= 3, 30)
        status = Path(f"/proc/{agent.pid}/status").read_text()

    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) <= MAX_RSS_KIB


def test_the_loop_brings_in_nothing_heavy() -> None:
    code = (
        "import sys; import sekisho.agent.__main__; from sekisho.agent.tables import tables_for;"
        "tables_for('linux');"
        "print(' '.join(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )

    # What the interpreter's own start-up files of this environment load is not ours.
    start = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = set(done.stdout.split()) - {name.partition(".")[0] for name in start.stdout.split()}
    assert ours - set(sys.stdlib_module_names) - {"sekisho"} == THIRD_PARTY


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to become")
def test_a_private_device_is_not_served_as_root(server: OsqueryServer, tmp_path: Path) -> None:
    kit = tmp_path / "kit.json"
    kit.write_text(make_kit(server, Ownership.PRIVATE).to_json())

    done = sekisho("agent", "enroll", str(kit), "--state", str(tmp_path / "s"), "--yes")

    assert done.returncode == 2
    assert "Run the command again as yourself" in done.stderr
    assert server.taken.requests == []


def test_show_tells_what_would_be_sent(server: OsqueryServer, tmp_path: Path) -> None:
    state = enrol(server, tmp_path)
    memory = State(state / "agent.db")
    memory.put(queries=json.dumps({"fleet_policy_query_a@1": "SELECT 1 FROM os_version"}))
    memory.close()

    done = sekisho("agent", "show", "--state", str(state), "--format", "json")

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["answers"]["fleet_policy_query_a@1"]["rows"] == [{"1": "1"}]
    assert shown["answers"]["fleet_policy_query_a@1"]["reads"] == ["os_version."]
    assert shown["enroll"]["host_identifier"]


def test_a_company_device_cannot_be_paused(server: OsqueryServer, tmp_path: Path) -> None:
    state = enrol(server, tmp_path)

    done = sekisho("agent", "pause", "--state", str(state))

    assert done.returncode == 2
    assert "only a private computer can be paused" in done.stderr


def test_no_enrolment_is_said_plainly(tmp_path: Path) -> None:
    done = sekisho("agent", "run", "--state", str(tmp_path))

    assert done.returncode == 2
    assert "sekisho agent enroll KIT" in done.stderr


def test_a_signed_manifest_is_remembered_by_the_enrolment(
    server: OsqueryServer, tmp_path: Path
) -> None:
    server.behaviour.config["sekisho_manifest"] = sign(
        server, [("os_version", "name")], ownership=Ownership.COMPANY
    ).to_message()

    state = enrol(server, tmp_path)

    shown = json.loads(sekisho("agent", "show", "--state", str(state)).stdout)
    assert shown["manifest"] == {"os_version": ["name"]}


@pytest.mark.skipif(not may_become_another_user(), reason="needs user namespaces")
def test_the_owner_of_a_private_computer_agrees_pauses_and_leaves(
    server: OsqueryServer, tmp_path: Path
) -> None:
    folder = tmp_path
    (folder / "kit.json").write_text(make_kit(server, Ownership.PRIVATE).to_json())
    signed = sign(server, [("os_version", "name")])
    server.behaviour.config["sekisho_manifest"] = signed.to_message()
    state = ("--state", str(folder / "state"), "--language", "ja")

    refused = sekisho("agent", "enroll", str(folder / "kit.json"), *state, prefix=AS_OWNER)
    assert refused.returncode == 2, refused.stderr
    assert "同意されませんでした" in refused.stderr
    assert server.taken.consents == []
    done = sekisho("agent", "enroll", str(folder / "kit.json"), *state, "--yes", prefix=AS_OWNER)
    assert done.returncode == 0, done.stderr
    assert "os_version: name" in done.stderr
    assert len(server.taken.consents) == 1
    assert sekisho("agent", "pause", *state, prefix=AS_OWNER).returncode == 0
    assert json.loads(sekisho("agent", "show", *state, prefix=AS_OWNER).stdout)["paused"] is True
    assert sekisho("agent", "resume", *state, prefix=AS_OWNER).returncode == 0
    assert sekisho("agent", "leave", *state, prefix=AS_OWNER).returncode == 0
    assert sekisho("agent", "show", *state, prefix=AS_OWNER).returncode == 2
    told = [(path, body.get("paused")) for path, body in server.taken.requests[-3:]]
    assert told == [
        ("/api/agent/pause", True),
        ("/api/agent/pause", False),
        ("/api/agent/withdraw", None),
    ]
