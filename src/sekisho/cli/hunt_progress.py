"""How far a hunt is: bytes, events, events a second, time left; on stderr, only for a person."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sekisho.cli.hunt_request import Request
from sekisho.cli.hunt_words import say_bytes
from sekisho.detection.sources.walking import Found
from sekisho.kernel.i18n import msg, translate


@contextmanager
def showing_progress(
    request: Request, files: Sequence[Found]
) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told (bytes read since the last time, events so far)."""
    if request.quiet or not sys.stderr.isatty():
        yield lambda _size, _events: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where it is seen
    from rich.progress import (  # noqa: PLC0415 - the same
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    total = sum(found.size for found in files) or None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    # No thread of its own: processes may still be forked while it is shown.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, auto_refresh=False
    ) as shown:
        task = shown.add_task(translate(msg("Hunting"), request.language), total=total, said="")

        def tell(size: int, events: int) -> None:
            speed = events / max(0.001, shown.tasks[0].elapsed or 0.001)
            done = shown.tasks[0].completed + size
            word = translate(
                msg("%(size)s · %(events)s events · %(speed)s/s", size=say_bytes(done),
                    events=f"{events:,}", speed=f"{speed:,.0f}"),
                request.language,
            )  # fmt: skip
            shown.update(task, advance=size, said=word)
            shown.refresh()

        yield tell
