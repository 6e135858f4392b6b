"""What Envoy is told: it fits Envoy's own types, and no part of it opens what is not planned."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sekisho.access.model import Door, Resource, ResourceID, ResourceKind, Trust, Upstream
from sekisho.kernel.settings import Address
from sekisho.server.gate import shapes, xds
from sekisho.server.gate.bootstrap import make_bootstrap
from sekisho.server.gate.plan import Limits, Plan, Secrets

APP = Resource(
    ResourceID("res_app"), "wiki", "社内Wiki", "Wiki", ResourceKind.HTTP, "Wiki.example.jp",
    (Upstream("10.0.0.5", 8080),),
)  # fmt: skip
SHELL = replace(
    APP, id=ResourceID("res_ssh"), key="ssh", kind=ResourceKind.TCP, public_host="ssh.example.jp",
    upstreams=(Upstream("10.0.0.6", 22),),
)  # fmt: skip
OPEN = replace(
    APP, id=ResourceID("res_web"), key="web", public_host="web.example.jp",
    least_trust=Trust.BROWSER,
)  # fmt: skip


def _plan(**changes: Any) -> Plan:
    plan = Plan(
        doors={Door.DEVICE: Address("127.0.0.1", 9443), Door.BROWSER: Address("127.0.0.1", 9444)},
        resources=[APP, SHELL, OPEN],
        secrets=Secrets("chain", "key", "authority"),
        jwks=json.dumps({"keys": []}),
    )
    return replace(plan, **changes)


def _hosts(plan: Plan, door: Door) -> dict[str, Any]:
    routes = next(each for each in shapes.make_routes(plan) if each["name"] == door.value)
    return {host["name"]: host for host in routes["virtual_hosts"]}


def test_every_shape_is_of_envoys_own_type() -> None:
    for kind, made in shapes.make_shapes(_plan()).items():
        assert len(xds.pack(kind, made)) == len(made)


def test_a_resource_is_behind_its_own_door_alone() -> None:
    assert set(_hosts(_plan(), Door.DEVICE)) == {"res_app", "res_ssh", "elsewhere"}
    assert set(_hosts(_plan(), Door.BROWSER)) == {"res_web", "elsewhere"}


def test_an_unknown_host_is_misdirected() -> None:
    for door in Door:
        elsewhere = _hosts(_plan(), door)["elsewhere"]
        assert elsewhere["domains"] == ["*"]
        assert elsewhere["routes"][0]["direct_response"]["status"] == 421


def test_a_tunnel_leads_to_the_planned_ports_alone() -> None:
    tunnel = _hosts(_plan(), Door.DEVICE)["res_ssh"]
    assert tunnel["domains"] == ["ssh.example.jp:22"]
    assert [list(each["match"]) for each in tunnel["routes"]] == [["connect_matcher"]]
    several = replace(SHELL, ports=(22, 2222))
    tunnel = _hosts(_plan(resources=[several]), Door.DEVICE)["res_ssh"]
    assert tunnel["domains"] == ["ssh.example.jp:22", "ssh.example.jp:2222"]


def test_the_gates_own_paths_never_reach_an_app() -> None:
    own, app = _hosts(_plan(), Door.DEVICE)["res_app"]["routes"]
    assert own["match"] == {"prefix": "/.sekisho/"}
    assert "route" not in own
    assert app["route"]["cluster"] == "res_app"


def test_a_denied_session_is_named_at_its_resource_alone() -> None:
    plan = _plan(denied={"res_app": ["acs_1"]})
    known = _known(_hosts(plan, Door.DEVICE)["res_app"])
    assert known == {"resource": "res_app", "acs_1": True}
    assert _known(_hosts(plan, Door.BROWSER)["res_web"]) == {"resource": "res_web"}


def _known(host: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = host["routes"][1]["metadata"]["filter_metadata"][
        "envoy.filters.http.lua"
    ]
    return found


@pytest.mark.parametrize("door", list(Door))
def test_all_that_is_not_found_good_is_asked_about(door: Door) -> None:
    manager = _manager(door, _plan())
    chains = [manager["http_filters"], *(u["filters"] for u in manager["upgrade_configs"])]
    for chain in chains:
        names = [each["name"] for each in chain]
        ask = chain[names.index("envoy.filters.http.ext_authz")]["typed_config"]
        assert ask["filter_enabled_metadata"]["invert"] is True
        assert ask["failure_mode_allow"] is False
        assert names[-1] == "envoy.filters.http.router"
    held = [[each["name"] for each in u["filters"]] for u in manager["upgrade_configs"]]
    assert all("envoy.filters.http.ext_proc" in names for names in held)


def test_browsers_without_a_certificate_open_no_tunnel() -> None:
    kinds = [u["upgrade_type"] for u in _manager(Door.BROWSER, _plan())["upgrade_configs"]]
    assert kinds == ["websocket"]


def _manager(door: Door, plan: Plan) -> dict[str, Any]:
    listeners = shapes.make_shapes(plan)[shapes.LISTENER]
    listener = next(each for each in listeners if each["name"] == door.value)
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def test_a_tls_upstream_is_verified_by_its_name() -> None:
    safe = replace(APP, upstreams=(Upstream("10.0.0.5", 443, tls=True, tls_name="app.internal"),))
    names = [{"san_type": "DNS", "matcher": {"exact": "app.internal"}}]
    for ca, trusted in (("", {"filename": "/ca.pem"}), ("PEM", {"inline_string": "PEM"})):
        plan = _plan(resources=[replace(safe, ca_pem=ca)], authorities="/ca.pem")
        cluster = shapes.make_shapes(plan)[shapes.CLUSTER][0]
        context = cluster["transport_socket"]["typed_config"]["common_tls_context"]
        assert context["validation_context"] == {
            "trusted_ca": trusted, "match_typed_subject_alt_names": names,
        }  # fmt: skip


def test_an_app_that_nobody_vouches_for_is_not_reached() -> None:
    safe = replace(APP, upstreams=(Upstream("10.0.0.5", 443, tls=True),))
    cluster = shapes.make_shapes(_plan(resources=[safe]))[shapes.CLUSTER][0]
    assert cluster["load_assignment"]["endpoints"] == [{"lb_endpoints": []}]


def test_a_desktop_leads_to_our_own_page_and_its_socket_to_the_relay() -> None:
    desk = replace(OPEN, id=ResourceID("res_desk"), kind=ResourceKind.RDP)
    made = shapes.make_shapes(_plan(resources=[desk], denied={"res_desk": ["acs_9"]}))
    assert {cluster["name"] for cluster in made[shapes.CLUSTER]} == {"desktop", "desktop-relay"}
    host = _hosts(_plan(resources=[desk], denied={"res_desk": ["acs_9"]}), Door.BROWSER)["res_desk"]
    own, socket, page = host["routes"]
    assert own["match"] == {"prefix": "/.sekisho/"}
    assert (socket["match"], page["match"]) == ({"prefix": "/socket"}, {"prefix": "/"})
    assert (socket["route"]["cluster"], page["route"]["cluster"]) == ("desktop-relay", "desktop")
    for route in (socket, page):
        (told,) = route["request_headers_to_add"]
        assert told["header"] == {"key": "x-sekisho-resource", "value": "res_desk"}
        assert told["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"
    script = "envoy.filters.http.lua"
    known = {"resource": "res_desk", "acs_9": True}
    assert page["metadata"]["filter_metadata"][script] == known
    assert socket["metadata"]["filter_metadata"][script] == {**known, "desktop": "res_desk"}


def test_one_resource_may_have_every_tunnel_there_is() -> None:
    for cluster in shapes.make_shapes(_plan())[shapes.CLUSTER]:
        (limit,) = cluster["circuit_breakers"]["thresholds"]
        assert set(limit.values()) == {Limits().connections}


def test_a_decision_process_that_hangs_is_noticed() -> None:
    """Tried by hand with SIGSTOP: tunnels end after 14 s, nothing new opens, all comes back."""
    (cluster,) = make_bootstrap(Limits())["static_resources"]["clusters"]
    (options,) = cluster["typed_extension_protocol_options"].values()
    kept = options["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"]
    assert kept == {"interval": "5s", "timeout": "10s"}
