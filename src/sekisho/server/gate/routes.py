"""Makes Envoy's routes from a plan: which host leads where, what the door's script is told.

Source: Envoy 1.40's API reference.
"""

from typing import Any

from sekisho.access.model import DESKTOPS, PAGES, Door, Resource, ResourceKind
from sekisho.server.gate.directory import door_of, ports_of
from sekisho.server.gate.plan import (
    INNER_HEADERS,
    OWN_PREFIX,
    RELAY_PATH,
    RESOURCE_HEADER,
    Limits,
    Plan,
)

Shape = dict[str, Any]
LUA = "envoy.filters.http.lua"
DESKTOP_CLUSTER = "desktop"
RELAY_CLUSTER = "desktop-relay"


def routes_of(door: Door, plan: Plan) -> Shape:
    """Return the routes of one door."""
    hosts = [_virtual_host(r, door, plan) for r in plan.resources if r.kind in PAGES
             and door_of(r) is door]  # fmt: skip
    tunnels = [_tunnel(r, plan) for r in plan.resources
               if r.kind is ResourceKind.TCP and door is Door.DEVICE]  # fmt: skip
    misdirected = {"status": 421, "body": {"inline_string": "421 Misdirected Request\n"}}
    # A tunnel to nowhere has a route of its own so that it is asked about, and written down.
    matches: list[Shape] = [{"prefix": "/"}, *([{"connect_matcher": {}}] if tunnels else [])]
    elsewhere = {
        "name": "elsewhere",
        "domains": ["*"],
        "routes": [{"match": each, "direct_response": misdirected} for each in matches],
    }
    return {
        "name": door.value,
        "virtual_hosts": [*hosts, *tunnels, elsewhere],
        "validate_clusters": False,
        "ignore_port_in_host_matching": False,
    }


def _virtual_host(resource: Resource, door: Door, plan: Plan) -> Shape:
    host = resource.public_host.lower()
    known: Shape = {"resource": resource.id}
    known |= dict.fromkeys(plan.denied.get(resource.id, ()), True)
    own = {
        "match": {"prefix": OWN_PREFIX},
        "direct_response": {"status": 404, "body": {"inline_string": "404\n"}},
    }
    return {
        "name": resource.id,
        "domains": [host, f"{host}:{plan.doors[door].port}"],
        "routes": [own, *_desktop_or_app(resource, known, plan.limits)],
    }


def _desktop_or_app(resource: Resource, known: Shape, limits: Limits) -> list[Shape]:
    if resource.kind not in DESKTOPS:
        return [_page("/", resource.id, known, limits)]
    # The WebSocket is a session of its own: the register's entry ends with it, like a tunnel's.
    held = _page(RELAY_PATH, RELAY_CLUSTER, {**known, "desktop": resource.id}, limits)
    pages = _page("/", DESKTOP_CLUSTER, known, limits)
    told = {"header": {"key": RESOURCE_HEADER, "value": resource.id},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}  # fmt: skip
    return [each | {"request_headers_to_add": [told]} for each in (held, pages)]


def _page(prefix: str, cluster: str, known: Shape, limits: Limits) -> Shape:
    return {
        "match": {"prefix": prefix},
        "metadata": {"filter_metadata": {LUA: known}},
        "request_headers_to_remove": list(INNER_HEADERS),
        "route": {"cluster": cluster, "timeout": "0s", "auto_host_rewrite": False,
                  "idle_timeout": f"{limits.idle_seconds}s"},
    }  # fmt: skip


def _tunnel(resource: Resource, plan: Plan) -> Shape:
    longest = {"max_stream_duration": f"{plan.limits.kept_seconds}s"}
    return {
        "name": resource.id,
        "domains": [f"{resource.public_host.lower()}:{port}" for port in ports_of(resource)],
        "routes": [
            {
                "match": {"connect_matcher": {}},
                "metadata": {"filter_metadata": {LUA: {"resource": resource.id}}},
                "route": {
                    "cluster": resource.id,
                    "timeout": "0s",
                    "idle_timeout": "0s",
                    **({"max_stream_duration": longest} if plan.keep_tunnels else {}),
                    "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
                },
            }
        ],
    }
