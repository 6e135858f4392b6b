"""Makes Envoy's resources from a plan: pure, as plain dictionaries in protobuf's JSON form.

Source: Envoy 1.40's API reference; docs/adr/0011 says why each filter stands where it does.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from importlib.resources import files

from sekisho.access.model import DESKTOPS, Door, Resource, Upstream
from sekisho.server.gate.apologies import make_local_replies
from sekisho.server.gate.cookies import LIFE_SECONDS
from sekisho.server.gate.plan import (
    CLAIM_HEADERS,
    CLAIMED_HEADERS,
    COOKIES,
    DESKTOP_SOCKET,
    IDENTITY_PREFIX,
    ISSUER,
    RELAY_SOCKET,
    SAMPLE_HOST,
    Limits,
    Plan,
)
from sekisho.server.gate.routes import DESKTOP_CLUSTER, LUA, RELAY_CLUSTER, Shape, routes_of

_TYPES = "type.googleapis.com/envoy."
_HTTP = _TYPES + "extensions.filters.http."
LISTENER = _TYPES + "config.listener.v3.Listener"
CLUSTER = _TYPES + "config.cluster.v3.Cluster"
ROUTES = _TYPES + "config.route.v3.RouteConfiguration"
SECRET = _TYPES + "extensions.transport_sockets.tls.v3.Secret"
ORDER = (CLUSTER, SECRET, LISTENER, ROUTES)
"""In this order changes are sent, so that nothing names what is not there yet."""

DECISION_CLUSTER = "decision"
_ADS = {"ads": {}, "resource_api_version": "V3"}


def make_shapes(plan: Plan) -> Mapping[str, list[Shape]]:
    """Return all resources of Envoy, by type."""
    return {
        CLUSTER: [
            *(_cluster(r, plan) for r in plan.resources if r.kind not in DESKTOPS),
            _own(DESKTOP_CLUSTER, DESKTOP_SOCKET, plan.limits),
            _own(RELAY_CLUSTER, RELAY_SOCKET, plan.limits),
        ],
        SECRET: _secrets(plan),
        LISTENER: [_listener(door, plan) for door in plan.doors],
        ROUTES: make_routes(plan),
    }


def make_routes(plan: Plan) -> list[Shape]:
    """Return the routes alone: what a change of the deny list needs."""
    return [routes_of(door, plan) for door in plan.doors]


# ── listeners ────────────────────────────────────────────────────────────────────────────────────


def _listener(door: Door, plan: Plan) -> Shape:
    address = plan.doors[door]
    return {
        "name": door.value,
        "address": {"socket_address": {"address": address.host, "port_value": address.port}},
        "per_connection_buffer_limit_bytes": 256 * 1024,
        "listener_filters": [
            _extension("envoy.filters.listener.tls_inspector",
                       _TYPES + "extensions.filters.listener.tls_inspector.v3.TlsInspector")
        ],
        "listener_filters_timeout": f"{plan.limits.handshake_seconds}s",
        "filter_chains": [
            {
                "name": door.value + plan.generation,
                "filters": [_connection_manager(door, plan)],
                "transport_socket": _tls(door),
                "transport_socket_connect_timeout": f"{plan.limits.handshake_seconds}s",
            }
        ],
    }  # fmt: skip


def _tls(door: Door) -> Shape:
    """Ask for a device's certificate at its door; one that does not fit ends the handshake.

    None at all is let through the handshake so that the person gets a page that says what is
    missing; nothing behind it opens without one.
    """
    common: Shape = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": "server", "sds_config": _ADS}],
    }
    if door is Door.DEVICE:
        common["validation_context_sds_secret_config"] = {"name": "devices", "sds_config": _ADS}
    return _extension(
        "envoy.transport_sockets.tls",
        _TYPES + "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
        require_client_certificate=False,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )


def _connection_manager(door: Door, plan: Plan) -> Shape:
    limits = plan.limits
    ordinary, held = _filters(door, plan), [*_filters(door, plan), _router()]
    held.insert(-1, _hold(plan.keep_tunnels))
    return _extension(
        "envoy.filters.network.http_connection_manager",
        _TYPES + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=door.value,
        codec_type="AUTO",
        local_reply_config=make_local_replies(),
        rds={"route_config_name": door.value, "config_source": _ADS},
        http_filters=[*ordinary, _hold_long(limits), _router()],
        upgrade_configs=[
            {"upgrade_type": "websocket", "enabled": True, "filters": held},
            *([{"upgrade_type": "CONNECT", "enabled": True, "filters": held}]
              if door is Door.DEVICE else []),
        ],
        early_header_mutation_extensions=[_strip_identity()],
        # What two parts of a system could read differently is refused or made one.
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        strip_trailing_host_dot=True,
        use_remote_address=True,
        forward_client_cert_details="SANITIZE",
        server_header_transformation="PASS_THROUGH",
        generate_request_id=False,
        common_http_protocol_options={
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": limits.headers,
            "idle_timeout": f"{limits.unused_seconds}s",
        },
        http2_protocol_options={
            "max_concurrent_streams": 128,
            "allow_connect": True,
            "initial_stream_window_size": 1 << 20,
            "initial_connection_window_size": 4 << 20,
        },
        max_request_headers_kb=limits.header_kib,
        request_headers_timeout=f"{limits.header_seconds}s",
        request_timeout=f"{limits.body_seconds}s",
        stream_idle_timeout=f"{limits.idle_seconds}s",
        delayed_close_timeout=f"{limits.close_milliseconds / 1000}s",
    )  # fmt: skip


def _strip_identity() -> Shape:
    """Take off whatever a client says in headers that only the gate, or a proxy, may set."""
    return _extension(
        "envoy.http.early_header_mutation.header_mutation",
        _TYPES + "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove_on_match": {"key_matcher": {"prefix": IDENTITY_PREFIX, "ignore_case": True}}},
            *({"remove": name} for name in CLAIMED_HEADERS),
        ],
    )


# ── filters ──────────────────────────────────────────────────────────────────────────────────────


def _filters(door: Door, plan: Plan) -> list[Shape]:
    """Check the cookie, bind it to the connection, and ask the decision process otherwise."""
    return [_jwt(door, plan.jwks), _door_script(door), _ask()]


def _jwt(door: Door, jwks: str) -> Shape:
    provider = {
        "issuer": ISSUER,
        "from_cookies": [COOKIES[door]],
        "forward": True,  # the script takes the cookie off, together with all others of ours
        "claim_to_headers": [
            {"header_name": IDENTITY_PREFIX + header, "claim_name": claim}
            for header, claim in CLAIM_HEADERS.items()
        ],
        "clock_skew_seconds": 1,  # 0 would mean the default of 60
        "require_expiration": True,
        # A cookie that lasts longer was made while our clock was wrong: it is decided anew.
        "max_lifetime": f"{LIFE_SECONDS}s",
        "jwt_cache_config": {"jwt_cache_size": 20_000},
        "local_jwks": {"inline_string": jwks},
    }
    # A cookie that is missing, forged or too old is no answer yet: the decision process is asked.
    leniently = {"requires_any": {"requirements": [
        {"provider_name": "gate"}, {"allow_missing_or_failed": {}}]}}  # fmt: skip
    return _extension(
        "envoy.filters.http.jwt_authn",
        _HTTP + "jwt_authn.v3.JwtAuthentication",
        providers={"gate": provider},
        rules=[{"match": {"prefix": "/"}, "requires": leniently}],
    )


def _door_script(door: Door) -> Shape:
    head = f'local DOOR = "{door.value}"\nlocal COOKIE = "{COOKIES[door]}"\n'
    script = files("sekisho.server.gate").joinpath("door.lua").read_text(encoding="utf-8")
    return _extension(
        LUA, _HTTP + "lua.v3.Lua", default_source_code={"inline_string": head + script}
    )


def _ask() -> Shape:
    """Ask the decision process about everything that the script did not find good."""
    found_good = {
        "filter": "sekisho",
        "path": [{"key": "session"}],
        "value": {"present_match": True},
        "invert": True,
    }
    return _extension(
        "envoy.filters.http.ext_authz",
        _HTTP + "ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        grpc_service={"envoy_grpc": {"cluster_name": DECISION_CLUSTER}, "timeout": "5s"},
        filter_enabled_metadata=found_good,
        failure_mode_allow=False,
        include_peer_certificate=True,
        include_tls_session=True,
        metadata_context_namespaces=["sekisho"],
        status_on_error={"code": "ServiceUnavailable"},
    )


def _hold(keep: bool) -> Shape:
    """Hold one stream to the decision process for as long as the session lives; it can cut it."""
    return _extension(
        "envoy.filters.http.ext_proc",
        _HTTP + "ext_proc.v3.ExternalProcessor",
        grpc_service={"envoy_grpc": {"cluster_name": DECISION_CLUSTER}},
        failure_mode_allow=keep,
        message_timeout="5s",
        processing_mode={
            "request_header_mode": "SEND", "response_header_mode": "SKIP",
            "request_body_mode": "NONE", "response_body_mode": "NONE",
            "request_trailer_mode": "SKIP", "response_trailer_mode": "SEND",
        },
        metadata_options={"forwarding_namespaces": {
            "untyped": ["sekisho", "envoy.filters.http.ext_authz"]}},
    )  # fmt: skip


def _router() -> Shape:
    return _extension(
        "envoy.filters.http.router", _HTTP + "router.v3.Router", suppress_envoy_headers=True
    )


# ── clusters and secrets ─────────────────────────────────────────────────────────────────────────


def _own(name: str, socket: str, limits: Limits) -> Shape:
    """Return a cluster of our own at a Unix socket."""
    end = {"endpoint": {"address": {"pipe": {"path": socket}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": _as_many_as_come(limits),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [end]}]},
    }


def _cluster(resource: Resource, plan: Plan) -> Shape:
    limits, trusted = plan.limits, _trusted(resource, plan.authorities)
    by_tls = bool(resource.upstreams) and resource.upstreams[0].tls
    reachable = trusted or not by_tls  # whom nobody vouches for is not reached
    ends = [_endpoint(each) for each in resource.upstreams] if reachable else []
    named = any(not is_address(each.host) for each in resource.upstreams
                if each.host != SAMPLE_HOST)  # fmt: skip
    shape: Shape = {
        "name": resource.id,
        "type": "STRICT_DNS" if named else "STATIC",
        "connect_timeout": f"{limits.upstream_seconds}s",
        "circuit_breakers": _as_many_as_come(limits),
        "load_assignment": {"cluster_name": resource.id, "endpoints": [{"lb_endpoints": ends}]},
    }
    if by_tls and trusted:
        shape["transport_socket"] = _upstream_tls(resource.upstreams[0], trusted)
    return shape


def _trusted(resource: Resource, authorities: str) -> Shape:
    """Return who may vouch for an app: its own authority, or the machine's; {} if nobody."""
    if resource.ca_pem:
        return {"trusted_ca": {"inline_string": resource.ca_pem}}
    return {"trusted_ca": {"filename": authorities}} if authorities else {}


def _as_many_as_come(limits: Limits) -> Shape:
    """Let one resource have every connection there may be; by itself Envoy stops at 1,024."""
    most = limits.connections
    return {"thresholds": [
        {"max_connections": most, "max_pending_requests": most, "max_requests": most}]}  # fmt: skip


def is_address(host: str) -> bool:
    """Tell whether a host is written as a number."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(upstream: Upstream) -> Shape:
    if upstream.host == SAMPLE_HOST:
        address: Shape = {"pipe": {"path": "sample.sock"}}
    else:
        address = {"socket_address": {"address": upstream.host, "port_value": upstream.port}}
    return {"endpoint": {"address": address}}


def _upstream_tls(upstream: Upstream, trusted: Shape) -> Shape:
    name = upstream.tls_name or upstream.host
    kind = "IP_ADDRESS" if is_address(name) else "DNS"
    names = [{"san_type": kind, "matcher": {"exact": name}}]
    return _extension(
        "envoy.transport_sockets.tls",
        _TYPES + "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={
            "validation_context": {**trusted, "match_typed_subject_alt_names": names}
        },
        **({} if is_address(name) else {"sni": name}),
    )


def _secrets(plan: Plan) -> list[Shape]:
    # No condition on names here: Envoy would then refuse to shake hands without a certificate.
    # The script and the decision process take nothing but a device's name from one.
    devices = {"trusted_ca": {"inline_string": plan.secrets.device_authority}}
    server = {
        "certificate_chain": {"inline_string": plan.secrets.chain},
        "private_key": {"inline_string": plan.secrets.key},
    }
    return [
        {"name": "server", "tls_certificate": server},
        {"name": "devices", "validation_context": devices},
    ]


def _extension(name: str, kind: str, /, **settings: object) -> Shape:
    return {"name": name, "typed_config": {"@type": kind, **settings}}


def _hold_long(limits: Limits) -> Shape:
    """Hold long answers (server-sent events, downloads) like tunnels, once their head is there."""
    keep = _hold(keep=False)
    keep["typed_config"]["processing_mode"] |= {
        "request_header_mode": "SKIP", "response_header_mode": "SEND",
    }  # fmt: skip
    return _extension(
        "sekisho.hold_long",
        _TYPES + "extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=_extension("composite", _HTTP + "composite.v3.Composite"),
        xds_matcher={"matcher_list": {"matchers": [
            {"predicate": {"or_matcher": {"predicate": _long_answers(limits)}},
             "on_match": {"action": _extension(
                 "hold", _HTTP + "composite.v3.ExecuteFilterAction", typed_config=keep)}}]}},
    )  # fmt: skip


def _long_answers(limits: Limits) -> Sequence[Shape]:
    digits = len(str(limits.long_bytes))
    return [
        _header_is("content-type", {"prefix": "text/event-stream"}),
        _header_is(
            "content-length", {"safe_regex": {"google_re2": {}, "regex": f"[0-9]{{{digits},}}"}}
        ),
    ]


def _header_is(name: str, value: Shape) -> Shape:
    kind = _TYPES + "type.matcher.v3.HttpResponseHeaderMatchInput"
    read = _extension("read", kind, header_name=name)
    return {"single_predicate": {"input": read, "value_match": value}}
