"""Which events a rule is held against: log sources to channels, event ids and field names.

The table is data (``content/detection/logsources.yaml``); this is how it is asked.
"""

from collections.abc import Mapping

import msgspec

from sekisho.detection.engine.values import MISSING, find
from sekisho.detection.model import Event, LogSource, Route
from sekisho.kernel.i18n import Text, msg

# The product whose every log is a channel with a name.
_CHANNELLED = "windows"


class Routed(msgspec.Struct, frozen=True):
    """Where a rule goes; ``reason`` says why no event log can ever hold its events."""

    routes: tuple[Route, ...]
    reason: Text | None = None


class Telltale(msgspec.Struct, frozen=True):
    """Fields that together give a log source away; a value of None only asks for the field."""

    source: LogSource
    fields: dict[str, str | None]


class RoutingTable(msgspec.Struct, frozen=True):
    """Channels of services and routes of categories by product, unlogged categories, telltales.

    ``unlogged`` are categories whose events no event log holds, with where they come from.
    """

    services: dict[str, dict[str, tuple[str, ...]]]
    categories: dict[str, dict[str, tuple[Route, ...]]]
    unlogged: dict[str, dict[str, str]]
    telltales: tuple[Telltale, ...] = ()

    def route(self, source: LogSource) -> Routed:
        """Return every route of a rule: those by channel, then the one by stated source."""
        found = [
            route
            for product in self._products(source)
            for route in self._by_channel(product, source)
        ]
        stated = Route(source=source)
        return Routed((*found, stated), None if found else self._reason(source))

    def _products(self, source: LogSource) -> tuple[str, ...]:
        if source.product is not None:
            return (source.product,)
        return tuple(self.categories) if source.category is not None else ()

    def _by_channel(self, product: str, source: LogSource) -> tuple[Route, ...]:
        by_category = self.categories.get(product, {}).get(source.category or "", ())
        if source.service is None:
            return by_category
        channels = self.services.get(product, {}).get(source.service, ())
        if not by_category:
            return tuple(Route(channel=channel) for channel in channels)
        return tuple(route for route in by_category if route.channel in channels)

    def _reason(self, source: LogSource) -> Text | None:
        origin = self.unlogged.get(source.product or "", {}).get(source.category or "")
        if origin is not None:
            return msg(
                "Events of the category “%(category)s” come from %(origin)s and stand in no "
                "event log; the rule runs only on files said to hold them.",
                category=source.category, origin=origin,
            )  # fmt: skip
        asked = source.service or source.category
        if source.product == _CHANNELLED and asked is not None:
            return msg(
                "No channel is known for “%(source)s”; the rule runs only on files said to be it.",
                source=asked,
            )
        return None

    def recognise(self, fields: Mapping[str, object]) -> LogSource | None:
        """Tell a log source by fields that only its events have; None when nothing is told."""
        for telltale in self.telltales:
            if all(_told(fields, name, value) for name, value in telltale.fields.items()):
                return telltale.source
        return None


def _told(fields: Mapping[str, object], name: str, value: str | None) -> bool:
    found = find(fields, name)
    return found is not MISSING and (value is None or found == value)


def fits(route: Route, event: Event) -> bool:
    """Say whether an event is of the kind that a route means."""
    if route.channel is not None:
        if event.channel is None or route.channel.casefold() != event.channel.casefold():
            return False
        return route.event_ids is None or event.event_id in route.event_ids
    if route.source is None:
        return True
    if event.channel is not None and (route.source.category or route.source.service):
        return False
    return suits(route.source, event.source)


def suits(asked: LogSource, stated: LogSource) -> bool:
    """Say whether a stated source contradicts nothing asked for, and says some of it."""
    pairs = [
        (getattr(asked, key), getattr(stated, key)) for key in ("category", "product", "service")
    ]
    both = [(want, got) for want, got in pairs if want is not None and got is not None]
    asks_nothing = all(want is None for want, _ in pairs)
    return asks_nothing or (bool(both) and all(want == got for want, got in both))
