"""Stops of the tour about the gate: apps, policies, networks, decisions, its own pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, Route

from sekisho.access import service as access
from sekisho.access.engine import builtin
from sekisho.access.engine.forms import write_form
from sekisho.access.model import (
    AccessRequest,
    Door,
    Resource,
    ResourceID,
    ResourceKind,
    Trust,
    Upstream,
)
from sekisho.access.policies import Policy, PolicyForm
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, translate
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.server.gate import answers, porter
from support.visiting import query
from ui.tour_people import first_of

Walk = Callable[[Any, Page], None]
_COLLEAGUE = Principal(PrincipalKind.COMMAND, "colleague", "colleague", frozenset({"*"}))
_GATE = "https://wiki.minato.example/"
_APPS = (
    ("wiki", "社内Wiki", "Wiki", ResourceKind.HTTP, "10.20.0.5", 8080, Trust.MANAGED),
    ("jump", "踏み台サーバー", "Jump host", ResourceKind.TCP, "10.20.0.22", 22, Trust.MANAGED),
    ("keiri", "経理システム", "Accounting", ResourceKind.HTTP, "10.20.0.8", 443, Trust.BROWSER),
)
# What was typed here, in whatever language the page is.
TYPED_OF_ACCESS = [
    "本社",
    "本社のネットワークから",
    "月次決算の確認のため、本日中だけ使います。",
    "経理は申請してから",
]


def settle_access(town: Any) -> None:
    """Put apps behind the gate, open them by policies, and let somebody try."""
    database = Database(f"sqlite:///{town.up.data / 'sekisho.db'}", SystemClock())
    try:
        with database.write(SYSTEM) as tx:
            made = {app[0]: _add(tx, app) for app in _APPS}
            access.put_network(tx, access.NamedNetwork(
                "本社", ("203.0.113.0/24", "2001:db8:20::/48"), "JP"))  # fmt: skip
            access.put_network(tx, access.NamedNetwork("VPN", ("198.51.100.7",)))
            number = _propose(tx, made)
        with database.write(_COLLEAGUE) as tx:
            if access.get_version(tx, number).state.value == "waiting":
                access.approve_version(tx, number)
        with database.write(SYSTEM) as tx:
            _try_all(tx, town, made)
    finally:
        database.close()
    town.devices |= {key: found.id for key, found in made.items()}


def _add(tx: Transaction, app: tuple[str, str, str, ResourceKind, str, int, Trust]) -> Resource:
    key, ja, en, kind, host, port, trust = app
    return access.add_resource(tx, Resource(
        ResourceID(""), key, ja, en, kind, f"{key}.minato.example", (Upstream(host, port),),
        least_trust=trust, most_mfa_age=timedelta(hours=1),
    ))  # fmt: skip


def _propose(tx: Transaction, made: dict[str, Resource]) -> int:
    now = access.version_in_force(tx)
    staff = PolicyForm(resources=(made["wiki"].id, made["jump"].id))
    asked = PolicyForm(resources=(made["keiri"].id,), needs_grant=True)
    office = PolicyForm(resources=(made["jump"].id,), networks=("本社",))
    policies = [
        *(now.policies if now else ()),
        Policy("staff", write_form("staff", staff), "社員は会社の端末から", "Staff, from their PC"),
        Policy("office", write_form("office", office), "本社のネットワークから", "From the office"),
        Policy("keiri", write_form("keiri", asked), "経理は申請してから", "Accounting on request"),
    ]
    based_on = now.number if now else 0
    return access.propose_policies(tx, policies, note="2026-11", based_on=based_on).number


def _try_all(tx: Transaction, town: Any, made: dict[str, Resource]) -> None:
    """Open the sample, and be refused elsewhere, from any browser."""
    ((person, sign_in),) = query(
        town.up,
        "SELECT person_id, id FROM identity_sessions ORDER BY id LIMIT 1",
    )
    sample = next(each for each in access.list_resources(tx) if each.key == "sample")
    for resource in (sample, *made.values()):
        access.open_session(tx, AccessRequest(
            PersonID(str(person)), resource.id, str(sign_in), Door.BROWSER, "198.51.100.23",
        ))  # fmt: skip


def go(path: str) -> Walk:
    """Walk to an address; ``{name}`` stands for an id that was kept."""
    return lambda town, page: _goto(page, town.url(path.format(**town.devices)))


def _goto(page: Page, url: str) -> None:
    page.goto(url)


def _alarm(town: Any, page: Page) -> None:
    """Let Envoy have refused something."""
    database = Database(f"sqlite:///{town.up.data / 'sekisho.db'}", SystemClock())
    with database.write(SYSTEM) as tx:
        access.raise_alarm(tx, "envoy.config.route.v3.RouteConfiguration", "Duplicate domain")
    database.close()
    page.goto(town.url("/access/sessions"))


def _whatif(town: Any, page: Page) -> None:
    page.goto(town.url("/access/policies"))
    page.select_option("#if-rules", index=0)
    with page.expect_navigation():
        page.click("form[action='/access/whatif/rules'] button")
    page.locator("[data-again]").wait_for(state="detached")


def _gate_page(title: Text, status: int, *names: str) -> Walk:
    """Show a page of the gate's own as a browser gets it, with its own content policy."""

    def walk(town: Any, page: Page) -> None:
        page.goto(town.url("/my/apps"))
        language = str(page.get_attribute("html", "lang"))
        reasons = [builtin.built_in_reason(name) for name in names]
        shown = answers.reasons_as_data(reasons, language) if reasons else [{
            "text": translate(porter.NO_CERTIFICATE, language),
            "fix": translate(porter.ENROL, language)}]  # fmt: skip
        app = "社内Wiki" if language == "ja" else "Wiki"
        said = answers.say_page(
            status, language, title, reasons=shown, resource=app, lead=porter.MY_APPS,
            portal="https://sekisho.minato.example/my",
        )  # fmt: skip

        def answer(route: Route) -> None:
            style = route.request.url.endswith("style.css")
            found = (answers.style_sheet() if style else said).denied_response
            headers = {each.header.key: each.header.value for each in found.headers}
            route.fulfill(status=found.status.code, headers=headers, body=found.body)

        page.route(f"{_GATE}**", answer)
        page.goto(_GATE)

    return walk


ACCESS: dict[str, Walk] = {
    "access_sessions": go("/access/sessions"),
    "access_decisions": go("/access/decisions"),
    "access_decision": first_of("/access/decisions?outcome=deny", "tr.row th a"),
    "access_versions": go("/access/policies/versions"),
    "access_versions_none": go("/access/policies/versions?q=nobody-of-the-kind"),
    "access_resources": go("/access/resources"),
    "access_resource": go("/access/resources/{wiki}"),
    "access_resource_new": go("/access/resources/new"),
    "access_networks": go("/access/networks"),
    "access_policies": go("/access/policies"),
    "access_policy": go("/access/policies/edit?name=keiri"),
    "access_version": first_of("/access/policies", "section[aria-labelledby=h-ver] tr.row th a"),
    "access_whatif": _whatif,
    "my_apps": go("/my/apps"),
    "my_access": go("/my/access?resource={wiki}"),
    "access_alarm": _alarm,
    "gate_refused": _gate_page(answers.NO_ACCESS, 403, "sekisho.failing", "sekisho.certificate"),
    "gate_no_device": _gate_page(answers.NO_DEVICE, 403),
}
