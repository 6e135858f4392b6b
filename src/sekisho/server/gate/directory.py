"""Finds what is asked for by the name it was asked by."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sekisho.access.model import PAGES, Door, Resource, ResourceKind
from sekisho.server.gate.asked import Asked, host_of


def door_of(resource: Resource) -> Door:
    """Return the one door of a resource: that without certificates only for *browser only*."""
    return resource.door


def ports_of(resource: Resource) -> tuple[int, ...]:
    """Return the ports that may be asked for of a TCP resource."""
    return resource.ports or tuple(each.port for each in resource.upstreams)


@dataclass(frozen=True, slots=True)
class Directory:
    """The resources in force."""

    resources: Sequence[Resource] = ()
    _pages: dict[tuple[Door, str], Resource] = field(default_factory=dict)
    _tunnels: dict[tuple[str, int], Resource] = field(default_factory=dict)

    @classmethod
    def of(cls, resources: Sequence[Resource]) -> "Directory":
        """Lay out resources by the names they are asked by."""
        made = cls(resources)
        for each in resources:
            host = each.public_host.lower()
            if each.kind in PAGES:
                made._pages[door_of(each), host] = each
            elif each.kind is ResourceKind.TCP:
                for port in ports_of(each):
                    made._tunnels[host, port] = each
        return made

    def find(self, asked: Asked) -> Resource | None:
        """Return what is asked for; None if there is no such thing at this door."""
        if asked.door is None:
            return None
        if not asked.is_tunnel:
            return self._pages.get((asked.door, asked.host))
        _, _, port = asked.authority.rpartition(":")
        if asked.door is not Door.DEVICE or not port.isdecimal():
            return None
        return self._tunnels.get((host_of(asked.authority), int(port)))

    def find_by_id(self, wanted: str) -> Resource | None:
        """Return a resource in force by its id."""
        return next((each for each in self.resources if each.id == wanted), None)

    def find_tunnel(self, name: str) -> tuple[Resource, int] | None:
        """Return a TCP resource by ``KEY``, ``HOST`` or ``HOST:PORT``, and the port."""
        host, _, port = name.lower().partition(":")
        for each in self.resources:
            if each.kind is ResourceKind.TCP and host in {
                each.key.lower(),
                each.public_host.lower(),
            }:
                ports = ports_of(each)
                wanted = int(port) if port.isdecimal() else next(iter(ports), 0)
                return (each, wanted) if wanted in ports else None
        return None
