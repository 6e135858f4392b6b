"""Lines by which a syslog daemon stands for several: unfolded, so that each one counts (pure).

rsyslog and others write ``message repeated 4 times: [ … ]``, older ones ``last message repeated 4
times``. Left folded, five wrong passwords would count as two.
"""

import re
from collections.abc import Iterator

MOST = 10_000
_TELL_TALE = "message repeated "
_QUOTED = re.compile(
    r"(?P<lead>.{0,300}?)message repeated (?P<count>\d{1,9}) times?: \[ ?(?P<said>.*)\]\s*$"
)
_LAST = re.compile(r".{0,300}\blast message repeated (?P<count>\d{1,9}) times?\s*$")


class Repeats:
    """Unfolds the lines of one file, in their order."""

    def __init__(self) -> None:
        self._before = ""

    def unfold(self, line: str) -> Iterator[str]:
        """Yield ``line``, or what it says so often as it says; at most ``MOST`` times."""
        if _TELL_TALE not in line:
            self._before = line
            yield line
            return
        said, count = self._read(line)
        for _ in range(min(count, MOST)):
            yield said

    def _read(self, line: str) -> tuple[str, int]:
        if found := _QUOTED.match(line):
            return found["lead"] + found["said"], int(found["count"])
        found = _LAST.match(line)
        if found and self._before:
            return self._before, int(found["count"])
        return line, 1
