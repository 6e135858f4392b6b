"""A brake on guessing enrolment secrets: so many wrong ones a minute from one network, no more."""

from sekisho.devices.engine import truncate_address

GUESSES_PER_MINUTE = 20
_NETWORKS = 4096
_SECONDS = 60.0


class GuessBrake:
    """Counts refused enrolments by network; the memory is bounded."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}

    def is_braked(self, address: str, now: float) -> bool:
        """Tell whether this network has used up its tries of the present minute."""
        begun, count = self._counts.get(truncate_address(address), (now, 0))
        return count >= GUESSES_PER_MINUTE and now - begun < _SECONDS

    def note(self, address: str, now: float) -> None:
        """Count one refused try."""
        network = truncate_address(address)
        begun, count = self._counts.get(network, (now, 0))
        if now - begun >= _SECONDS:
            begun, count = now, 0
        if network not in self._counts and len(self._counts) >= _NETWORKS:
            self._counts.clear()
        self._counts[network] = (begun, count + 1)
