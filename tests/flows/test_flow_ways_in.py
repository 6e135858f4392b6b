"""Ways in, end to end in a real browser: a real OpenID provider, a step-up, a lost passkey."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sekisho.identity import service
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from support.browser import add_authenticator, running_chromium
from support.oidc import running_real_provider
from support.running import Running, running_up
from support.visiting import query, verify_evidence

pytestmark = pytest.mark.browser

EMAIL = "takahashi@example.jp"
CLAIMS = {"email": EMAIL, "email_verified": True, "amr": ["pwd", "mfa"]}


@dataclass(slots=True)
class House:
    """A running installation, a browser, and who is signed in where."""

    up: Running
    browser: Browser

    @contextmanager
    def visitor(self) -> Iterator[Page]:
        """Open a browser of somebody else, with a passkey device of their own."""
        context: BrowserContext = self.browser.new_context(locale="en-US")
        page = context.new_page()
        add_authenticator(context, page)
        yield page
        context.close()

    def url(self, path: str) -> str:
        return f"{self.up.url}{path}"

    def invite(self, name: str, email: str, role: str) -> str:
        """Invite somebody beside the running server; return the link."""
        database = Database(f"sqlite:///{self.up.data / 'sekisho.db'}", SystemClock())
        with database.write(SYSTEM) as tx:
            person = service.invite_person(tx, name=name, email=email, language="en", roles=[role])
            path = service.issue_invite_link(tx, person.id)
        database.close()
        return self.url(path)

    def grow_old(self) -> None:
        """Let everybody's proof be an hour old."""
        with sqlite3.connect(self.up.data / "sekisho.db", timeout=20) as connection:
            connection.execute(
                "UPDATE identity_sessions SET authenticated_at = "
                "datetime(authenticated_at, '-1 hour')"
            )
        connection.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("ways")
    with running_up(folder / "data", "--no-device") as up, running_chromium() as browser:
        yield House(up, browser)


@pytest.fixture(scope="module")
def admin(house: House) -> Iterator[Page]:
    """The first administrator, signed in by a passkey."""
    with house.visitor() as page:
        page.goto(house.up.ready["first_admin_url"])
        page.fill("#name", "Wataru Saeki")
        page.fill("#email", "saeki@example.jp")
        page.select_option("#language", "en")
        page.click("[data-passkey] button")
        page.wait_for_url("**/account/recovery-codes")
        yield page


def _register(page: Page, link: str) -> None:
    page.goto(link)
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")


def _describe(house: House, admin: Page, issuer: str) -> None:
    """Describe a provider on the page."""
    admin.goto(house.url("/people/sign-in"))
    for field, value in {
        "name": "Example IdP", "issuer": issuer, "client": "sekisho", "secret": "a secret of ours",
        "domains": "example.jp",
    }.items():  # fmt: skip
        admin.fill(f"#new-{field}", value)
    admin.get_by_role("button", name="Add the provider").click()
    expect(admin.locator("main")).to_contain_text("Example IdP")


def _authorize(page: Page, subject: str) -> None:
    """Sign in at the provider's own page."""
    page.fill("input[name=sub]", subject)
    page.get_by_role("button", name="Authorize").click()


def test_somebody_signs_in_with_the_accounts_of_the_organisation(house: House, admin: Page) -> None:
    with running_real_provider(tanaka=CLAIMS, stranger={"email": "x@example.jp"}) as provider:
        _describe(house, admin, provider)
        link = house.invite("Haruka Takahashi", EMAIL, "teleworker")
        with house.visitor() as page:
            page.goto(link)
            page.get_by_role("link", name="Use Example IdP").click()
            _authorize(page, "tanaka")
            page.wait_for_url("**/account/recovery-codes")
            page.goto(house.url("/account"))
            expect(page.locator("main")).to_contain_text("Two factors")

        with house.visitor() as page:  # another day, another browser
            page.goto(house.url("/account"))
            page.get_by_role("link", name="Sign in with Example IdP").click()
            _authorize(page, "tanaka")
            page.wait_for_url("**/account")
            expect(page.locator("main")).to_contain_text("Haruka Takahashi")

        with house.visitor() as page:
            page.goto(house.url("/sign-in"))
            page.get_by_role("link", name="Sign in with Example IdP").click()
            _authorize(page, "stranger")
            expect(page.locator("main")).to_contain_text("does not belong to anybody here")
            came_back = page.url
            page.goto(came_back)  # the same answer again
            expect(page.locator("main")).to_contain_text("has ended or was done already")


def test_a_form_waits_while_its_sender_proves_themselves(house: House, admin: Page) -> None:
    admin.goto(house.url("/account/tokens"))
    admin.fill("#label", "nightly report")
    admin.locator("input[value='devices.read']").check()
    house.grow_old()
    admin.locator("form[action='/account/tokens'] button[type=submit]").click()
    admin.wait_for_url("**/sign-in?again=1**")
    admin.click("[data-passkey] button")
    admin.wait_for_url("**/account/again/**")
    admin.get_by_role("button", name="Go on with it").click()

    expect(admin.locator("main")).to_contain_text("Bearer sks_")
    expect(admin.locator("main")).to_contain_text("nightly report")


def test_two_people_give_back_what_one_has_lost(house: House, admin: Page) -> None:
    second = house.invite("Second Pair", "second@example.jp", "admin")
    lost = house.invite("Lost Soul", "lost@example.jp", "teleworker")
    with house.visitor() as page:
        _register(page, lost)
    with house.visitor() as page:  # the phone is gone; another browser
        page.goto(house.url("/sign-in"))
        page.get_by_role("link", name="I have lost my way in").click()
        page.fill("#email", "lost@example.jp")
        page.fill("#reason", "The phone was stolen on the train; call 090-0000-0000")
        page.get_by_role("button", name="Ask for a new way in").click()
        expect(page.locator("main")).to_contain_text("noted")

    _approve(house, admin)
    expect(admin.locator("main")).to_contain_text("You have approved this")
    with house.visitor() as page:
        _register(page, second)
        _approve(house, page)
        found = re.search(r"https?://\S+/start/\S+", page.inner_text("main"))
        assert found
    with house.visitor() as page:
        _register(page, found[0])
        page.goto(house.url("/account"))
        expect(page.locator("main")).to_contain_text("Lost Soul")

    keys = query(
        house.up,
        "SELECT k.id FROM identity_passkeys k JOIN identity_people p ON p.id = k.person_id"
        " WHERE p.email = 'lost@example.jp'",
    )
    assert len(keys) == 1  # the stolen one is gone
    assert verify_evidence(house.up)


def _approve(house: House, page: Page) -> None:
    page.goto(house.url("/people/lost"))
    page.locator("input[name=note]").fill("seen and heard on video")
    page.get_by_role("button", name="Approve").click()


def test_a_stranger_does_not_learn_who_is_here(house: House) -> None:
    with house.visitor() as page:
        said = []
        for email in ("lost@example.jp", "nobody@example.jp"):
            page.goto(house.url("/sign-in/lost"))
            page.fill("#email", email)
            page.fill("#reason", "lost")
            page.get_by_role("button", name="Ask for a new way in").click()
            said.append(page.inner_text("main"))
    assert said[0] == said[1]
