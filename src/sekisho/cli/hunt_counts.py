"""Numbers with the word that they count; English has one for one and another for many."""

from sekisho.kernel.i18n import Text, msg


def count_events(number: int) -> Text:
    """Say a number of events."""
    return msg("1 event") if number == 1 else msg("%(n)s events", n=f"{number:,}")


def count_files(number: int) -> Text:
    """Say a number of files."""
    return msg("1 file") if number == 1 else msg("%(n)s files", n=f"{number:,}")


def count_records(number: int) -> Text:
    """Say a number of records."""
    return msg("1 record") if number == 1 else msg("%(n)s records", n=f"{number:,}")


def count_matches(number: int) -> Text:
    """Say a number of matches."""
    return msg("1 match") if number == 1 else msg("%(n)s matches", n=f"{number:,}")


def count_searches(number: int) -> Text:
    """Say a number of searches with regular expressions."""
    return msg("1 search") if number == 1 else msg("%(n)s searches", n=f"{number:,}")


def say_found(matches: int, rules: int) -> Text:
    """Say what a hunt came to."""
    said = count_matches(matches)
    if rules == 1:
        return msg("%(matches)s of 1 rule", matches=said)
    return msg("%(matches)s of %(rules)s rules", matches=said, rules=f"{rules:,}")


def say_left_out(files: int, records: int) -> Text:
    """Say how much could not be read, where anything could not."""
    if not records:
        return count_files(files)
    if not files:
        return count_records(records)
    return msg("%(files)s and %(records)s", files=count_files(files),
               records=count_records(records))  # fmt: skip
