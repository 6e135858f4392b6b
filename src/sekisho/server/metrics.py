"""Figures for Prometheus and a health answer for whoever starts and stops this process."""

import functools
import time

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import text

from sekisho import __version__
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.installation import get_fact
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.gate.figures import read_figures

registry = CollectorRegistry()
REQUESTS = Counter("sekisho_requests", "Requests answered.", ["route", "status"], registry=registry)
SECONDS = Histogram(
    "sekisho_request_seconds",
    "Time from a request's arrival to its answer.",
    ["route"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
    registry=registry,
)
UNSEALED = Gauge("sekisho_evidence_unsealed", "Records not yet in the chain.", registry=registry)
SEALED = Gauge("sekisho_evidence_sealed", "Records in the chain.", registry=registry)
FINDINGS = Gauge("sekisho_findings_open", "Open findings.", registry=registry)
WORKER = Gauge(
    "sekisho_worker_age_seconds", "Time since the worker's last turn.", registry=registry
)
GATE_REQUESTS = Gauge(
    "sekisho_gate_requests", "Requests at the gate since Envoy's start.", registry=registry
)
GATE_ASKED = Gauge(
    "sekisho_gate_asked",
    "Streams from Envoy to the decision process since its start; a good cookie causes none.",
    registry=registry,
)
GATE_OPEN = Gauge(
    "sekisho_gate_open", "Tunnels and WebSockets open at the gate now.", registry=registry
)

# The worker turns every second; after this long without a turn something is wrong with it.
WORKER_LATE_SECONDS = 30


class Health(msgspec.Struct):
    """Whether this installation works: ``ok`` or ``degraded``, and why not."""

    status: str
    version: str
    database: str
    worker: str


@get("/healthz", sync_to_thread=True, opt={"anonymous": True}, tags=["operation"])
def healthz(database: NamedDependency[Database], clock: NamedDependency[Clock]) -> Response[Health]:
    """Say whether the database answers and the worker turns; 503 when the database does not."""
    try:
        with database.read(SYSTEM) as tx:
            tx.scalar(text("SELECT 1"))
            turned = get_fact(tx, "worker.turned_at")
    except SekishoError as error:
        health = Health("degraded", __version__, str(error.message), "unknown")
        return Response(health, status_code=503)
    late = turned is None or clock.now().timestamp() - float(turned) > WORKER_LATE_SECONDS
    health = Health("degraded" if late else "ok", __version__, "ok", "late" if late else "ok")
    return Response(health, status_code=200)


@get(
    "/metrics",
    sync_to_thread=True,
    media_type=MediaType.TEXT,
    opt={"listener": "admin", "anonymous": True},
    tags=["operation"],
)
def metrics(
    database: NamedDependency[Database], clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
) -> bytes:  # fmt: skip
    """Give all figures in Prometheus' text form (admin listener only)."""
    with database.read(SYSTEM) as tx:
        state = evidence.get_state(tx)
        SEALED.set(state.sealed)
        UNSEALED.set(state.unsealed)
        FINDINGS.set(findings.count_open(tx))
        WORKER.set(clock.now().timestamp() - float(get_fact(tx, "worker.turned_at", 0.0)))
    gate = read_figures(settings.data / "gate")
    if gate is not None:
        GATE_REQUESTS.set(gate.requests)
        GATE_ASKED.set(gate.asked)
        GATE_OPEN.set(gate.upgraded)
    return generate_latest(registry)


def observe(route: str, status: int, started: float) -> None:
    """Count one answered request; ``started`` is a reading of ``time.perf_counter``."""
    requests, seconds = _figures_of(route, status)
    requests.inc()
    seconds.observe(time.perf_counter() - started)


@functools.lru_cache(maxsize=4096)
def _figures_of(route: str, status: int) -> tuple[Counter, Histogram]:
    """Find the figures of a route once: the look costs more than the count."""
    return REQUESTS.labels(route, str(status)), SECONDS.labels(route)


HANDLERS: list[ControllerRouterHandler] = [healthz, metrics]
