"""Tells Envoy its configuration (ADS, state of the world) and listens for what it refuses.

Source: Envoy's "xDS REST and gRPC protocol", section "The aggregated discovery service". A refused
update leaves the last good one in force in Envoy; here it becomes an alarm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2, json_format

from sekisho.server.gate import messages  # noqa: F401 - registers the types that shapes name
from sekisho.server.gate.line import Call
from sekisho.server.gate.routes import Shape
from sekisho.server.gate.shapes import ORDER

log = structlog.get_logger()

ADS_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
Refused = Callable[[str, str], None]
"""Called with the type and Envoy's reason when an update was refused; ("", "") when all is well."""


def pack(kind: str, shapes: Sequence[Shape]) -> list[any_pb2.Any]:
    """Turn resources of one type into protobuf; raises json_format.ParseError for a mistake."""
    return [json_format.ParseDict({"@type": kind, **shape}, any_pb2.Any()) for shape in shapes]


@dataclass(slots=True)
class Sent:
    """What of a type was sent last on a stream."""

    version: int = 0
    nonce: str = ""


@dataclass(slots=True)
class Board:
    """The present configuration; ``readers`` are called after each publication."""

    refused: Refused
    versions: dict[str, int] = field(default_factory=dict)
    resources: dict[str, list[any_pb2.Any]] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    _packed: dict[str, bytes] = field(default_factory=dict)
    readers: set[Callable[[], None]] = field(default_factory=set)

    def publish(self, shapes: Mapping[str, Sequence[Shape]]) -> None:
        """Take up new resources; only types that really changed are sent."""
        for kind, wanted in shapes.items():
            packed = pack(kind, wanted)
            whole = b"\0".join(each.SerializeToString(deterministic=True) for each in packed)
            if self._packed.get(kind) != whole:
                self._packed[kind], self.resources[kind] = whole, packed
                self.versions[kind] = self.versions.get(kind, 0) + 1
        for read in list(self.readers):
            read()

    def answer(self, kind: str, nonce: str) -> discovery_pb2.DiscoveryResponse:
        """Make the response that holds all resources of a type."""
        return discovery_pb2.DiscoveryResponse(
            version_info=str(self.versions[kind]), type_url=kind, nonce=nonce,
            resources=self.resources[kind],
        )  # fmt: skip


class Subscription:
    """One stream of ADS: hears what Envoy subscribes to, and sends it whenever it changes."""

    def __init__(self, board: Board, call: Call) -> None:
        self._board = board
        self._call = call
        self._sent: dict[str, Sent] = {}
        self._number = 0
        board.readers.add(self.send_due)

    def take(self, message: bytes) -> None:
        """Take a subscription, an acceptance or a refusal."""
        self._hear(discovery_pb2.DiscoveryRequest.FromString(message))
        self.send_due()

    def over(self) -> None:
        """Send nothing more."""
        self._board.readers.discard(self.send_due)
        self._call.finish()

    def send_due(self) -> None:
        """Send what was subscribed to and has changed."""
        for kind in self._due():
            self._number += 1
            self._sent[kind] = Sent(self._board.versions[kind], str(self._number))
            self._call.send(self._board.answer(kind, str(self._number)).SerializeToString())

    def _due(self) -> list[str]:
        versions, sent = self._board.versions, self._sent
        return [k for k in ORDER if k in sent and k in versions and sent[k].version < versions[k]]

    def _hear(self, request: Any) -> None:
        kind = request.type_url
        known = self._sent.setdefault(kind, Sent())
        if not request.response_nonce or request.response_nonce != known.nonce:
            return
        if request.error_detail.message:
            log.error("Envoy refused its configuration", kind=kind.rpartition(".")[2],
                      why=request.error_detail.message)  # fmt: skip
            self._board.refused(kind, request.error_detail.message)
            return
        self._board.accepted[kind] = known.version
        if all(self._board.accepted.get(k) == v for k, v in self._board.versions.items()):
            self._board.refused("", "")
