"""The running installation that the tour walks through, and who and what lives in it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext

from fakes.osqueryd import Osqueryd
from support.browser import add_authenticator, running_chromium
from support.running import Running, running_up
from support.visiting import Post, make_kit, public_client, query, wait_until

POLICY = "fleet_policy_query_"
WAIT_SECONDS = 60


@dataclass(slots=True)
class Town:
    """A running installation, whoever is signed in to it, and devices by name."""

    up: Running
    browser: Browser
    folder: Path
    wire: httpx.Client
    admin: BrowserContext
    stranger: BrowserContext
    devices: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, Osqueryd] = field(default_factory=dict)
    link: str = ""

    def url(self, path: str) -> str:
        return f"{self.up.url}{path}"

    def enrol(self, name: str, ownership: str, failing: int = 0) -> str:
        """Enrol a Windows computer of the administrator's and let it answer once."""
        owner = str(query(self.up, "SELECT id FROM identity_people ORDER BY id")[0][0])
        archive = self.folder / f"{name}.zip"
        kit = make_kit(
            self.up, archive, "--ownership", ownership, "--owner", owner, "--label", name
        )
        host = Osqueryd(
            Post(self.wire), kit["secret"], host_identifier=f"uuid-{name}", hostname=name
        )
        host.enroll()
        self.hosts[name] = host
        rows = query(self.up, "SELECT id FROM devices ORDER BY id DESC LIMIT 1")
        self.devices[name] = str(rows[0][0])
        self.answer(name, failing)
        return self.devices[name]

    def answer(self, name: str, failing: int = 0) -> int:
        """Let a device answer what is due, "no" to the first ``failing`` rules; count the rules."""
        host = self.hosts[name]
        host.read()
        rules = sorted(q for q in host.pending.get("queries", {}) if q.startswith(POLICY))
        for rule in rules[:failing]:
            host.pending["queries"][rule] = []
        if host.pending:
            host.write()
        return len(rules)


def register(town: Town) -> None:
    """Become the first administrator by a passkey, then invite somebody."""
    page = town.admin.new_page()
    add_authenticator(town.admin, page)
    page.goto(town.up.ready["first_admin_url"])
    page.fill("#name", "佐伯 航")
    page.fill("#email", "saeki@example.jp")
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")
    page.goto(town.url("/people"))
    page.fill("#i-name", "高橋 遥")
    page.fill("#i-email", "takahashi@example.jp")
    page.locator("section[aria-labelledby=h-invite] button").click()
    found = re.search(r"https?://\S+/start/\S+", page.inner_text("main"))
    assert found
    town.link = found[0]
    page.close()


def settle(town: Town) -> None:
    """Bring in devices in every state of their life."""
    wait_until(
        lambda: query(town.up, "SELECT 1 FROM control_verdicts WHERE kind = 'pass'"),
        WAIT_SECONDS, "this machine's verdicts",
    )  # fmt: skip
    town.devices["here"] = str(query(town.up, "SELECT id FROM devices ORDER BY id")[0][0])
    town.enrol("mnt-l-0231", "company", failing=3)
    for name in ("jitaku-active", "jitaku-paused", "jitaku-withdrawn", "jitaku-consent"):
        town.enrol(name, "private")
    page = town.admin.new_page()
    for name in ("jitaku-active", "jitaku-paused", "jitaku-withdrawn"):
        page.goto(town.url(f"/my/devices/{town.devices[name]}"))
        page.click("form[action$='/consent'] button")
        town.answer(name, failing=1)
    for name, act in (("jitaku-paused", "pause"), ("jitaku-withdrawn", "withdraw")):
        page.goto(town.url(f"/my/devices/{town.devices[name]}"))
        page.click(f"form[action$='/{act}'] button")
    page.goto(town.url(f"/devices/{town.devices['mnt-l-0231']}"))
    page.close()


@contextmanager
def open_town(folder: Path) -> Iterator[Town]:
    """Start ``sekisho up --yes`` and a browser; nobody is registered yet."""
    with (
        running_up(folder / "data", "--yes") as up,
        running_chromium(fonts=True) as browser,
        public_client(up) as wire,
    ):
        yield Town(up, browser, folder, wire, open_context(browser), open_context(browser))


def open_context(browser: Browser) -> BrowserContext:
    """Open a browser of its own, whose pages stand still (no transition half-way in a picture)."""
    return browser.new_context(locale="ja-JP", timezone_id="Asia/Tokyo", reduced_motion="reduce")
