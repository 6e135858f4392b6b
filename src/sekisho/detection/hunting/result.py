"""From the parts of all processes to one timeline, in the order of time."""

from sekisho.detection.engine.sightings import Sighting
from sekisho.detection.hunting.collecting import Part


def make_timeline(part: Part) -> list[Sighting]:
    """Return every match to show, sorted by time, file and record."""
    return sorted(part.sightings, key=lambda one: one.order)
