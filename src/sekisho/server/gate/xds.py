"""Tells Envoy its configuration (ADS, state of the world) and listens for what it refuses.

Source: Envoy's "xDS REST and gRPC protocol", section "The aggregated discovery service". A refused
update leaves the last good one in force in Envoy; here it becomes an alarm.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2, json_format

from sekisho.server.gate import messages  # noqa: F401 - registers the types that shapes name
from sekisho.server.gate.routes import Shape
from sekisho.server.gate.shapes import ORDER

log = structlog.get_logger()

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
    """The present configuration; streams wait here for the next."""

    refused: Refused
    versions: dict[str, int] = field(default_factory=dict)
    resources: dict[str, list[any_pb2.Any]] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    _packed: dict[str, bytes] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, shapes: Mapping[str, Sequence[Shape]]) -> None:
        """Take up new resources; only types that really changed are sent."""
        for kind, wanted in shapes.items():
            packed = pack(kind, wanted)
            whole = b"\0".join(each.SerializeToString(deterministic=True) for each in packed)
            if self._packed.get(kind) != whole:
                self._packed[kind], self.resources[kind] = whole, packed
                self.versions[kind] = self.versions.get(kind, 0) + 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @property
    def changed(self) -> asyncio.Event:
        """Return the event that is set by the next publication."""
        return self._changed

    def answer(self, kind: str, nonce: str) -> discovery_pb2.DiscoveryResponse:
        """Make the response that holds all resources of a type."""
        return discovery_pb2.DiscoveryResponse(
            version_info=str(self.versions[kind]), type_url=kind, nonce=nonce,
            resources=self.resources[kind],
        )  # fmt: skip


class Configurer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # untyped base
    """Serves ADS streams from one board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def StreamAggregatedResources(  # noqa: N802 - gRPC's own name
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[discovery_pb2.DiscoveryResponse]:
        """Answer what Envoy subscribes to, and send again what changes."""
        del context
        sent: dict[str, Sent] = {}
        number = 0
        reader = asyncio.ensure_future(anext(requests, None))
        try:
            while True:
                changed = self._board.changed
                for kind in self._due(sent):
                    number += 1
                    sent[kind] = Sent(self._board.versions[kind], str(number))
                    yield self._board.answer(kind, str(number))
                waiting = asyncio.ensure_future(changed.wait())
                await asyncio.wait({reader, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if reader.done():
                    request = reader.result()
                    if request is None:
                        return
                    self._hear(request, sent)
                    reader = asyncio.ensure_future(anext(requests, None))
        finally:
            reader.cancel()

    def _due(self, sent: Mapping[str, Sent]) -> list[str]:
        versions = self._board.versions
        return [k for k in ORDER if k in sent and k in versions and sent[k].version < versions[k]]

    def _hear(self, request: Any, sent: dict[str, Sent]) -> None:
        """Take a subscription, an acceptance or a refusal."""
        kind = request.type_url
        known = sent.setdefault(kind, Sent())
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
