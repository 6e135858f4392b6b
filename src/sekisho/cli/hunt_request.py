"""What a person asked ``sekisho hunt`` for, read and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from sekisho.detection.hunting.collecting import Wanted
from sekisho.detection.sources.reading import Reading


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that was asked for. ``now`` is when it was asked."""

    paths: Sequence[str]
    rules: Sequence[Path]
    values: Mapping[str, Sequence[str]]
    include: Sequence[str]
    exclude: Sequence[str]
    reading: Reading
    wanted: Wanted
    format: str
    output: Path | None
    jobs: int
    zone: tzinfo
    language: str
    columns: int
    summary: bool
    only_summary: bool
    quiet: bool
    now: datetime

    @property
    def latest(self) -> int:
        """The last time that an event can have had: now, and a day for wrong clocks."""
        return self.reading.now + 86_400_000_000
