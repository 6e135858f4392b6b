"""What a device is configured with: deterministic JSON, the same bytes until something changes.

osquery hashes the text and applies it again only if it changed, so keys are sorted and there is
no time in it. There is never a key ``error`` at the top: a client would take it for a failure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from sekisho.devices.model import Ownership, Platform
from sekisho.devices.offers import Plan
from sekisho.devices.protocol import DETAIL_PREFIX, PACK

DISTRIBUTED_SECONDS = 60
LOGGER_SECONDS = 10
FALLBACK_FACTOR = 6  # snapshots run this much rarer than questions: they only bridge outages
_LONGEST_INTERVAL = 604_800  # osquery's own limit of a schedule
_encode = msgspec.json.Encoder(order="sorted").encode

DECORATORS: Mapping[Ownership, list[str]] = {
    Ownership.COMPANY: [
        "SELECT uuid AS host_uuid, instance_id FROM osquery_info",
        "SELECT hardware_serial FROM system_info",
    ],
    Ownership.PRIVATE: ["SELECT instance_id FROM osquery_info"],
}


def write_config(
    ownership: Ownership,
    platform: Platform,
    plan: Plan | None,
    manifest: Mapping[str, str] | None,
    distributed_seconds: int = DISTRIBUTED_SECONDS,
) -> bytes:
    """Write the config of one kind of device; without a plan it asks for nothing at all.

    ``manifest`` is the signed list of what may be read (our agent takes it, osqueryd ignores it).
    """
    config: dict[str, Any] = {
        "node_invalid": False,
        "options": {
            "distributed_interval": distributed_seconds,
            "logger_tls_period": LOGGER_SECONDS,
            "logger_snapshot_event_type": False,
            "pack_delimiter": "/",
            "schedule_splay_percent": 0,  # a check and its precondition run at the same tick
        },
        "decorators": {"load": DECORATORS[ownership]},
        "schedule": {},
        "packs": {} if plan is None else {PACK: _pack(platform, plan)},
    }
    if manifest is not None:
        config["sekisho_manifest"] = dict(manifest)
    return _encode(config)


def _pack(platform: Platform, plan: Plan) -> dict[str, Any]:
    queries = {
        name: {
            "query": sql,
            "interval": min(_LONGEST_INTERVAL, interval * FALLBACK_FACTOR),
            "snapshot": True,
            "removed": False,
        }
        for name, sql, interval in zip(plan.names, plan.sql, plan.intervals, strict=True)
        if not name.startswith(DETAIL_PREFIX)
    }
    return {"platform": platform.value, "queries": queries}
