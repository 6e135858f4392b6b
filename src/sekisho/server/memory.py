"""Keeps the garbage collector off what has come to stay."""

import gc

_COLLECT = (10_000, 20, 50)  # allocations, young and middle collections before the next larger one


def settle_memory() -> None:
    """Let the garbage collector leave alone what is there by now: modules, controls, devices.

    With 25,000 devices each full collection stopped every request for a quarter of a second, and
    came every three (docs/performance.md); in the gate one stood in the way of a mass cut.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
