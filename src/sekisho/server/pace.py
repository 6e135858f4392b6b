"""How often somebody may ask: so many requests in a while, counted in memory."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

_MOST_KEYS = 10_000


@dataclass(slots=True)
class Pace:
    """Allows ``most`` requests of one key within ``window``; the count begins anew after it.

    Each web process counts for itself. When very many keys are known all are forgotten: memory is
    bounded, and whoever sends from ten thousand networks is stopped elsewhere.
    """

    most: int
    window: timedelta
    _seen: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def seconds_to_wait(self, key: str, now: datetime) -> int:
        """Count a request of ``key``; return 0 if it may be answered, else how long to wait."""
        began, count = self._seen.get(key, (now, 0))
        if not timedelta() <= now - began < self.window:
            began, count = now, 0
        if key not in self._seen and len(self._seen) >= _MOST_KEYS:
            self._seen.clear()
        self._seen[key] = began, count + 1
        if count < self.most:
            return 0
        return max(1, int((began + self.window - now).total_seconds()))
