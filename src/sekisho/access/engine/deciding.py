"""One decision: signals and policies in, yes or no with the reasons out.

- Nothing is open that no policy opens; a forbid wins over every permit.
- A signal that is missing or too old is not in the request. Whatever asks for it fails, and any
  failure refuses: taking a signal away can turn yes into no, and never no into yes.
- The order of policies means nothing.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from sekisho.access.engine import builtin
from sekisho.access.engine.book import Book, Shard
from sekisho.access.engine.context import (
    make_context,
    make_entities,
    make_memberships,
    make_places,
)
from sekisho.access.engine.explaining import explain_absence, own_reason
from sekisho.access.engine.schema import ACTION
from sekisho.access.model import (
    CLOCK_TRUST,
    LONGEST_TRUST,
    Decision,
    Reason,
    Resource,
    Signals,
    Trust,
)

_MISSING = re.compile(r"does not have the attribute `(\w+)`")
_AT = re.compile(r"policy `(policy\d+)`")
_MOST_ENTITIES = 4_096
_MOST_PERMITS = 5  # of many that open it, a few say enough
_encode = msgspec.json.Encoder().encode
_Key = tuple[Any, ...]
_entities: OrderedDict[_Key, Any] = OrderedDict()


def decide(book: Book, resource: Resource | None, signals: Signals) -> Decision:
    """Return the decision; never raises: what cannot be decided is refused."""
    if resource is None or not resource.enabled:
        return refuse(book, signals, [builtin.built_in_reason("sekisho.no-resource")])
    if signals.shut_out:  # whoever it is: nothing comes in from there
        return refuse(book, signals, [builtin.built_in_reason("sekisho.shut-out")])
    context = make_context(signals)
    try:
        who, where = make_memberships(signals), make_places(resource)
        shard = book.shard(who, where)
        answer = _ask(shard, resource, signals, context, who)
    except Exception:  # noqa: BLE001 - whatever went wrong, nothing is opened by it
        return refuse(book, signals, [builtin.built_in_reason("sekisho.cannot-decide")])
    diagnostics = answer.diagnostics
    allow = bool(answer.allowed) and not diagnostics.errors
    reasons = (
        _permits(shard, diagnostics) if allow else _refusals(shard, diagnostics, context, signals)
    )
    return Decision(
        allow=allow,
        reasons=tuple(reasons),
        policy_version=book.version,
        at=signals.at,
        valid_until=_end(shard, resource, signals),
        watch=_watch(resource, signals),
        trust=signals.trust,
        signals=context,
    )


def refuse(book: Book, signals: Signals, reasons: Sequence[Reason]) -> Decision:
    """Return a refusal that no policy was asked for."""
    subjects = frozenset({f"person:{signals.person.person_id}", "policy"})
    return Decision(
        False, tuple(reasons), book.version, signals.at, signals.at + CLOCK_TRUST, subjects,
        signals.trust, make_context(signals),
    )  # fmt: skip


def _ask(
    shard: Shard, resource: Resource, signals: Signals, context: Mapping[str, Any],
    who: frozenset[tuple[str, str]],
) -> Any:  # fmt: skip
    import cedarpy  # noqa: PLC0415 - see schema

    request = {
        "principal": {"type": "Person", "id": signals.person.person_id},
        "action": ACTION,
        "resource": {"type": "Resource", "id": resource.id},
        "context": _encode({n: v for n, v in context.items() if n in shard.attributes}).decode(),
    }
    return cedarpy.is_authorized(request, shard.handle, _find_entities(signals, resource, who))


def _find_entities(signals: Signals, resource: Resource, who: frozenset[tuple[str, str]]) -> Any:
    """Return the parsed entities; the same person and resource come again and again."""
    import cedarpy  # noqa: PLC0415 - see schema

    key = (
        who, resource.id, resource.kind, resource.least_trust, resource.least_strength,
        resource.most_mfa_age,
    )  # fmt: skip
    found = _entities.get(key)
    if found is None:
        made = make_entities(signals, resource, who)
        found = _entities[key] = cedarpy.Entities.from_json_str(_encode(made).decode())
        while len(_entities) > _MOST_ENTITIES:
            _entities.popitem(last=False)
    return found


def _permits(shard: Shard, diagnostics: Any) -> list[Reason]:
    deciding = sorted(_deciding(shard, diagnostics))[:_MOST_PERMITS]
    return [own_reason(shard.by_id[name].policy) for name in deciding if name in shard.by_id]


def _deciding(shard: Shard, diagnostics: Any) -> list[str]:
    return [name for reason in diagnostics.reasons for name in shard.names[reason]]


def _refusals(
    shard: Shard, diagnostics: Any, context: Mapping[str, Any], signals: Signals
) -> list[Reason]:
    own = shard.by_id
    found = []
    for name in _deciding(shard, diagnostics):
        if name in builtin.POLICIES:
            found.append(_built_in(name, signals))
        elif own[name].effect == "forbid":
            found.append(own_reason(own[name].policy))
    found += _failures(shard, diagnostics.errors)
    found = found or explain_absence(shard.own, context)
    return sorted(found, key=lambda reason: builtin.rank(reason.id))


def _built_in(name: str, signals: Signals) -> Reason:
    device = signals.device
    if device is not None and name == "sekisho.failing":
        return builtin.built_in_reason(name, controls=tuple(sorted(device.failing)))
    if device is not None and name == "sekisho.unproven":
        return builtin.built_in_reason(name, controls=tuple(sorted(device.unproven)))
    return builtin.built_in_reason(name)


def _failures(shard: Shard, errors: Sequence[str]) -> list[Reason]:
    """Say what a policy asked for and nobody could tell."""
    missing = {m.group(1) for error in errors for m in _MISSING.finditer(error)}
    others = {
        name
        for error in errors
        if not _MISSING.search(error) and (at := _AT.search(error))
        for name in shard.names[at.group(1)]
    }
    found = []
    if missing:
        found.append(
            builtin.built_in_reason("sekisho.missing-signal", missing=tuple(sorted(missing)))
        )
    if others or (errors and not missing):
        found.append(
            builtin.built_in_reason("sekisho.cannot-decide", missing=tuple(sorted(others)))
        )
    return found


def _end(shard: Shard, resource: Resource, signals: Signals) -> datetime:
    """Return when to ask again at the latest; everything whose end is known is in it."""
    person, device = signals.person, signals.device
    ends = [signals.at + (CLOCK_TRUST if shard.turning else LONGEST_TRUST)]
    if person.sign_in_ends is not None:
        ends.append(person.sign_in_ends)
    if person.proved_at is not None and resource.most_mfa_age is not None:
        ends.append(person.proved_at + resource.most_mfa_age)
    if signals.granted_until is not None:
        ends.append(signals.granted_until)
    if signals.trust > Trust.BROWSER and device is not None and device.valid_until is not None:
        ends.append(device.valid_until)
    later = [end for end in ends if end > signals.at]
    return min(later)


def _watch(resource: Resource, signals: Signals) -> frozenset[str]:
    found = {f"person:{signals.person.person_id}", f"resource:{resource.id}", "policy"}
    if signals.device is not None:
        found.add(f"device:{signals.device.device_id}")
    return frozenset(found)
