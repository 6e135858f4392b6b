"""A real desktop with NLA in a real Chromium through the real gate, and what does not open one."""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Browser, Page, expect

from sekisho.access import service as access
from sekisho.access.model import Resource, ResourceKind, Trust, Upstream
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.server.desktop import dial
from sekisho.server.desktop.grants import Grant
from support import desktops
from support.browser import running_chromium
from support.gate_house import GateHouse, gate_house, wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not desktops.is_installed() and not os.environ.get("CI"),
        reason="a real desktop is not installed; ./test installs it",
    ),
]
_MILLISECONDS = 60_000


@dataclass
class Scene:
    """A house with one desktop behind its gate, and a person's browser without any device."""

    home: GateHouse
    admin: Principal
    hanako: Principal
    desktop: desktops.Desktop
    resource: Resource
    vnc: Resource
    browser: Browser
    certificate: str

    def open(self, resource: Resource | None = None) -> Page:
        """Come in by a ticket of the portal, and look at the desktop's page."""
        wanted = resource or self.resource
        name, _, value = self.home.enter(self.hanako, wanted, "").partition("=")
        origin = f"https://{wanted.public_host}:{self.home.settings.gate_browser.port}"
        context = self.browser.new_context(locale="ja-JP", viewport={"width": 1440, "height": 900})
        context.add_cookies(
            [{"name": name, "value": value, "url": origin, "secure": True, "httpOnly": True}]
        )
        page = context.new_page()
        page.set_default_timeout(_MILLISECONDS)
        page.goto(origin)
        return page

    def pin(self, digest: str) -> None:
        """Confirm a certificate, as a person does in the resource's form."""
        with self.home.house.database.write(self.admin) as tx:
            found = access.get_resource(tx, self.resource.id)
            changed = replace(found, pin=digest)
            self.resource = access.change_resource(tx, changed, found.version)

    def records(self, kind: str) -> list[dict[str, object]]:
        with self.home.house.database.read(SYSTEM) as tx:
            found = evidence.list_records(tx, kind=kind)
        return [dict(record.detail or {}) for record in found]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("desktop")
    with contextlib.ExitStack() as stack:
        desktop = stack.enter_context(desktops.running_desktop(folder / "x"))
        home = stack.enter_context(gate_house(folder))
        town = home.town
        admin, hanako = town.add("admin", Role.ADMIN), town.add("hanako")
        resource, vnc = (
            town.publish(
                admin, key=key, kind=kind, public_host=f"{key}.localhost", name_ja="会社のPC",
                upstreams=(Upstream("127.0.0.1", port),), least_trust=Trust.BROWSER,
            )
            for key, kind, port in (
                ("desk", ResourceKind.RDP, desktop.rdp), ("screen", ResourceKind.VNC, desktop.vnc)
            )
        )  # fmt: skip
        town.rule(admin)
        home.start()
        there = Grant(ticket="", session="", kind="rdp", host="127.0.0.1", port=desktop.rdp, ends=0)
        shown = asyncio.run(dial.look_at_certificate(there, confirmed=True))
        browser = stack.enter_context(running_chromium(home.settings.data / "ca" / "ca.pem"))
        yield Scene(home, admin, hanako, desktop, resource, vnc, browser, shown)


def _sign_in(page: Page, password: str = desktops.PASSWORD) -> None:
    page.fill("[name=user]", desktops.USER)
    page.fill("[name=password]", password)
    page.click("button.act")


def test_a_desktop_is_seen_typed_into_and_cut_with_the_reason(scene: Scene) -> None:
    page = scene.open()
    _sign_in(page)
    expect(page.get_by_role("alert")).to_contain_text(
        "まだ誰も確認していません", timeout=_MILLISECONDS
    )
    shown = page.locator(".why code").first.inner_text()
    assert shown == scene.certificate

    scene.pin(shown)
    wait_for(lambda: _retry(page), scene.home.log, 60)
    assert _has_picture(page)
    page.locator("#screen").click(position={"x": 300, "y": 300})
    page.keyboard.type("sekisho 7")
    page.keyboard.press("Enter")
    wait_for(lambda: scene.desktop.typed.read_text() == "sekisho 7\n", scene.home.log, 20)
    page.screenshot(path=os.environ.get("DESKTOP_SHOT") or scene.home.folder / "desktop.png")

    with scene.home.house.database.write(scene.admin) as tx:
        assert access.cut_of(tx, person_id=scene.hanako.id, reason="盗難の連絡を受けたため") == 1
    began = time.monotonic()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("管理者がこの接続を切断しました", timeout=_MILLISECONDS)
    assert time.monotonic() - began < 10
    opened, ended = scene.records("access.desktop_opened"), scene.records("access.desktop_ended")
    assert [detail["certificate"] for detail in opened] == [shown]
    assert {detail["why"] for detail in ended} >= {"certificate-unknown", "closed"}
    page.context.close()


def _retry(page: Page) -> bool:
    """Connect until the gate has taken the confirmed certificate up."""
    if page.locator("body[data-state=connecting]").count():
        return False
    if page.locator("body[data-state=connected]").count():
        return True
    _sign_in(page)
    page.wait_for_selector("body:not([data-state=connecting])")
    return bool(page.locator("body[data-state=connected]").count())


def _has_picture(page: Page, where: str = "#screen") -> bool:
    """Tell whether the canvas shows more than one colour."""
    script = """(where) => { const c = document.querySelector(where);
        const seen = new Set(new Uint32Array(c.getContext("2d")
            .getImageData(0, 0, c.width, c.height).data.buffer)); return seen.size; }"""
    wait_for(lambda: page.evaluate(script, where) > 2, lambda: "the screen stays of one colour", 20)
    return True


def test_a_wrong_password_is_the_hosts_refusal_and_the_page_stays(scene: Scene) -> None:
    page = scene.open()
    _sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("受け付けませんでした", timeout=_MILLISECONDS)
    assert page.input_value("[name=user]") == desktops.USER
    page.context.close()


def test_a_vnc_screen_is_seen_and_typed_into(scene: Scene) -> None:
    page = scene.open(scene.vnc)
    page.click("button.act")
    page.wait_for_selector("body[data-state=connected]")
    assert _has_picture(page, "#screen canvas")
    before = scene.desktop.typed.read_text() if scene.desktop.typed.exists() else ""
    page.locator("#screen canvas").click(position={"x": 300, "y": 200})
    page.keyboard.type("vnc 8")
    page.keyboard.press("Enter")
    wait_for(lambda: scene.desktop.typed.read_text() == before + "vnc 8\n", scene.home.log, 20)
    page.screenshot(path=os.environ.get("DESKTOP_SHOT_VNC") or scene.home.folder / "vnc.png")
    page.click("#leave")
    page.wait_for_selector("body[data-state=ended]")
    page.context.close()
