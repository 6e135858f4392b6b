"""Acts on many, sheets and the inbox once more, on PostgreSQL: the same tests, another database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from pages.conftest import Town, open_town
from pages.test_pages_worklists import (
    devices,
    test_a_crash_in_the_midst_goes_on_where_it_was,
    test_a_sheet_goes_out_and_comes_back_whole_or_not_at_all,
    test_an_exception_for_many_is_one_request_for_each_rule,
    test_findings_are_found_given_and_noted,
    test_tags_on_all_that_match_and_undone,
)
from sekisho.kernel.settings import Settings

__all__ = [
    "devices",
    "test_a_crash_in_the_midst_goes_on_where_it_was",
    "test_a_sheet_goes_out_and_comes_back_whole_or_not_at_all",
    "test_an_exception_for_many_is_one_request_for_each_rule",
    "test_findings_are_found_given_and_noted",
    "test_tags_on_all_that_match_and_undone",
]


@pytest.fixture
def town(data_folder: Path, clock: FakeClock, postgres_url: str) -> Iterator[Town]:
    """The organisation of the other tests, on PostgreSQL."""
    settings = Settings(data=data_folder, database_url=postgres_url, organisation="みなと設計")
    with open_town(settings, clock) as made:
        yield made
