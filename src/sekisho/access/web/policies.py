"""Policies as pages: the form beside the text, a version, who would lose access."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from sekisho.access import service
from sekisho.access.engine.explaining import say_minute_of_day
from sekisho.access.engine.forms import read_form, write_form
from sekisho.access.engine.saying import DAYS
from sekisho.access.model import WORDS_OF_TRUST
from sekisho.access.policies import WORDS_OF_VERSION, Effect, Policy, PolicyForm
from sekisho.access.service import whatif
from sekisho.access.service.log import unpack_reason
from sekisho.access.web import fields
from sekisho.access.web.mine import rule_titles
from sekisho.identity import service as identity
from sekisho.identity.model import WORDS_OF_STRENGTH, Role
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ALL = "/access/policies"
Form = URLEncodedBody[dict[str, Any]]
_HOUR = 60


@get(f"{ALL}/edit", sync_to_thread=True)
def show_editor(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    name: FromQuery[str] = "",
) -> Page:
    """Show one policy, or a new one, as a form and as text."""
    principal.require("access.write")
    with database.read(principal) as tx:
        now = service.version_in_force(tx)
        found = next((p for p in (now.policies if now else ()) if p.id == name), None)
        return _editor(tx, found or Policy("", ""), based_on=now.number if now else 0)


def _editor(
    tx: Transaction, policy: Policy, *, based_on: int, fault: SekishoError | None = None,
    form: PolicyForm | None = None,
) -> Page:  # fmt: skip
    shown = form or (read_form(policy.text) if policy.text else PolicyForm())
    context = {
        "policy": policy, "form": shown, "based_on": based_on, "fault": fault,
        "units": identity.list_units(tx), "groups": identity.list_groups(tx),
        "roles": {role.value: WORDS_OF_ROLE[role] for role in Role},
        "resources": service.list_resources(tx), "titles": rule_titles(),
        "trusts": WORDS_OF_TRUST, "strengths": WORDS_OF_STRENGTH,
        "networks": service.list_networks(tx), "clock": say_minute_of_day,
        "until": datetime.fromtimestamp(shown.until, UTC) if shown and shown.until else None,
        "days": DAYS,
    }  # fmt: skip
    return Page("access/policy.html", context, fault.status if fault else 200)


@post(f"{ALL}/edit", sync_to_thread=True)
def save(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Page:
    """Propose the change, or first ask who would lose access by it."""
    policy, form, fault = _read(data)
    based_on = fields.number(data, "based_on", 0)
    try:
        if fault is not None:
            raise fault
        with database.write(principal) as tx:
            return Redirect(_act(tx, policy, data, based_on), status_code=303)
    except (InvalidInputError, ConflictError) as error:
        with database.read(principal) as tx:
            return _editor(tx, policy, based_on=based_on, fault=error, form=form)


def _act(tx: Transaction, policy: Policy, data: Mapping[str, Any], based_on: int) -> str:
    now = service.version_in_force(tx)
    kept = [p for p in (now.policies if now else ()) if p.id != fields.text(data, "was")]
    action = fields.text(data, "action")
    made = kept if action == "remove" else [*kept, policy]
    if action == "whatif":
        return f"/access/whatif/{whatif.ask_whatif(tx, made).id}"
    version = service.propose_policies(tx, made, note=fields.text(data, "note"), based_on=based_on)
    return f"{ALL}/versions/{version.number}"


def _read(data: Mapping[str, Any]) -> tuple[Policy, PolicyForm | None, InvalidInputError | None]:
    name = fields.text(data, "id").lower()
    policy = Policy(
        name, fields.text(data, "text"), fields.text(data, "title_ja"),
        fields.text(data, "title_en"), fields.text(data, "fix_ja"), fields.text(data, "fix_en"),
        fields.text(data, "approvers"), bool(fields.text(data, "enabled")),
    )  # fmt: skip
    if fields.text(data, "way") == "text":
        return policy, None, None
    try:
        form = _read_form(data)
        return replace(policy, text=write_form(name, form)), form, None
    except InvalidInputError as error:
        return policy, None, error


def _read_form(data: Mapping[str, Any]) -> PolicyForm:
    return PolicyForm(
        effect=Effect.FORBID if fields.text(data, "effect") == "forbid" else Effect.PERMIT,
        units=fields.several(data, "units"),
        groups=fields.several(data, "groups"),
        roles=fields.several(data, "roles"),
        resources=fields.several(data, "resources"),
        trusts=tuple(sorted(int(t) for t in fields.several(data, "trusts") if t in {*"123"})),
        strength=min(3, fields.number(data, "strength", 0)),
        mfa_minutes=fields.number(data, "mfa_minutes", 0),
        controls=fields.several(data, "controls"),
        networks=fields.several(data, "networks"),
        countries=tuple(fields.text(data, "countries").upper().replace(",", " ").split()),
        weekdays=tuple(
            sorted(int(d) for d in fields.several(data, "weekdays") if d in {*"1234567"})
        ),
        begin=_minute(fields.text(data, "begin")),
        end=_minute(fields.text(data, "end")),
        until=_day(fields.text(data, "until")),
        needs_grant=bool(fields.text(data, "needs_grant")),
    )


def _minute(text: str) -> int:
    if not text:
        return -1
    hours, _, minutes = text.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal()) or int(hours[:4]) > 23:  # noqa: PLR2004 - hours of a day
        raise InvalidInputError(msg("“%(got)s” is not a time of day such as 09:00.", got=text[:20]))
    return int(hours) * _HOUR + min(59, int(minutes[:4]))


def _day(text: str) -> int:
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise InvalidInputError(
            msg("“%(got)s” is not a date such as 2026-12-31.", got=text[:20])
        ) from None


@get(f"{ALL}/versions/{{number:int}}", sync_to_thread=True)
def show_version(
    number: FromPath[int],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show what a version changes."""
    with database.read(principal) as tx:
        version = service.get_version(tx, number)
        before = service.get_version(tx, version.based_on).policies if version.based_on else ()
        people = service.name_people(tx, [version.author, version.decider or ""])
        now = service.version_in_force(tx)
    context = {
        "version": version, "changes": service.diff_versions(before, version.policies),
        "people": people, "states": WORDS_OF_VERSION, "now": now,
    }  # fmt: skip
    return Page("access/version.html", context)


@post(f"{ALL}/versions/{{number:int}}/{{action:str}}", sync_to_thread=True)
def decide_version(
    number: FromPath[int],
    action: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Approve, refuse, roll back to a version, or ask who would lose access by it."""
    words = fields.text(data, "words")
    with database.write(principal) as tx:
        if action == "approve":
            service.approve_version(tx, number, words)
        elif action == "refuse":
            service.refuse_version(tx, number, words)
        elif action == "roll-back":
            number = service.roll_back(tx, number).number
        elif action == "whatif":
            policies = service.get_version(tx, number).policies
            return Redirect(f"/access/whatif/{whatif.ask_whatif(tx, policies).id}", status_code=303)
        else:
            raise InvalidInputError(msg("“%(got)s” cannot be done here.", got=action[:40]))
    return Redirect(f"{ALL}/versions/{number}", status_code=303)


@post("/access/whatif/rules", sync_to_thread=True)
def ask_rules(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Ask who would lose access if these rules had to be kept everywhere."""
    with database.write(principal) as tx:
        now = service.version_in_force(tx)
        chosen = fields.several(data, "controls")
        if not chosen:
            raise InvalidInputError(msg("Choose at least one rule."))
        job = whatif.ask_whatif(tx, now.policies if now else (), controls=chosen)
    return Redirect(f"/access/whatif/{job.id}", status_code=303)


@get("/access/whatif/{job_id:str}", sync_to_thread=True)
def show_whatif(
    job_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show how far the count has come and who would lose or gain what."""
    with database.read(principal) as tx:
        job = whatif.get_whatif(tx, job_id)
        names = service.find_names(tx)
    rows = [{**row, "reason": unpack_reason(row["reason"])} for row in job.result["rows"]]
    return Page("access/whatif.html", {"job": job, "rows": rows, "names": names})


PAGES = [
    show_editor, save, show_version, decide_version, ask_rules, show_whatif,
]  # fmt: skip
