"""What a hunt's result does not say: left out, held back, not known. For the terminal and pages."""

from collections.abc import Iterator

from sekisho.detection.engine.summary import Read
from sekisho.kernel.i18n import Text, msg


def say_doubts(read: Read) -> Iterator[Text]:
    """Yield a sentence for everything because of which there may be more than is shown."""
    if read.undated:
        yield msg("%(n)s matches without a time could not be correlated.", n=read.undated)
    if read.let_go:
        yield msg(
            "Correlations let %(n)s older matches go for want of room: what counts in windows so "
            "full is not known exactly.",
            n=f"{read.let_go:,}",
        )
    if count := sum(read.unfinished.values()):
        yield msg(
            "%(n)s searches with expressions of rules took too long and were given up: whether "
            "those match there is not known.",
            n=f"{count:,}",
        )
    if read.interrupted:
        yield msg("It was stopped before everything was read.")


def say_held_back(read: Read) -> Iterator[Text]:
    """Yield a sentence where matches were held back by suppressions."""
    if read.held_back:
        yield msg("%(n)s matches that are known and harmless were held back.", n=read.held_back)
