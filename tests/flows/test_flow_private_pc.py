"""A person's own computer, from consent to withdrawal, over the whole program.

The agent runs with an ordinary user's rights and, as root, under a host name of its own, so that
what must not arrive anywhere can be looked for by name.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from fakes.osqueryd import FailedError, Osqueryd
from support.browser import add_authenticator, running_chromium
from support.running import Running, run_cli, running_up
from support.visiting import (
    Post,
    find_everywhere,
    public_client,
    query,
    verify_evidence,
    wait_until,
)

pytestmark = pytest.mark.browser

ROOT = sys.platform == "linux" and os.geteuid() == 0
NOBODY = 65534
OWN_NAME = "HIMITSU-NO-PASOKON"
QUICK_SECONDS = 60


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that belongs to the ordinary user; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="sekisho-owner-"))
    if ROOT:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def _is_open_to_all(program: Path) -> bool:
    """Tell whether other users can run a program; a Python below /root they cannot."""
    chain = [program.absolute(), program.resolve(), Path(__file__).resolve()]
    folders = {parent for path in chain for parent in path.parents}
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in folders)


@dataclass(slots=True)
class OwnComputer:
    """The agent on a person's own computer."""

    home: Path

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def log(self) -> str:
        path = self.home / "agent.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def command(self, *words: str) -> list[str]:
        own = [sys.executable, "-m", "sekisho", "agent", *words, "--state", str(self.state)]
        if not ROOT:
            return own
        caps = "-all" if _is_open_to_all(Path(sys.executable)) else "-all,+dac_read_search"
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                f"--inh-caps={caps}", f"--ambient-caps={caps}", "--no-new-privs", "--"]  # fmt: skip
        named = ["sh", "-c", f'hostname {OWN_NAME} && exec "$@"', "sh"]
        return ["unshare", "--uts", *named, *drop, *own]

    @property
    def environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith("SEKISHO_")}
        return kept | {"HOME": str(self.home), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}

    def tell(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.environment, cwd="/", capture_output=True, text=True,
            timeout=90, check=False,
        )  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.home / "agent.log").open("ab") as log:
            process = subprocess.Popen(
                self.command("run"), env=self.environment, cwd="/", stderr=log, stdout=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def contexts(chromium: Browser) -> Iterator[list[BrowserContext]]:
    """Two browsers: the administrator's and the owner's."""
    opened = [chromium.new_context(locale="en-US", accept_downloads=True) for _ in range(2)]
    yield opened
    for context in opened:
        context.close()


def _become_admin(context: BrowserContext, up: Running) -> Page:
    page = context.new_page()
    add_authenticator(context, page)
    page.goto(up.ready["first_admin_url"])
    page.fill("#name", "Wataru Saeki")
    page.fill("#email", "saeki@example.jp")
    page.select_option("#language", "en")
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")
    return page


def _invite_owner(admin: Page, context: BrowserContext, up: Running) -> Page:
    admin.goto(f"{up.url}/people")
    admin.fill("#i-name", "Hanako Mori")
    admin.fill("#i-email", "mori@example.jp")
    admin.select_option("#i-language", "en")
    admin.get_by_role("button", name="Make the invitation").click()
    found = re.search(r"https?://\S+/start/\S+", admin.inner_text("main"))
    assert found
    owner = context.new_page()
    add_authenticator(context, owner)
    owner.goto(found[0])
    owner.click("[data-passkey] button")
    owner.wait_for_url(lambda url: "/start/" not in url)
    return owner


def _make_private_kit(admin: Page, up: Running, folder: Path) -> Path:
    admin.goto(f"{up.url}/devices/kits/new")
    admin.get_by_label("A person's own").check()
    admin.fill("#label", "Mori's own PC")
    admin.select_option("#owner", label="Hanako Mori")
    admin.get_by_role("button", name="Make the kit").click()
    admin.locator("summary").filter(has_text="Linux").first.click()
    link = admin.locator("a[download='sekisho-kit-linux.zip']")
    with admin.expect_download() as waiting:
        link.click()
    archive = folder / "sekisho-kit-linux.zip"
    waiting.value.save_as(archive)
    if ROOT:
        os.chown(archive, NOBODY, NOBODY)
    return archive


def test_a_private_pc_from_consent_to_withdrawal(
    tmp_path: Path, home: Path, contexts: list[BrowserContext]
) -> None:
    computer = OwnComputer(home)
    with running_up(tmp_path / "data", "--no-device") as up:
        admin = _become_admin(contexts[0], up)
        owner = _invite_owner(admin, contexts[1], up)
        kit = _make_private_kit(admin, up, home)
        _enrol_only_with_consent(up, computer, kit)
        with computer.running():
            device = _wait_for_verdicts(up)
        _check_only_yes_or_no_is_kept(up, device)
        _look_and_be_seen(up, admin, owner, device)
        _pause_and_go_on(up, owner, computer, device)
        _withdraw(up, owner, computer, device)
        _check_what_stays(up, admin, device)
        assert verify_evidence(up)["problems"] == 0


def _enrol_only_with_consent(up: Running, computer: OwnComputer, kit: Path) -> None:
    refused = computer.tell("enroll", str(kit))
    assert refused.returncode == 2
    assert "Exactly this is read:" in refused.stderr
    assert query(up, "SELECT state, host_identifier FROM devices") == [("withdrawn", "")]
    assert query(up, "SELECT count(*) FROM control_verdicts") == [(0,)]

    done = computer.tell("enroll", str(kit), "--yes", "--format", "json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ownership"] == "private"
    owners = {path.stat().st_uid for path in computer.state.iterdir()}
    assert owners == {NOBODY if ROOT else os.geteuid()}


def _wait_for_verdicts(up: Running) -> str:
    known = "SELECT count(*) FROM control_verdicts WHERE kind IN ('pass', 'fail')"
    wait_until(lambda: query(up, known)[0][0] >= 3, QUICK_SECONDS, "verdicts of a private PC")
    ((device,),) = query(up, "SELECT id FROM devices WHERE state = 'active'")
    return str(device)


def _check_only_yes_or_no_is_kept(up: Running, device: str) -> None:
    kept = query(up, "SELECT rows FROM control_verdicts WHERE device_id = ?", device)
    assert {rows for (rows,) in kept} <= {None, "[]", "null", "()"}
    told = query(up, "SELECT serial, hostname, model FROM devices WHERE id = ?", device)
    assert told == [("", "", "")]
    for word in _facts_of_this_machine():
        assert find_everywhere(up, word) == [], word


def _facts_of_this_machine() -> set[str]:
    """What a private PC must never tell: names, numbers and addresses of the machine."""
    found = {OWN_NAME} if ROOT else set()
    for path in ("/etc/machine-id", "/sys/class/dmi/id/product_uuid",
                 "/sys/class/dmi/id/product_serial", "/sys/class/dmi/id/board_serial",
                 *map(str, Path("/sys/class/net").glob("*/address"))):  # fmt: skip
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if len(text) >= 8 and set(text) - set("0:-"):
            found.add(text)
    return found


def _look_and_be_seen(up: Running, admin: Page, owner: Page, device: str) -> None:
    owner.goto(f"{up.url}/my")
    expect(owner.locator("main")).to_contain_text("Nobody has looked so far.")

    admin.goto(f"{up.url}/devices/{device}")
    expect(admin.locator(".reads").first).to_contain_text("os_version")
    expect(admin.get_by_text("Wataru Saeki").first).to_be_attached()
    shown = admin.inner_text("main")
    assert OWN_NAME not in shown

    owner.reload()
    looks = owner.locator("details").filter(has_text="Who looked at this computer")
    expect(looks.last).to_contain_text("Wataru Saeki")
    looked = query(up, "SELECT kind FROM evidence_records WHERE kind = 'device.looked_at'")
    assert len(looked) == 1
    owner.get_by_text("What the company can see of this computer").click()
    owner.get_by_text("Exactly which tables and columns are read").click()
    expect(owner.locator(".reads").first).to_contain_text("os_version")


def _received(up: Running, device: str) -> object:
    latest = "SELECT max(received_at) FROM control_verdicts WHERE device_id = ?"
    return query(up, latest, device)[0][0]


def _pause_and_go_on(up: Running, owner: Page, computer: OwnComputer, device: str) -> None:
    owner.goto(f"{up.url}/my")
    owner.get_by_role("button", name="Pause").click()
    expect(owner.locator("h1")).to_have_text("Paused")
    before = _received(up, device)
    known = len(computer.log)
    with computer.running():  # a fresh start asks for work at once
        wait_until(lambda: "running for" in computer.log[known:], QUICK_SECONDS, "the agent")
        wait_until(lambda: _seen_since(up, device, before), QUICK_SECONDS, "a word while paused")
    assert _received(up, device) == before

    owner.get_by_role("button", name="Go on").click()
    expect(owner.get_by_role("button", name="Pause")).to_be_visible()
    with computer.running():
        wait_until(lambda: _received(up, device) != before, QUICK_SECONDS, "an answer after it")


def _seen_since(up: Running, device: str, before: object) -> bool:
    ((seen,),) = query(up, "SELECT seen_at FROM devices WHERE id = ?", device)
    return seen is not None and str(seen) > str(before)


def _withdraw(up: Running, owner: Page, computer: OwnComputer, device: str) -> None:
    known = len(computer.log)
    with computer.running():
        owner.goto(f"{up.url}/my")
        owner.get_by_role("button", name="Withdraw my consent").click()
        owner.wait_for_url("**/my?withdrawn=true")
        expect(owner.get_by_role("status")).to_contain_text("What stays is one line")
        expect(owner.locator("main")).to_contain_text("No computer of yours is enrolled yet")
    with computer.running():  # it may have been told in its last moment already
        wait_until(
            lambda: "does not know this device any more" in computer.log[known:],
            QUICK_SECONDS, "the agent is turned away",
        )  # fmt: skip
    again = computer.tell("enroll", str(computer.home / "sekisho-kit-linux.zip"), "--yes")
    assert again.returncode == 2
    assert "was used" in again.stderr
    left = query(up, "SELECT id, state FROM devices")
    assert (device, "withdrawn") in left
    assert {state for _, state in left} == {"withdrawn"}
    assert len(left) == 2  # the one that was refused at first, and this one


def _check_what_stays(up: Running, admin: Page, device: str) -> None:
    for table in ("control_verdicts", "control_changes", "device_looks", "device_node_keys",
                  "device_certificates", "device_schedules", "device_lines"):  # fmt: skip
        count = f"SELECT count(*) FROM {table} WHERE device_id = ?"  # noqa: S608 - names above
        assert query(up, count, device) == [(0,)], table
    said = query(
        up, "SELECT kind, payload FROM evidence_records JOIN evidence_payloads ON id = record_id "
        "WHERE subject = ?", f"device:{device}",
    )  # fmt: skip
    assert {kind for kind, _ in said} <= {"device.withdrawn", "evidence.erased"}
    ((owner_id,),) = query(up, "SELECT id FROM identity_people WHERE email = 'mori@example.jp'")
    devices_of = [n for n in find_everywhere(up, str(owner_id)) if n.startswith(("dev", "con"))]
    assert devices_of == []
    admin.goto(f"{up.url}/devices")
    assert "Mori" not in admin.inner_text("main")
    admin.goto(f"{up.url}/devices/{device}")
    expect(admin.locator("main")).to_contain_text("Consent was withdrawn")


def test_osqueryd_on_a_private_pc_is_asked_only_what_was_consented_to_in_the_browser(
    tmp_path: Path, contexts: list[BrowserContext]
) -> None:
    """Without our agent nobody can consent on the computer itself; the owner does on the page."""
    with running_up(tmp_path / "data", "--no-device") as up, public_client(up) as client:
        admin = _become_admin(contexts[0], up)
        owner = _invite_owner(admin, contexts[1], up)
        kit = _read_kit(_make_private_kit(admin, up, tmp_path))
        host = Osqueryd(Post(client), kit["secret"], platform_type="9", serial="SN-HIMITSU-1",
                        hostname=OWN_NAME)  # fmt: skip
        host.answer = _answer_with_a_name_now_and_then
        host.enroll()
        assert host.read().get("queries", {}) == {}
        ((device,),) = query(up, "SELECT id FROM devices")
        manifest = _consent_in_the_browser(up, owner)

        asked = host.read()["queries"]
        host.write()
        host.snapshot("programs", [{"name": "HIMITSU.EXE"}], 1_795_000_000)
        host.log()

        assert asked
        assert all(name.startswith(("fleet_policy_query_", "sekisho_ready_")) for name in asked)
        read = {t for sql in asked.values() for t in re.findall(r"\b(?:FROM|JOIN) (\w+)", sql)}
        assert {"os_version"} <= read & manifest  # the rest of ``read`` are names inside the query
        _nothing_is_listed(up, str(device))
        with pytest.raises(FailedError, match=r"carve|private|order"):
            host.carve("0b0e6a1c-5b56-4f80-9d2b-0d6b4c8f0a11", b"files", 300)
        assert query(up, "SELECT count(*) FROM device_carves") == [(0,)]
        _command_cannot_fetch_files(up, str(device))
        _withdraw_in_the_browser(owner, host)
        _check_what_stays(up, admin, str(device))


def _read_kit(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as opened:
        return dict(json.loads(opened.read("sekisho-kit.json")))


def _consent_in_the_browser(up: Running, owner: Page) -> set[str]:
    """Consent as the owner, before whom the text stands; return the tables that it names."""
    owner.goto(f"{up.url}/my")
    expect(owner.locator("#h-consent")).to_have_text("Before anything is asked: your consent")
    owner.get_by_text("Exactly which tables and columns are read").click()
    named = owner.locator(".reads").all_inner_texts()
    assert query(up, "SELECT consent_version FROM devices") == [(None,)]
    owner.get_by_role("button", name="I consent").click()
    expect(owner.locator("main")).to_contain_text("You consented on")
    ((version, at),) = query(up, "SELECT consent_version, consented_at FROM devices")
    assert all((version, at))
    return set(re.findall(r"\w+", " ".join(named)))


def _withdraw_in_the_browser(owner: Page, host: Osqueryd) -> None:
    owner.reload()
    owner.get_by_role("button", name="Withdraw my consent").click()
    owner.wait_for_url("**/my?withdrawn=true")
    expect(owner.locator("main")).to_contain_text("No computer of yours is enrolled yet")
    with pytest.raises(FailedError, match="node_invalid"):
        host.read()


def _answer_with_a_name_now_and_then(sql: str) -> tuple[list[dict[str, str]], int, str]:
    """Answer yes, but tell a name where a version of an operating system is asked."""
    told = "HIMITSU.DOC" if "os_version" in sql else "1"
    return [{"1": told}], 0, ""


def _nothing_is_listed(up: Running, device: str) -> None:
    verdicts = query(up, "SELECT kind, rows FROM control_verdicts WHERE device_id = ?", device)
    assert {"pass", "unknown"} <= {kind for kind, _ in verdicts}
    for word in ("SN-HIMITSU-1", OWN_NAME, "HIMITSU.DOC", "HIMITSU.EXE", "LIFEBOOK"):
        assert find_everywhere(up, word) == [], word


def _command_cannot_fetch_files(up: Running, device: str) -> None:
    listed = run_cli("devices", "list", "--data", str(up.data), "--format", "json", check=False)
    assert json.loads(listed.stdout)["id"] == device
    assert json.loads(listed.stdout)["hostname"] == ""
