"""Writes what Envoy is started with: who it is, and where the decision process listens.

All else comes by xDS. Sockets lie in ``DATA/gate`` (0700) and are named relative to it, because a
Unix socket's path has 107 characters at most; Envoy and the decision process both work there.
"""

import json
from pathlib import Path
from typing import Any

from sekisho.access.model import Door
from sekisho.server.gate.plan import Limits
from sekisho.server.gate.shapes import DECISION_CLUSTER

DECISION_SOCKET = "decision.sock"
ADMIN_SOCKET = "envoy.sock"
BOOTSTRAP = "envoy.json"
# Until Envoy has come back to a restarted decision process nobody can call a cookie back; by itself
# it would wait up to 30 seconds.
_COME_BACK_SOON = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "0.5s"}}
# One that hangs looks alive: what it holds open would live on although nobody could cut it.
_STILL_THERE = {"interval": "5s", "timeout": "10s"}
_H2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MONITORS = "envoy.extensions.resource_monitors.downstream_connections.v3"


def gate_folder(data: Path) -> Path:
    """Return the folder of the gate's sockets and files; make it for our eyes only."""
    folder = data / "gate"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_bootstrap(folder: Path, limits: Limits) -> Path:
    """Write Envoy's bootstrap file and return its path."""
    path = folder / BOOTSTRAP
    path.write_text(json.dumps(make_bootstrap(limits), indent=1), encoding="utf-8")
    return path


def make_bootstrap(limits: Limits) -> dict[str, Any]:
    """Return Envoy's bootstrap."""
    return {
        "node": {"id": "gate", "cluster": "sekisho"},
        "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {
                    "cluster_name": DECISION_CLUSTER, "retry_policy": _COME_BACK_SOON}}],
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {"clusters": [_decision_cluster()]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {
            "re2.max_program_size.error_level": 1000, **_shares(limits)}}]},
        "overload_manager": {"resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": f"type.googleapis.com/{_MONITORS}.DownstreamConnectionsConfig",
                "max_active_downstream_connections": limits.connections,
            }}]},
    }  # fmt: skip


def _shares(limits: Limits) -> dict[str, int]:
    """Leave either door a quarter of the connections: whoever idles at one shuts not the other."""
    most = limits.connections * 3 // 4
    return {f"envoy.resource_limits.listener.{door.value}.connection_limit": most for door in Door}


def _decision_cluster() -> dict[str, Any]:
    options = {
        "@type": f"type.googleapis.com/{_H2}",
        "explicit_http_config": {
            "http2_protocol_options": {
                "max_concurrent_streams": 100_000,
                "connection_keepalive": _STILL_THERE,
            }
        },
    }
    end = {"endpoint": {"address": {"pipe": {"path": DECISION_SOCKET}}}}
    return {
        "name": DECISION_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {_H2: options},
        "circuit_breakers": {"thresholds": [{
            "max_requests": 100_000, "max_pending_requests": 100_000, "max_connections": 64}]},
        "load_assignment": {"cluster_name": DECISION_CLUSTER,
                            "endpoints": [{"lb_endpoints": [end]}]},
    }  # fmt: skip
