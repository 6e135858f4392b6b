"""Reading ``content/exceptions/rules.yaml``: how long, approved by whom, what decides on access."""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import TypeVar

from sekisho.controls.exceptions import ExceptionRules, Limits
from sekisho.controls.faults import CatalogueError
from sekisho.controls.laid_content import laid_content
from sekisho.controls.model import Proof, Severity
from sekisho.controls.reading import Place, Source
from sekisho.identity.model import Role
from sekisho.kernel.i18n import msg

NAME = "exceptions/rules.yaml"
_LONGEST_DAYS = 366
_SEVERITIES = frozenset(severity.value for severity in Severity)
_Closed = TypeVar("_Closed", Severity, Proof)


def load_rules() -> ExceptionRules:
    """Return the rules in force: the organisation's own, or those that come with the program."""
    return _read_cached(laid_content().get(NAME, ""))


@functools.lru_cache(maxsize=4)
def _read_cached(own: str) -> ExceptionRules:
    return read_rules(own or usual_text())


def usual_text() -> str:
    """Return the rules that come with the program, as YAML."""
    return files("sekisho").joinpath("content", *NAME.split("/")).read_text("utf-8")


def read_rules(text: str, name: str = NAME) -> ExceptionRules:
    """Read the rules from YAML; raises CatalogueError with every fault and its line."""
    source = Source(name)
    root = source.parse(text)
    keys = ("as_of", "source", "severities", "reminder_days", "access")
    fields = root.fields(keys) if root is not None else {}
    if source.faults or root is None:
        raise CatalogueError(source.faults)
    access = fields["access"].fields(("blocking", "required_proofs"))
    rules = ExceptionRules(
        limits=_read_limits(fields["severities"]),
        reminder_days=_read_days(fields["reminder_days"]),
        blocking=frozenset(_read_each(access.get("blocking"), Severity)),
        required_proofs=frozenset(_read_each(access.get("required_proofs"), Proof)),
        as_of=_read_date(fields["as_of"]),
        source=fields["source"].text(),
    )
    if source.faults:
        raise CatalogueError(source.faults)
    return rules


def _read_limits(place: Place) -> Mapping[Severity, Limits]:
    named = place.fields([severity.value for severity in Severity])
    return {
        Severity(name): _read_limit(each) for name, each in named.items() if name in _SEVERITIES
    }


def _read_limit(place: Place) -> Limits:
    fields = place.fields(("longest_days", "approvers", "why"))
    if len(fields) < 3:  # noqa: PLR2004 - the three above; what is missing was noted
        return Limits(1, frozenset(), {})
    approvers = frozenset(_read_role(each) for each in fields["approvers"].items())
    if not approvers:
        fields["approvers"].note(msg("Name at least one role that may approve."))
    days = fields["longest_days"].integer(1, _LONGEST_DAYS)
    return Limits(days, approvers, fields["why"].localized())


def _read_role(place: Place) -> str:
    """Return the name of a role; a misspelt one could approve nothing, unnoticed."""
    got, known = place.text(), [role.value for role in Role]
    if got not in known:
        place.note(msg("“%(got)s” is no role; known are %(known)s.",
                       got=got[:40], known=", ".join(known)))  # fmt: skip
    return got


def _read_days(place: Place) -> tuple[int, ...]:
    return tuple(sorted({each.integer(1, _LONGEST_DAYS) for each in place.items()}, reverse=True))


def _read_each(place: Place | None, kind: type[_Closed]) -> list[_Closed]:
    return [each.choice(kind) for each in place.items()] if place is not None else []


def _read_date(place: Place) -> datetime:
    try:
        return datetime.strptime(place.text(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        place.note(msg("Expected a date such as 2026-11-23."))
        return datetime(2000, 1, 1, tzinfo=UTC)
