"""The row of table ``uptime``, the same on every platform."""

import time
from collections.abc import Iterator

from sekisho.agent.table import Row


def boot_age() -> int:
    """Return the seconds since the boot, asked through psutil (Windows and macOS)."""
    import psutil  # noqa: PLC0415 - 4 MB that Linux does not need

    return max(0, int(time.time() - psutil.boot_time()))


def uptime_rows(total: int) -> Iterator[Row]:
    """Yield the one row of ``uptime`` from its seconds."""
    yield {
        "days": total // 86400,
        "hours": total % 86400 // 3600,
        "minutes": total % 3600 // 60,
        "seconds": total % 60,
        "total_seconds": total,
    }
