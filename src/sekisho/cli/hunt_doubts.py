"""What a hunt's result does not say: left out, held back, not known. For the terminal and pages."""

from collections.abc import Iterator

from sekisho.cli.hunt_counts import count_files, count_matches, count_searches
from sekisho.detection.engine.summary import Read, Summary
from sekisho.kernel.i18n import Text, msg


def say_doubts(read: Read) -> Iterator[Text]:
    """Yield a sentence for everything because of which there may be more than is shown."""
    if read.undated:
        yield msg(
            "%(matches)s without a time could not be correlated.",
            matches=count_matches(read.undated),
        )
    if read.let_go:
        yield msg(
            "Correlations let %(matches)s go for want of room, the oldest first: what counts in "
            "windows so full is not known exactly.",
            matches=count_matches(read.let_go),
        )
    if count := sum(read.unfinished.values()):
        yield msg(
            "Given up for taking too long: %(searches)s with expressions of rules. Whether those "
            "match there is not known.",
            searches=count_searches(count),
        )
    if read.unsourced:
        yield _say_unsourced(read)
    if read.interrupted:
        yield msg("It was stopped before everything was read.")


def _say_unsourced(read: Read) -> Text:
    if read.unsourced == 1:
        return msg(
            "%(file)s does not tell what log it is: rules for a product or service were not held "
            "against it. Say it with --logsource, such as product=linux,service=sshd.",
            file=read.unsourced_name,
        )
    return msg(
        "%(files)s, such as %(file)s, do not tell what logs they are: rules for a product or "
        "service were not held against them. Say it with --logsource, such as "
        "product=linux,service=sshd.",
        files=count_files(read.unsourced),
        file=read.unsourced_name,
    )


def say_held_back(read: Read) -> Iterator[Text]:
    """Yield a sentence where matches were held back by suppressions."""
    if read.held_back:
        yield msg(
            "Held back as known and harmless: %(matches)s.", matches=count_matches(read.held_back)
        )


def say_out_of_time(summary: Summary) -> Text:
    """Say how many matches a histogram leaves out."""
    return msg(
        "Not shown: %(matches)s without a time, or with one that cannot be true.",
        matches=count_matches(summary.out_of_time),
    )
