"""Many networks at once: an address is taken apart one time and looked up by prefix length."""

from collections.abc import Mapping

from sekisho.detection.engine.values import addresses_in, network_of
from sekisho.detection.model import InNetwork


class Networks:
    """The networks that the terms of one column ask for."""

    def __init__(self, tests: Mapping[int, InNetwork]) -> None:
        self._by_mask: dict[int, dict[int, dict[int, tuple[int, ...]]]] = {4: {}, 6: {}}
        for number, test in tests.items():
            network = network_of(test.network)
            masks = self._by_mask[network.version]
            there = masks.setdefault(int(network.netmask), {})
            at = int(network.network_address)
            there[at] = (*there.get(at, ()), number)

    def holding(self, text: str) -> set[int]:
        """Return the terms whose network holds the address that ``text`` says."""
        true: set[int] = set()
        for address in addresses_in(text) if self._by_mask[4] or self._by_mask[6] else ():
            number = int(address)
            for mask, networks in self._by_mask[address.version].items():
                true.update(networks.get(number & mask, ()))
        return true
