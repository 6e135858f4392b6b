"""The first day: `sekisho up`, a passkey in a real browser, this machine's true verdicts.

Way 1 through the house, end to end: the agent reads a setting, the server judges it, the page
shows it; the setting is changed and the verdict turns, and back. The setting lives in a mount
namespace of the agent's own, so that the machine itself stays as it is.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sekisho.controls import service as controls
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM
from support.browser import add_authenticator, running_chromium
from support.running import Running, run_cli, running_up
from support.visiting import list_devices, query

pytestmark = pytest.mark.browser

VERDICT_SECONDS = 60
CHANGE_SECONDS = 10


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    opened = chromium.new_context(locale="en-US", viewport={"width": 1440, "height": 1000})
    yield opened
    opened.close()


def _register(context: BrowserContext, url: str, name: str = "Wataru Saeki") -> Page:
    page = context.new_page()
    add_authenticator(context, page)
    page.goto(url)
    page.fill("#name", name)
    page.fill("#email", "saeki@example.jp")
    page.select_option("#language", "en")
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")
    return page


def _wait(done: Callable[[], bool], seconds: float, what: str) -> float:
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < seconds, what
        time.sleep(0.2)
    return time.monotonic() - started


def test_first_sign_in_and_this_machines_verdicts(tmp_path: Path, context: BrowserContext) -> None:
    with running_up(tmp_path / "data", "--yes") as up:
        page = _register(context, up.ready["first_admin_url"])
        page.get_by_role("button", name="Make ten codes").click()
        codes = re.findall(
            r"\b(?:[A-Z0-9]{4,5}-){2,}[A-Z0-9]{4,5}\b", page.inner_text("main").upper()
        )
        assert len(set(codes)) == 10

        started = time.monotonic()
        page.goto(f"{up.url}/devices")
        link = page.locator("table a[href^='/devices/dev_']").first
        link.wait_for(timeout=VERDICT_SECONDS * 1000)
        link.click()
        supported = page.get_by_role("row").filter(has_text="still supported").first
        _wait(lambda: _reloaded(page, supported, "Pass"), VERDICT_SECONDS, "no verdict in time")
        assert time.monotonic() - started < VERDICT_SECONDS

        page.goto(up.url)
        expect(page.locator("h1")).to_be_visible()

        # The link has been used up, and the passkey signs in again.
        other = context.new_page()
        other.goto(up.ready["first_admin_url"])
        expect(other.locator("body")).to_contain_text("ended or was used")
        other.close()
        page.goto(f"{up.url}/account")
        page.get_by_role("button", name="Wataru Saeki").click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.wait_for_url("**/sign-in**")
        page.goto(up.url)
        page.wait_for_url("**/sign-in?**")
        page.click("[data-passkey] button")
        page.wait_for_url(f"{up.url}/")


def _reloaded(page: Page, row: object, word: str) -> bool:
    page.reload()
    kept = page.locator("details#kept:not([open]) > summary")
    if kept.count():  # rules that pass are folded away
        kept.click()
    return word in row.inner_text() if row.count() else False  # type: ignore[attr-defined]


def test_it_starts_again_on_the_same_data(tmp_path: Path, context: BrowserContext) -> None:
    with running_up(tmp_path / "data", "--no-device") as up:
        page = _register(context, up.ready["first_admin_url"])
        cookies = context.cookies()
        _a_second_up_on_the_same_folder_is_refused(up)
        assert up.stop() == 0
    page.close()
    with running_up(tmp_path / "data", "--no-device") as up:
        assert up.ready["first_admin_url"] is None
        context.add_cookies([{**cookie} for cookie in cookies])  # type: ignore[typeddict-item]  # the same shape, by another name
        again = context.new_page()
        again.goto(f"{up.url}/devices")

        expect(again.locator("h1")).to_be_visible()
        assert "/sign-in" not in again.url


def _a_second_up_on_the_same_folder_is_refused(up: Running) -> None:
    second = run_cli(
        "up", "--data", str(up.data), "--listen", "127.0.0.1:0", "--no-device", check=False
    )
    assert second.returncode == 2
    assert f"process {up.process.pid}" in second.stderr


def test_a_newer_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "VERSION").write_text("999 9.9.9\n")

    done = run_cli("up", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", check=False)

    assert done.returncode == 2
    assert "newer version (9.9.9)" in done.stderr


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="a mount namespace needs root on Linux",
)
def test_a_changed_setting_turns_the_verdict_and_back(tmp_path: Path) -> None:
    ssh, state = tmp_path / "etc", tmp_path / "agent"
    with running_up(tmp_path / "data", "--no-device") as up:
        _enrol(up, state)
        agent = _run_agent_with_own_os_release(state, ssh)
        try:
            device = _wait_for_device(up)
            _wait(lambda: _verdict(up, device, "os-supported") == "pass", VERDICT_SECONDS, "pass")

            shutil.copy(ssh / "old-release", ssh / "os-release")
            turned = _wait(
                lambda: _verdict(up, device, "os-supported") == "fail", CHANGE_SECONDS, "fail"
            )
            shutil.copy(ssh / "good-release", ssh / "os-release")
            back = _wait(
                lambda: _verdict(up, device, "os-supported") == "pass", CHANGE_SECONDS, "pass"
            )
        finally:
            agent.terminate()
            agent.wait(20)

    assert max(turned, back) <= CHANGE_SECONDS
    done = run_cli("evidence", "verify", "--data", str(tmp_path / "data"), "--format", "json")
    assert json.loads(done.stdout.splitlines()[-1])["problems"] == 0


def _enrol(up: Running, state: Path) -> None:
    archive = up.data.parent / "kit.zip"
    run_cli("devices", "kit", "create", "--data", str(up.data), "--out", str(archive))
    kit = zipfile.ZipFile(archive).extract("sekisho-kit.json", up.data.parent)
    run_cli("agent", "enroll", kit, "--state", str(state), "--yes")


def _run_agent_with_own_os_release(state: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Run the agent where /etc/os-release is a file of the test's."""
    folder.mkdir()
    good = Path("/etc/os-release").read_text()
    (folder / "good-release").write_text(good)
    ended = "18.04" if "ID=ubuntu" in good else "9"
    old = re.sub(r'^(VERSION(?:_ID)?=)"?[\d.]+', rf'\1"{ended}', good, flags=re.MULTILINE)
    (folder / "old-release").write_text(old)
    (folder / "os-release").write_text(good)
    real = Path("/etc/os-release").resolve()
    script = (
        f"mount --bind {folder}/os-release {real} && exec {sys.executable} -m sekisho agent run"
    )
    return subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         f"{script} --state {state}"]
    )  # fmt: skip


def _wait_for_device(up: Running) -> str:
    _wait(lambda: bool(query(up, "SELECT 1 FROM devices")), VERDICT_SECONDS, "no device")
    (found,) = list_devices(up)
    return str(found["id"])


def _verdict(up: Running, device: str, control: str) -> str:
    database = Database(f"sqlite:///{up.data / 'sekisho.db'}", SystemClock())
    try:
        with database.read(SYSTEM) as tx:
            verdicts = controls.list_verdicts(tx, DeviceID(device))
    finally:
        database.close()
    found = [verdict.kind.value for verdict in verdicts if verdict.control_id == control]
    return found[0] if found else "none"
