"""Way 2: an app and an SSH tunnel through the gate, cut when a control on the device breaks.

An office and a home, each a network of its own, that meet at one wire. At home a real browser with
a passkey and the device's certificate, the real agent and ``ssh``; in the office the server, an app
and a real SSH server, which listen on the office's own loopback. The control breaks and is mended
on the device alone; nobody touches the server.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sekisho.access import service as access
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Resource, ResourceID, ResourceKind, Upstream
from sekisho.access.policies import Policy, PolicyForm
from sekisho.identity import service as identity
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox
from support.browser import add_authenticator, running_chromium
from support.gate_house import free_port
from support.networks import OFFICE, Place, office_and_home, write_launcher
from support.running import Running, run_cli, running_up
from support.upstream import upstreams

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
        reason="a mount namespace and an SSH server need root on Linux",
    ),
]
_CONTROL = "os-supported"
_SECONDS = 90.0
_CUT_SECONDS = 10.0
_PORTAL, _GATE, _WIKI = "sekisho.test", "gate.sekisho.test", "wiki.sekisho.test"
# With one rule in force and that one broken, nothing proves the device any more.
_WHY = "この端末がルールを満たしているか未確認です"


def _wait(
    done: Callable[[], bool], what: str | Callable[[], str], seconds: float = _SECONDS
) -> float:
    started = time.monotonic()
    while not done():
        late = time.monotonic() - started > seconds
        assert not late, what if isinstance(what, str) else what()
        time.sleep(0.1)
    return time.monotonic() - started


def _database(up: Running) -> Database:
    return Database(f"sqlite:///{up.data / 'sekisho.db'}", SystemClock())


def _invite(up: Running) -> str:
    """Invite the person who works at home; return the address of the invitation."""
    box = SecretBox.load(up.data / "secret.key")
    database = _database(up)
    try:
        with database.write(SYSTEM) as tx:
            person = identity.invite_person(
                tx, name="山田花子", email="hanako@example.jp", language="ja", roles=["teleworker"]
            )
            return up.public_url + identity.issue_invite_link(tx, person.id, box)
    finally:
        database.close()


def _publish(up: Running, app: int, ssh: int) -> None:
    """Put an app and an SSH server behind the gate, for devices whose system is supported."""
    database = _database(up)
    try:
        with database.write(SYSTEM) as tx:
            for key, kind, host, port in (
                ("wiki", ResourceKind.HTTP, _WIKI, app),
                ("shell", ResourceKind.TCP, "shell.internal", ssh),
            ):
                access.add_resource(tx, Resource(
                    ResourceID(""), key, f"社内{key}", key, kind, host,
                    (Upstream("127.0.0.1", port),),
                ))  # fmt: skip
            now = access.version_in_force(tx)
            form = PolicyForm(controls=(_CONTROL,))
            rule = Policy("staff", write_form("staff", form), "OSが保守期間内", "OS is supported")
            made = access.propose_policies(
                tx, [rule], note="flow", based_on=now.number if now else 0
            )
            assert made.state.value == "in_force"  # there is nobody yet who could approve it
    finally:
        database.close()


@contextmanager
def _ssh_server(folder: Path) -> Iterator[int]:
    """Run a real SSH server that takes one key."""
    folder.mkdir(mode=0o700)
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin yes\n"
    )
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")], stderr=log
        )
        try:
            yield port
        finally:
            server.terminate()
            server.wait(10)


class _Shell:
    """``ssh`` through ``sekisho connect``: counts the lines that come, keeps what is said."""

    def __init__(self, home: Place, folder: Path, state: Path) -> None:
        proxy = (
            f"{sys.executable} -m sekisho connect shell --stdio --no-browser --language ja "
            f"--state {state}"
        )
        self.process = subprocess.Popen(
            [
                *home.reach, "ssh", "-i", str(folder / "user"), "-o", f"ProxyCommand={proxy}", "-o",
                "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "root@shell",
                "while :; do echo tick; sleep 0.1; done",
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines, self.said = 0, ""
        self._threads = [
            threading.Thread(target=self._count, daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _count(self) -> None:
        assert self.process.stdout is not None
        for _ in self.process.stdout:
            self.lines += 1

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def address(self) -> str:
        """Return the address at which the command asks to sign in, "" before it does."""
        found = re.search(r"https?://\S+/gate/connect\S+", self.said)
        return found.group(0) if found else ""

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(10)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def _enrol(up: Running, home: Place, state: Path, owner: str) -> None:
    archive = up.data.parent / "kit.zip"
    run_cli(
        "devices", "kit", "create", "--data", str(up.data), "--owner", owner, "--out", str(archive)
    )
    kit = zipfile.ZipFile(archive).extract("sekisho-kit.json", up.data.parent)
    enrol = [
        sys.executable,
        "-m",
        "sekisho",
        "agent",
        "enroll",
        kit,
        "--state",
        str(state),
        "--yes",
    ]
    subprocess.run([*home.reach, *enrol], check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL)


class _OwnSystem:
    """The agent where ``/etc/os-release`` is the test's: the control breaks and is mended there."""

    def __init__(self, home: Place, state: Path, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "os-release"
        self._good = Path("/etc/os-release").read_text()
        self._file.write_text(self._good)
        mount = f"mount --bind {self._file} {Path('/etc/os-release').resolve()}"
        run = f"exec {sys.executable} -m sekisho agent run --state {state}"
        self._agent = subprocess.Popen(
            [
                *home.reach,
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                f"{mount} && {run}",
            ]
        )

    def break_it(self) -> None:
        ended = "18.04" if "ID=ubuntu" in self._good else "9"
        old = re.sub(r'^(VERSION(?:_ID)?=)"?[\d.]+', rf'\1"{ended}', self._good, flags=re.MULTILINE)
        self._file.write_text(old)

    def mend(self) -> None:
        self._file.write_text(self._good)

    def end(self) -> None:
        self._agent.terminate()
        self._agent.wait(20)


def _register(page: Page, invitation: str) -> None:
    page.goto(invitation)
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")


def _one_rule(folder: Path) -> Path:
    """Make a catalogue of the one control that the test breaks: the rest depends on the machine."""
    shutil.copytree(Path(str(files("sekisho"))) / "content", folder)
    for path in (folder / "controls").iterdir():
        if path.stem != _CONTROL:
            path.unlink()
    return folder


def _person(up: Running) -> str:
    database = _database(up)
    try:
        with database.read(SYSTEM) as tx:
            found = identity.find_person_by_email(tx, "hanako@example.jp")
            assert found is not None
            return found.id
    finally:
        database.close()


@dataclass
class _Desk:
    """The person's desk: a browser that shows the device's certificate, and the device itself."""

    app: str
    home: Place
    state: Path
    system: _OwnSystem
    context: BrowserContext
    page: Page

    def shows(self, words: str) -> bool:
        self.page.goto(self.app)
        return words in self.page.inner_text("body")

    def seen(self) -> str:
        return f"{self.page.url}: {self.page.inner_text('body')}"

    def sign_in(self) -> None:
        """Go to the app as nobody yet, and be led to one's passkey and back."""
        self.context.clear_cookies()
        self.page.goto(self.app)
        self.page.click("[data-passkey] button")
        self.page.wait_for_url(self.app)

    def confirm(self, shell: _Shell) -> None:
        """Do what the command asks for: open its address in the browser."""
        _wait(lambda: bool(shell.address()), lambda: f"no sign-in was asked for: {shell.said}")
        page = self.context.new_page()
        page.goto(shell.address())
        expect(page.locator("body")).to_contain_text("この窓は閉じて")
        page.close()


@contextmanager
def _browser_at(home: Place, folder: Path, authority: Path) -> Iterator[Browser]:
    """Run the browser at home: Playwright's own process, which starts it, is there as well."""
    node, _ = compute_driver_executable()
    launcher = write_launcher(folder / "node-at-home", [*home.reach, str(node)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAYWRIGHT_NODEJS_PATH", str(launcher))
        with running_chromium(authority) as browser:
            yield browser


def _sit_down(stack: ExitStack, up: Running, home: Place, folder: Path) -> _Desk:
    """Enrol the person's device, open their browser, and register their passkey."""
    invitation, state = _invite(up), folder / "agent"
    _enrol(up, home, state, _person(up))
    system = _OwnSystem(home, state, folder / "etc")
    stack.callback(system.end)
    browser = stack.enter_context(_browser_at(home, folder, up.authority))
    port = str(up.ready["gate"]).rpartition(":")[2]
    origin = f"https://{_WIKI}:{port}"
    context = browser.new_context(
        locale="ja-JP",
        client_certificates=[{
            "origin": origin, "certPath": str(state / "device-certificate.pem"),
            "keyPath": str(state / "device-key.pem"),
        }],
    )  # fmt: skip
    page = context.new_page()
    add_authenticator(context, page)
    _register(page, invitation)
    return _Desk(f"{origin}/hello", home, state, system, context, page)


def test_an_app_and_a_tunnel_are_cut_and_come_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        office, home = stack.enter_context(office_and_home(_PORTAL, _GATE, _WIKI))
        only = {"SEKISHO_CONTROLS": str(_one_rule(tmp_path / "controls"))}
        with office.inside():
            app, _ = stack.enter_context(upstreams())
            ssh = stack.enter_context(_ssh_server(tmp_path / "ssh"))
            up = stack.enter_context(running_up(
                tmp_path / "data", "--no-device", "--listen", f"{OFFICE}:0", "--gate",
                f"{OFFICE}:0", "--public-name", _PORTAL, "--gate-name", _GATE, environment=only,
            ))  # fmt: skip
        _publish(up, app, ssh)
        desk = _sit_down(stack, up, home, tmp_path)

        desk.sign_in()
        _wait(lambda: desk.shows("x-sekisho-device"), desk.seen)
        shell = _Shell(home, tmp_path / "ssh", desk.state)
        stack.callback(shell.end)
        desk.confirm(shell)
        _wait(lambda: shell.lines > 5, lambda: f"no tunnel: {shell.said}")

        desk.system.break_it()
        took = _wait(lambda: shell.process.poll() is not None, "the tunnel was not cut", 30)
        _wait(lambda: "切断" in shell.said, lambda: f"no reason was given: {shell.said}", 10)
        assert _WHY in shell.said, shell.said
        assert desk.shows("いまは開けません"), desk.seen()
        assert _WHY in desk.seen()
        print(f"a setting changed on the device -> its tunnel is cut: {took:.1f} s")  # noqa: T201 - with -s
        assert took <= _CUT_SECONDS

        desk.system.mend()
        _wait(lambda: desk.shows("x-sekisho-device"), desk.seen, 60)
        again = _Shell(home, tmp_path / "ssh", desk.state)
        stack.callback(again.end)
        _wait(lambda: again.lines > 5, lambda: f"no tunnel afterwards: {again.said}", 60)
