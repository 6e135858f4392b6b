"""People in a browser, from the invitation to what ends by itself; time moves by the clock."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from fakes.mail_server import MailServer, running_mail_server
from fakes.osqueryd import Osqueryd
from sekisho.controls import service as controls
from sekisho.controls.model import Severity
from sekisho.devices.model import KitKind
from sekisho.devices.protocol import EnrollRequest
from sekisho.devices.service import enrolment
from sekisho.devices.service.kits import KitOrder, create_kit
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role
from sekisho.kernel.ids import ControlID, UnitID
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service as notices
from sekisho.notices.model import ChannelKind
from sekisho.notices.service.channels import ChannelOrder
from sekisho.wire.kit import Ownership
from support.browser import add_authenticator, running_chromium
from support.clocked import Clocked, running_clocked
from support.visiting import Post

pytestmark = pytest.mark.browser

POLICY = "fleet_policy_query_"
LOCK = ControlID("screen-lock")


@dataclass(slots=True)
class Office:
    """One server for the whole file: its people in browsers of their own, and one computer."""

    up: Clocked
    mail: MailServer
    browser: Browser
    wire: httpx.Client
    pages: dict[str, Page] = field(default_factory=dict)
    host: Osqueryd | None = None
    device: str = ""

    def open(self) -> tuple[BrowserContext, Page]:
        """Open a browser with a passkey's chip."""
        context = self.browser.new_context(locale="en-US")
        page = context.new_page()
        add_authenticator(context, page)
        return context, page

    def mails_to(self, address: str, word: str = "") -> list[str]:
        """Return the texts of the mails that somebody got, those with a word in the subject."""
        found = []
        for mail in self.mail.mails:
            part = mail.get_body(("plain",))
            if address in str(mail["To"]) and word in str(mail["Subject"]) and part is not None:
                found.append(str(part.get_content()))
        return found

    def answer(self, *failing: ControlID) -> list[ControlID]:
        """Let the computer answer what is due; return the rules that were asked."""
        assert self.host is not None
        self.host.read()
        queries = self.host.pending.get("queries", {})
        asked = [name for name in queries if name.startswith(POLICY)]
        names = controls.catalogue_in_force().by_name
        for name in asked:
            if names[name].id in failing:
                queries[name] = []
        if self.host.pending:
            self.host.write()
        self.up.work()
        return [names[name].id for name in asked]

    def check_again(self, *failing: ControlID) -> None:
        """Press the button on one's own page and let the computer answer."""
        page = self.pages["mori"]
        page.goto(f"{self.up.public_url}/my/devices/{self.device}")
        with page.expect_navigation():  # a click alone does not wait until the form has arrived
            page.locator("form[action$='/check'] button").first.click()
        self.answer(*failing)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("people")
    with running_mail_server() as mail, running_clocked(folder / "data") as up, \
            running_chromium(up.authority) as browser, _wire(up) as wire:  # fmt: skip
        made = Office(up, mail, browser, wire)
        _set_mail(made)
        _register_admin(made)
        yield made


def _wire(up: Clocked) -> httpx.Client:
    context = ssl.create_default_context(cafile=up.authority)
    return httpx.Client(base_url=up.public_url, verify=context, timeout=20)


def _set_mail(office: Office) -> None:
    setup = {"host": "localhost", "port": str(office.mail.port), "security": "none",
             "from": "sekisho@example.jp"}  # fmt: skip
    with office.up.house.database.write(SYSTEM) as tx:
        order = ChannelOrder(ChannelKind.MAIL, "mail", setup, {})
        notices.set_channel(tx, office.up.house.box, order)


def _register_admin(office: Office) -> None:
    _, page = office.open()
    page.goto(office.up.first_admin())
    page.fill("#name", "Wataru Saeki")
    page.fill("#email", "saeki@example.jp")
    page.select_option("#language", "en")
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")
    office.pages["saeki"] = page


def _enrol(office: Office) -> None:
    with office.up.house.database.write(SYSTEM) as tx:
        person = identity.find_person_by_email(tx, "mori@example.jp")
        assert person is not None
        order = KitOrder(KitKind.DEVICE, Ownership.COMPANY, label="MORI-PC", owner_id=person.id)
        secret = create_kit(tx, order).secret.reveal()
    office.host = Osqueryd(Post(office.wire), secret, hostname="MORI-PC")
    office.host.enroll()


def test_invited_by_mail_to_a_computer_that_fails_and_is_fine_again(office: Office) -> None:
    admin = office.pages["saeki"]
    admin.goto(f"{office.up.url}/people")
    admin.fill("#i-name", "Hanako Mori")
    admin.fill("#i-email", "mori@example.jp")
    admin.select_option("#i-language", "en")
    admin.get_by_role("button", name="Make the invitation").click()
    expect(admin.locator("main")).to_contain_text("A mail with the link is on its way as well.")
    office.up.work()
    _register_mori(office)

    _enrol(office)
    asked = office.answer(LOCK)
    assert LOCK in asked
    office.up.clock.advance(seconds=5)
    office.up.work()
    _see_and_be_told_what_fails(office)

    office.check_again()
    page = office.pages["mori"]
    page.goto(f"{office.up.public_url}/my")
    expect(page.locator("#fixes")).not_to_contain_text("Not so yet")
    expect(page.locator("h1")).not_to_contain_text("fixing")


def _register_mori(office: Office) -> None:
    (text,) = office.mails_to("mori@example.jp", "invites you")
    assert "works once, until" in text
    found = re.search(r"https://localhost:\d+/start/\S+", text)
    assert found
    admin = office.pages["saeki"]
    admin.get_by_role("link", name="Hanako Mori").first.click()
    expect(admin.locator("main")).to_contain_text("Mailed")

    _, page = office.open()
    page.goto(found[0])
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")
    office.pages["mori"] = page
    page.goto(f"{office.up.public_url}/my")
    expect(page.locator("h1")).to_contain_text("My own devices")


def _see_and_be_told_what_fails(office: Office) -> None:
    page = office.pages["mori"]
    page.goto(f"{office.up.public_url}/my")
    expect(page.locator("h1")).to_have_text("One thing needs fixing")
    expect(page.locator("#h-fix1")).to_contain_text("Not so yet")
    expect(page.locator("#fixes")).to_contain_text("How to fix it")
    expect(page.locator(".grace")).to_contain_text("until")
    office.device = str(page.locator("form[action$='/check']").first.get_attribute("action")).split(
        "/"
    )[3]  # fmt: skip
    page.goto(f"{office.up.public_url}/my/notices")
    expect(page.locator("main")).to_contain_text("fix")
    assert office.mails_to("mori@example.jp")[1:], "told by mail, too"


def test_an_exception_is_asked_approved_by_another_from_home_ends_and_the_finding_returns(
    office: Office,
) -> None:
    _make_manager(office)
    rule = _low_rule()
    office.check_again(rule)
    page = office.pages["mori"]
    page.goto(f"{office.up.public_url}/my/exceptions/new?device={office.device}&rule={rule}")
    page.fill("#reason", "An old program needs it until spring")
    page.fill("#measure", "The computer stays off the office network")
    until = office.up.clock.now() + timedelta(days=10)
    page.fill("#until", until.date().isoformat())
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url(re.compile(r"/my/exceptions/exc_"))
    office.up.work()

    _approve_from_home(office)
    page.reload()
    expect(page.locator("main")).to_contain_text("Kenji Kondo")
    assert _finding_is_open(office, rule) is False
    page.goto(f"{office.up.public_url}/my")
    expect(page.locator("#fixes")).not_to_contain_text("Not so yet")

    office.up.clock.advance(days=12)
    office.up.work()
    _sign_in_again(office, "mori")
    page.goto(f"{office.up.public_url}/my/exceptions")
    expect(page.locator("main")).to_contain_text("Over")
    office.check_again(rule)
    page.goto(f"{office.up.public_url}/my")
    expect(page.locator("#fixes")).to_contain_text("Not so yet")
    assert _finding_is_open(office, rule) is True
    assert office.mails_to("mori@example.jp", "The exception is over")


def _low_rule() -> ControlID:
    """Return a rule that a manager may except and the computer is asked."""
    asked = controls.catalogue_in_force().applying("windows", "company")
    return next(c.id for c in asked if c.severity is Severity.LOW and c.find_check("windows"))


def _make_manager(office: Office) -> None:
    """Somebody who leads Mori's unit and signs in from home."""
    with office.up.house.database.write(SYSTEM) as tx:
        unit = identity.create_unit(tx, identity.UnitDraft("Sales")).id
        mori = identity.find_person_by_email(tx, "mori@example.jp")
        assert mori is not None
        identity.place_person(tx, mori.id, unit)
        kondo = identity.add_person(
            tx, name="Kenji Kondo", email="kondo@example.jp", language="en",
            roles=[Role.TELEWORKER],
        )  # fmt: skip
        held = {Assignment(Role.TELEWORKER), Assignment(Role.MANAGER, UnitID(unit))}
        identity.set_roles(tx, kondo.id, held)
        path = identity.issue_invite_link(tx, kondo.id)
    _, page = office.open()
    page.goto(f"{office.up.public_url}{path}")
    page.click("[data-passkey] button")
    page.wait_for_url("**/account/recovery-codes")
    office.pages["kondo"] = page


def _approve_from_home(office: Office) -> None:
    assert office.mails_to("kondo@example.jp", "asks for an exception")
    page = office.pages["kondo"]
    page.goto(f"{office.up.public_url}/my")
    page.get_by_role("link", name="Waiting for my decision").first.click()
    page.locator("main a[href^='/my/decisions/exc_']").first.click()
    expect(page.locator("main")).to_contain_text("An old program needs it until spring")
    page.get_by_role("button", name=re.compile("^Approve until")).click()
    page.wait_for_url("**/my/decisions")
    expect(page.locator("main")).to_contain_text("Nothing waits for your decision")


def _finding_is_open(office: Office, rule: ControlID) -> bool:
    with office.up.house.database.read(SYSTEM) as tx:
        found = findings.list_findings(tx, page_size=200).findings
    return any(rule in each.subject or rule in str(each) for each in found)


def _sign_in_again(office: Office, name: str) -> None:
    """Come back after the session has ended, by the passkey."""
    page = office.pages[name]
    page.goto(f"{page.evaluate('location.origin')}/sign-in?next=/my")
    page.locator("[data-passkey] button").first.click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def test_a_yes_that_the_machine_denies_is_shown_to_those_who_help(office: Office) -> None:
    office.check_again(LOCK)
    _sign_in_again(office, "saeki")
    admin, page = office.pages["saeki"], office.pages["mori"]
    admin.goto(f"{office.up.url}/selfchecks")
    admin.get_by_role("button", name="Ask from now on").click()
    office.up.work()
    assert office.mails_to("mori@example.jp", "elf-check")

    page.goto(f"{office.up.public_url}/my")
    page.locator("#fixes a[href^='/my/self-checks/']").first.click()
    for yes in page.locator("input[type=radio][value=yes]").all():
        yes.check()
    page.get_by_role("button", name="Save my answers").click()
    expect(page.locator("main")).to_contain_text("Your answers are saved")
    office.up.work()

    admin.goto(f"{office.up.url}/selfchecks/mismatches")
    row = admin.locator("tr.row").filter(has_text="Hanako Mori")
    expect(row.first).to_be_visible()
    expect(admin.locator("main")).to_contain_text("MORI-PC")


def test_many_are_chosen_over_pages_acted_on_followed_and_taken_back(office: Office) -> None:
    _enrol_many(office, 60)
    admin, rows = office.pages["saeki"], f"{office.up.url}/devices?q=STORE-"
    admin.goto(rows)
    assert admin.locator("input[name=id]").count() == 50, "the others are on the second page"
    _choose(admin, "own")
    admin.fill("#f-who", "mori@example.jp")
    _do(office, "60")

    admin.goto(rows)
    _choose(admin, "tag")
    admin.fill("#f-tags", "Shop, Till")
    _do(office, "60")
    with admin.expect_download() as sheet:
        admin.get_by_role("link", name="As CSV").click()
    assert sheet.value.path().read_text("utf-8-sig").count(",done,") == 60
    admin.get_by_role("button", name="Undo").click()
    _start(office, "60")
    admin.goto(f"{office.up.url}/devices?tag=Till")
    expect(admin.locator("main")).not_to_contain_text("STORE-")

    admin.goto(f"{rows}&page=2")
    _choose(admin, "notify")
    admin.fill("#f-title", "Tills are updated tonight")
    admin.fill("#f-body", "Please leave them switched on.")
    _do(office, "60")
    office.up.work()
    (told,) = office.mails_to("mori@example.jp", "Tills are updated")
    assert "55 more" in told


def test_findings_are_given_and_excepted_from_the_list(office: Office) -> None:
    admin, rows = office.pages["saeki"], f"{office.up.url}/findings?q=MORI-PC"
    admin.goto(rows)
    admin.locator("input[name=id]").first.check()
    expect(admin.locator("[data-ticked]")).to_have_text("1")
    _choose(admin, "assign", everything=False)
    _do(office, "1")
    admin.goto(f"{office.up.url}/findings?who=me")
    expect(admin.locator("main")).to_contain_text("MORI-PC")

    admin.goto(rows)
    _choose(admin, "except")
    admin.fill("#f-reason", "The computer is replaced next week")
    admin.fill("#f-measure", "It stays in the locked office")
    admin.fill("#f-until", (office.up.clock.now() + timedelta(days=5)).date().isoformat())
    _do(office)
    admin.get_by_role("link", name="The request").first.click()
    expect(admin.locator("main")).to_contain_text("The computer is replaced next week")


def _enrol_many(office: Office, number: int) -> None:
    """Bring in computers that nobody owns yet."""
    details = {"system_info": {"hostname": "STORE"}, "osquery_info": {"version": "5.14.1"},
               "os_version": {"platform": "debian", "name": "Debian", "version": "12"}}  # fmt: skip
    with office.up.house.database.write(SYSTEM) as tx:
        for n in range(number):
            order = KitOrder(KitKind.DEVICE, Ownership.COMPANY, label=f"STORE-{n:02}")
            secret = create_kit(tx, order).secret.reveal()
            enrolment.enrol(tx, EnrollRequest(secret, f"store-{n}", "9", details), "192.0.2.7")


def _choose(page: Page, kind: str, *, everything: bool = True) -> None:
    """Go on with the rows of the list that are ticked, or with all that match."""
    if everything:
        page.locator("#bulk input[value=all]").check()
    page.select_option("#b-kind", kind)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(re.compile(r"/acts/act_"))


def _do(office: Office, number: str = "") -> None:
    """Look at the plan, start, and follow to the end."""
    page = office.pages["saeki"]
    page.get_by_role("button", name="Show what will happen").click()
    _start(office, number)


def _start(office: Office, number: str) -> None:
    page = office.pages["saeki"]
    expect(page.locator("#h-plan")).to_have_text("What will happen")
    page.get_by_role("button", name=f"Do it for {number}").click()
    expect(page.locator("#h-run")).to_have_text("It is being done")
    assert page.locator("progress").get_attribute("value") == "0"
    office.up.work()
    expect(page.locator("#h-plan")).to_have_text("What became of it")
    expect(page.locator("dl.facts b").first).to_contain_text(number)


def test_the_log_of_the_server_tells_no_fault(office: Office) -> None:
    log = Path(f"{office.up.data}.log").read_text()
    assert "request failed" not in log
    assert "Traceback" not in log
