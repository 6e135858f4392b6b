"""Why a rule of the library did or did not match one event, down to the field."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sekisho.detection.engine.explain import Explanation, explain
from sekisho.detection.engine.shaping import Shaping, shape_value
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.library import DocumentKind
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event
from sekisho.detection.service.library import find_kept, read_text
from sekisho.detection.store import rules
from sekisho.detection.wording import say_title
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import Text, msg

LARGEST_EVENT = 1024 * 1024
_AT_BYTE = re.compile(r"\(byte (\d+)\)")


def explain_event(tx: Transaction, rule_id: str, text: str) -> tuple[Explanation, Event]:
    """Judge a rule on one event given as JSON, and tell every step (``detection.read``).

    The event is read as a hunt reads it: the shape of EVTX readers, of log shippers, or plain
    fields. Raises InvalidInputError for what is no event, ConflictError for a correlation, which
    judges matches and not events.
    """
    tx.principal.require("detection.read")
    kept = find_kept(tx, rule_id)
    if kept.kind is not DocumentKind.RULE:
        raise ConflictError(
            msg(
                "“%(title)s” judges matches of other rules, not single events.",
                title=say_title(kept.id, kept.title),
            ),
            hint=msg("Ask the rules it names."),
        )
    event = read_event(text)
    filters = rules.list_of_kind(tx, DocumentKind.FILTER)
    files = {f"{each.source_id}/{each.file}": each for each in (kept, *filters)}
    rule_set = load_rules(RuleText(name, read_text(tx, each)) for name, each in files.items())
    rule = next(rule for rule in rule_set.rules if rule.id == rule_id)
    return explain(rule, event, own_routing(), rule_set.filters), event


def _say_fault(error: Exception) -> Text:
    """Say in our own words what is wrong with a JSON text; the decoder's are English."""
    place = _AT_BYTE.search(str(error))
    if place:
        return msg("This is no JSON: something else is expected at byte %(n)s.", n=place[1])
    return msg("This is no JSON: it ends too early, or is nested too deeply.")


def read_event(text: str) -> Event:
    """Read one event from JSON; raise InvalidInputError with what was got and what is expected."""
    hint = msg("Paste one event as JSON, such as one line of an exported log.")
    if len(text) > LARGEST_EVENT:
        raise InvalidInputError(msg("The event has more than 1 MB."), hint=hint)
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInputError(_say_fault(error), hint=hint) from None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping) or not value:
        raise InvalidInputError(msg("One JSON object with fields is expected."), hint=hint)
    return shape_value(value, Shaping(recognise=own_routing().recognise), "", 1)
