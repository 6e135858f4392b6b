"""Walks every page of a real, running Sekisho in a real browser.

``python -m ui.tour FOLDER [NAME…] [1440-ja-light…]``, run in ``tests``, starts ``sekisho up``,
brings people and devices in, and takes a picture of every page in two widths, two languages and
two themes, so that each can be looked at. ``test_ui_tour`` walks the same way with axe-core.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Request

from support.visiting import query, wait_until
from ui.faults import measure_excess
from ui.tour_access import ACCESS, settle_access
from ui.tour_detection import DETECTION, settle_detection
from ui.tour_exceptions import EXCEPTION_STOPS, settle_exceptions
from ui.tour_people import PEOPLE, first_of, settle_people
from ui.tour_proofs import PROOFS, settle_proofs
from ui.tour_town import WAIT_SECONDS, Town, open_town, register, settle

WIDTHS = (1440, 390)
LANGUAGES = ("ja", "en")
THEMES = ("light", "dark")
UNFOLDED = {"sign_in_code", "my_company", "gate_refused", "gate_no_device"}


Walk = Callable[[Town, Page], None]


def go(path: str) -> Walk:
    """Walk to an address; ``{name}`` stands for the id of a device."""
    return lambda town, page: _goto(page, town.url(path.format(**town.devices)))


def press(path: str, selector: str) -> Walk:
    """Walk to an address and send the form whose button is named."""

    def walk(town: Town, page: Page) -> None:
        page.goto(town.url(path.format(**town.devices)))
        with page.expect_navigation():
            page.click(selector)

    return walk


def _goto(page: Page, url: str) -> None:
    page.goto(url)


def _kit(town: Town, page: Page) -> None:
    page.goto(town.url("/devices/kits/new"))
    page.fill("#label", "営業部 2027年春入社（在宅勤務・貸与端末）")
    with page.expect_navigation():
        page.click("form.form button[type=submit]")


def _token(town: Town, page: Page) -> None:
    page.goto(town.url("/account/tokens"))
    page.fill("#label", "社内ポータル")
    page.locator("input[name=scope]").first.check()
    with page.expect_navigation():
        page.click("form[action='/account/tokens'] button[type=submit]")


def _invited(town: Town, page: Page) -> None:
    page.goto(town.url("/people"))
    page.fill("#i-name", "森下 彩")
    page.fill("#i-email", f"morishita-{time.monotonic_ns()}@example.jp")
    with page.expect_navigation():
        page.locator("section[aria-labelledby=h-invite] button").click()


_GUESSES = """async () => {
  const form = document.querySelector("form[action='/sign-in/code']");
  const sent = new URLSearchParams(new FormData(form));
  sent.set("email", "takahashi@example.jp");
  sent.set("code", "000000");
  for (let tries = 1; tries <= 30; tries += 1) {
    const answer = await fetch(form.action, {method: "POST", body: sent});
    if (answer.status === 429) return tries;
  }
  return 0;
}"""


def _guess(town: Town, page: Page) -> None:
    """Guess codes until the door asks to wait, and look at what it says."""
    page.goto(town.url("/sign-in"))
    assert page.evaluate(_GUESSES), "thirty guesses were let through"
    page.locator("details summary").last.click()
    page.fill("#email", "takahashi@example.jp")
    page.fill("#code", "000000")
    with page.expect_navigation():
        page.locator("form[action='/sign-in/code'] button").click()
    assert "429" in page.inner_text("main")


def _wrong_code(town: Town, page: Page) -> None:
    page.goto(town.url("/account"))
    with page.expect_navigation():
        page.click("form[action='/account/totp'] button")
    page.fill("#code", "000000")
    with page.expect_navigation():
        page.click("form[action='/account/totp/confirm'] button")


def _forged(town: Town, page: Page) -> None:
    """Send a form without the page's token."""
    page.goto(town.url("/settings"))
    with page.expect_navigation():
        page.evaluate(
            "() => { const f = document.createElement('form'); f.method = 'post';"
            " f.action = '/sign-out'; document.body.append(f); f.submit(); }"
        )


def _open_details(walk: Walk) -> Walk:
    def opened(town: Town, page: Page) -> None:
        walk(town, page)
        page.evaluate("document.querySelectorAll('main details').forEach((d) => d.open = true)")

    return opened


def _record(town: Town, page: Page) -> None:
    page.goto(town.url("/evidence?kind=control"))
    page.goto(town.url(str(page.locator("#records th a").first.get_attribute("href"))))


def _dialog(town: Town, page: Page) -> None:
    go("/devices/{here}")(town, page)
    page.click("[data-dialog=remove]")


def _passkey_dialog(town: Town, page: Page) -> None:
    go("/account")(town, page)
    page.locator("[data-dialog^=key-]").first.click()


def _provider_dialog(town: Town, page: Page) -> None:
    """Describe a provider (once) and open what changes it."""
    go("/people/sign-in")(town, page)
    if not page.locator("[data-dialog^=change-]").count():
        page.fill("#new-name", "ミナト商事アカウント")
        page.fill("#new-issuer", "https://login.example.jp/realms/minato")
        page.fill("#new-client", "sekisho")
        page.fill("#new-domains", "example.jp")
        with page.expect_navigation():
            page.locator("form[action='/people/sign-in/providers'] button").click()
    page.locator("[data-dialog^=change-]").first.click()


def _rule(town: Town, page: Page) -> None:
    go("/controls")(town, page)
    page.goto(town.url(str(page.locator("tr.row th a").first.get_attribute("href"))))


def _reported(town: Town, page: Page) -> None:
    """Report something with a few words."""
    page.goto(town.url("/my/reports/new"))
    page.check("input[value=clicked]")
    page.fill("#text", "宅配便の不在通知のSMSのリンクを開き、IDを入力してしまいました。")
    with page.expect_navigation():
        page.click("form[action='/my/reports'] button")


def _answered(town: Town, page: Page) -> None:
    """Answer the newest report and leave a note for colleagues."""
    for place in (1, 0):
        page.goto(town.url("/reports"))
        page.goto(town.url(str(page.locator("#reports tr.row th a").first.get_attribute("href"))))
        page.fill(
            "#text", ("そのパスワードを、別の端末から変えてください。", "URLを遮断済み")[place]
        )
        page.locator("input[name=for]").nth(place).check()
        with page.expect_navigation():
            page.click("form[action$='/answer'] button")


def _mail_server(town: Town, page: Page) -> None:
    """Name a mail server that is not there."""
    page.goto(town.url("/notices/channels/new?kind=mail"))
    for name, value in (("host", "localhost"), ("port", "9"), ("from", "sekisho@example.jp")):
        page.fill(f"#{name}", value)
    with page.expect_navigation():
        page.click("form[action='/notices/channels'] button")


def _told(town: Town, page: Page) -> None:
    wait_until(lambda: query(town.up, "SELECT 1 FROM notice_inbox"), WAIT_SECONDS, "a notice")
    page.goto(town.url("/my/notices"))


FIRST: dict[str, Walk] = {
    "start_first": lambda town, page: _goto(page, town.up.ready["first_admin_url"]),
}
EMPTY: dict[str, Walk] = {
    "my_notices_none": go("/my/notices"), "my_reports_none": go("/my/reports"),
    "notices_none": go("/notices"), "reports_none": go("/reports"),
    "my_none": go("/my"), "kits_none": go("/devices/kits"),
    "units_none": go("/people/units"), "groups_none": go("/people/groups"),
    "my_decisions_none": go("/my/decisions"),
    "exceptions_none": go("/exceptions"), "my_exceptions_none": go("/my/exceptions"),
}  # fmt: skip
STRANGER: dict[str, Walk] = {
    "sign_in": go("/sign-in"),
    "sign_in_lost": go("/sign-in/lost"),
    "sign_in_refused": go("/sign-in/oidc/callback?state=x"),
    "sign_in_code": _open_details(go("/sign-in")),
    "start_invited": lambda town, page: _goto(page, town.link),
    "start_spent": lambda town, page: _goto(page, town.up.ready["first_admin_url"]),
    "error_429": _guess,
}
SIGNED_IN: dict[str, Walk] = {
    "my_ways_none": go("/my/notices/ways"),
    "notices_mail": _mail_server,
    "my_ways": go("/my/notices/ways"),
    "my_report_new": go("/my/reports/new"),
    "my_report": _reported,
    "my_report_answered": _answered,
    "my_reports": go("/my/reports"),
    "reports": go("/reports"),
    "notices_mail_fails": press("/notices/channels/mail", "form[action$='/test'] button"),
    "notices_teams_new": go("/notices/channels/new?kind=teams"),
    "notices_slack_new": go("/notices/channels/new?kind=slack"),
    "notices_webhook_new": go("/notices/channels/new?kind=webhook"),
    "notices": go("/notices"),
    "my_notices": _told,
    "overview": go("/"),
    "findings": go("/findings"),
    "finding": first_of("/findings", "tr.row th a"),
    "acts": go("/acts"),
    "devices": go("/devices"),
    "devices_no_match": go("/devices?q=nothing-of-the-kind"),
    "device_here": go("/devices/{here}"),
    "device_owned": go("/devices/{mnt-l-0231}"),
    "device_private": go("/devices/{jitaku-active}"),
    "device_consent": go("/devices/{jitaku-consent}"),
    "device_withdrawn": go("/devices/{jitaku-withdrawn}"),
    "device_dialog": _dialog,
    "device_files": go("/devices/{mnt-l-0231}/files"),
    "files": go("/devices/files"),
    "kits": go("/devices/kits"),
    "kit_new": go("/devices/kits/new"),
    "kit_made": _kit,
    "controls": go("/controls"),
    "control": _rule,
    "evidence": go("/evidence"),
    "record": _record,
    "settings": go("/settings"),
    "people": go("/people"),
    "people_invited": _invited,
    "ways_to_sign_in": go("/people/sign-in"),
    "provider_dialog": _provider_dialog,
    "blocked": go("/people/blocks"),
    "lost_ways_in": go("/people/lost"),
    "account": go("/account"),
    "passkey_dialog": _passkey_dialog,
    "new_name": go("/account/new-name"),
    "totp": press("/account", "form[action='/account/totp'] button"),
    "totp_wrong": _wrong_code,
    "recovery": go("/account/recovery-codes"),
    "recovery_made": press("/account/recovery-codes", "main form button"),
    "tokens": go("/account/tokens"),
    "token_made": _token,
    "my_company": _open_details(go("/my/devices/{mnt-l-0231}")),
    "my_private": go("/my/devices/{jitaku-active}"),
    "my_paused": go("/my/devices/{jitaku-paused}"),
    "my_consent": go("/my/devices/{jitaku-consent}"),
    "error_404": go("/devises"),
    "error_no_device": go("/devices/dev_nope"),
    "error_403": _forged,
    **PROOFS,
    **EXCEPTION_STOPS,
    **PEOPLE,
    **DETECTION,
    **ACCESS,
}


Look = Callable[[str, str, Page], None]


def walk_all(town: Town, look: Look, wanted: set[str] | None = None) -> None:
    """Walk everywhere and call ``look(name, language, page)`` at each stop, once a language."""
    _walk(town, town.stranger, FIRST, look, wanted)
    register(town)
    _walk(town, town.admin, EMPTY, look, wanted)
    settle(town)
    settle_proofs(town)
    settle_exceptions(town)
    settle_people(town)
    settle_detection(town)
    settle_access(town)
    _walk(town, town.admin, SIGNED_IN, look, wanted)
    _walk(town, town.stranger, STRANGER, look, wanted)


def _walk(
    town: Town, context: BrowserContext, stops: dict[str, Walk], look: Look,
    wanted: set[str] | None,
) -> None:  # fmt: skip
    page = context.new_page()
    for name, walk in stops.items():
        if wanted and name not in wanted:
            continue
        method = ""
        for language in LANGUAGES:
            cookie = {"name": "sekisho_language", "value": language, "url": town.up.url}
            context.add_cookies([cookie])  # type: ignore[list-item] # a plain dict of its shape
            if language == LANGUAGES[0]:
                with _noting_navigations(page) as methods:
                    walk(town, page)
                method = methods[-1]
            elif not _is_its_address(name, page, method):
                walk(town, page)
            else:
                page.goto(page.url)
            look(name, language, page)
    page.close()


@contextmanager
def _noting_navigations(page: Page) -> Iterator[list[str]]:
    """Note by which methods a page is reached; of its other requests there are hundreds."""
    methods = [""]

    def note(request: Request) -> None:
        if request.is_navigation_request():
            methods.append(request.method)

    page.on("request", note)
    yield methods
    page.remove_listener("request", note)


def _is_its_address(name: str, page: Page, method: str) -> bool:
    """Tell whether opening a page's address again shows the same: no form sent, nothing opened."""
    staged = name in UNFOLDED or not page.url.startswith("http")
    return method == "GET" and not staged and not page.locator("dialog[open]").count()


def take_pictures(folder: Path, wanted: set[str], variants: set[str]) -> None:
    """Take the pictures and say which page is too wide for its window."""

    def look(name: str, language: str, page: Page) -> None:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for theme in THEMES:
                variant = f"{width}-{language}-{theme}"
                if variants and variant not in variants:
                    continue
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type] # one of two words
                page.evaluate("document.fonts.ready")
                if (excess := measure_excess(page)) > 0:
                    sys.stdout.write(f"{name} {variant}: {excess}px too wide\n")
                page.screenshot(path=folder / f"{name}-{variant}.png", full_page=True)

    with open_town(folder) as town:
        walk_all(town, look, wanted)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    names = {a for a in sys.argv[2:] if not a[0].isdigit()}
    take_pictures(target, names, {a for a in sys.argv[2:] if a[0].isdigit()})
