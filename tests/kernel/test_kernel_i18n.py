"""A text says itself in the language of whoever listens."""

import pytest

from sekisho.kernel.i18n import Text, msg, preferred_language, translate


def test_a_text_nests_in_a_text() -> None:
    assert translate(msg("Got %(what)s.", what=msg("nothing")), "en") == "Got nothing."
    assert str(Text("100 %")) == "100 %"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("ja,en;q=0.8", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("fr-FR, en;q=0.5", "en"),
        ("ja_JP.UTF-8", "ja"),
        ("", "ja"),
        ("de", "ja"),
    ],
)
def test_the_first_known_language_wins(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language
