"""The program's own map of log sources, read from its content."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from sekisho.detection.engine.routing import RoutingTable, Telltale
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    Atom,
    Derivation,
    Derived,
    Glob,
    LogSource,
    Node,
    Route,
)

_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@lru_cache(maxsize=1)
def own_routing() -> RoutingTable:
    """Return the table that came with the program."""
    text = files("sekisho").joinpath("content/detection/logsources.yaml").read_text("utf-8")
    return read_table(yaml.load(text, Loader=_Loader))  # noqa: S506 - CSafeLoader is safe


def read_table(raw: dict[str, Any]) -> RoutingTable:
    """Make a table of the file's content; raises KeyError or ValueError where it is wrong."""
    products: dict[str, Any] = raw["products"]
    return RoutingTable(
        services={
            product: {name: tuple(channels) for name, channels in said["services"].items()}
            for product, said in products.items()
        },
        categories={
            product: {
                name: tuple(_route(route, product) for route in routes)
                for name, routes in said["categories"].items()
            }
            for product, said in products.items()
        },
        unlogged={product: dict(said["unlogged"]) for product, said in products.items()},
        telltales=tuple(map(_telltale, raw["telltales"])),
    )


def _route(raw: dict[str, Any], product: str) -> Route:
    told = LogSource(product=product, service=raw["service"]) if "service" in raw else None
    return Route(
        channel=None if told else raw["channel"],
        event_ids=None if told else frozenset(raw["ids"]),
        source=told,
        fields={
            name: Derived(tuple(sources), Derivation(how))
            for name, (how, *sources) in raw.get("fields", {}).items()
        },
        also=_also(raw["also"]) if "also" in raw else None,
    )


def _also(raw: dict[str, list[str]]) -> Node:
    asked = tuple(
        AnyOf(tuple(Atom(field, Glob((value,))) for value in values))
        for field, values in raw.items()
    )
    return asked[0] if len(asked) == 1 else AllOf(asked)


def _telltale(raw: dict[str, Any]) -> Telltale:
    source = LogSource(raw.get("category"), raw.get("product"), raw.get("service"))
    return Telltale(source, dict(raw["fields"]))
