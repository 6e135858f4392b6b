"""Policies in force and their versions as lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from sekisho.access import service
from sekisho.access.engine import builtin
from sekisho.access.engine.forms import read_form
from sekisho.access.policies import WORDS_OF_VERSION, Effect, Policy, PolicyForm
from sekisho.access.service.books import NEWEST, VersionWish
from sekisho.access.web import fields
from sekisho.access.web.mine import rule_titles
from sekisho.kernel.db import Database
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ALL = "/access/policies"
_LATEST = 5
_VERSIONS = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One policy as the list shows it; ``form`` is None where it is kept as text."""

    policy: Policy
    form: PolicyForm | None

    @property
    def effect(self) -> str:
        """Return "forbid", "request" (permits whom somebody let in) or "permit"."""
        if self.form is None:
            return "forbid" if Effect.FORBID.value in self.policy.text else "permit"
        if self.form.effect is Effect.FORBID:
            return "forbid"
        return "request" if self.form.needs_grant else "permit"


@get(ALL, sync_to_thread=True)
def show_policies(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "title",
    page: FromQuery[int] = 1,
) -> Page:
    """List the policies in force, what waits, and the latest versions."""
    with database.read(principal) as tx:
        now = service.version_in_force(tx)
        waiting = service.list_waiting(tx)
        versions, count = service.page_versions(tx, VersionWish(), page_size=_LATEST)
        people = service.name_people(tx, [v.author for v in versions + waiting])
        names = service.find_names(tx)
    every = now.policies if now else ()
    found = _arrange([p for p in every if _fits(p, q.strip().lower())], sort, language)
    page = max(1, page)
    context = {
        "now": now, "policies": found[(page - 1) * fields.PER_PAGE : page * fields.PER_PAGE],
        "waiting": waiting, "versions": versions, "versions_count": count, "people": people,
        "names": names, "states": WORDS_OF_VERSION, "any": bool(every),
        "filters": {"q": q, "sort": sort}, "built_in": _built_in(), "titles": rule_titles(),
        **fields.paging(page, len(found)),
    }  # fmt: skip
    return Page("access/policies.html", context)


def _fits(policy: Policy, words: str) -> bool:
    return words in f"{policy.id} {policy.title_ja} {policy.title_en}".lower()


def _arrange(policies: Sequence[Policy], sort: str, language: str) -> list[Line]:
    lines = [Line(policy, read_form(policy.text)) for policy in policies]
    lines.sort(key=lambda line: (line.policy.titled(language).casefold(), line.policy.id))
    keys: dict[str, Callable[[Line], Any]] = {
        "effect": lambda line: ("forbid", "request", "permit").index(line.effect),
        "state": lambda line: not line.policy.enabled,
    }
    key = keys.get(sort.removeprefix("-"))
    if key is not None:
        return sorted(lines, key=key, reverse=sort.startswith("-"))
    return lines[::-1] if sort == "-title" else lines


def _built_in() -> list[Any]:
    return [(builtin.built_in_reason(name), text) for name, text in builtin.POLICIES.items()]


@get(f"{ALL}/versions", sync_to_thread=True)
def show_versions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = NEWEST,
    page: FromQuery[int] = 1,
) -> Page:
    """List every version there was."""
    page = max(1, page)
    wanted = VersionWish(q.strip(), sort)
    with database.read(principal) as tx:
        versions, total = service.page_versions(tx, wanted, page=page, page_size=_VERSIONS)
        people = service.name_people(tx, [version.author for version in versions])
    context = {
        "versions": versions, "people": people, "states": WORDS_OF_VERSION,
        "filters": {"q": q, "sort": sort}, **fields.paging(page, total, _VERSIONS),
    }  # fmt: skip
    return Page("access/versions.html", context)


PAGES = [show_policies, show_versions]
