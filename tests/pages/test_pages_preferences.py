"""Language and theme: what was chosen wins, and going back never leaves this server."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from pages.conftest import Town
from sekisho.server.pages.preferences import (
    HANDLERS,
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    read_language,
    read_theme,
    safe_return,
)


@pytest.mark.parametrize(
    ("cookies", "accepted", "expected"),
    [
        ({}, "", "ja"),
        ({}, "en-US,en;q=0.9", "en"),
        ({LANGUAGE_COOKIE: "ja"}, "en", "ja"),
        ({LANGUAGE_COOKIE: "xx"}, "en", "en"),
        ({LANGUAGE_COOKIE: ""}, "fr", "ja"),
    ],
)
def test_language(cookies: dict[str, str], accepted: str, expected: str) -> None:
    assert read_language(cookies, accepted, "ja") == expected


@pytest.mark.parametrize(("said", "theme"), [("dark", "dark"), ("light", "light"), ('"><', "")])
def test_only_known_themes_reach_the_page(said: str, theme: str) -> None:
    assert read_theme({THEME_COOKIE: said}) == theme


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/devices?q=1", "/devices?q=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_going_back_stays_on_this_server(address: str, expected: str) -> None:
    assert safe_return(address) == expected


def test_a_choice_is_kept_and_leads_back() -> None:
    with TestClient(Litestar(HANDLERS)) as client:
        answer = client.get(
            "/language/en", params={"next_page": "/devices"}, follow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/devices")
        assert "sekisho_language=en" in answer.headers["set-cookie"]
        answer = client.get("/theme/dark", follow_redirects=False)
        assert "sekisho_theme=dark" in answer.headers["set-cookie"]


def test_an_unknown_choice_is_said_so(town: Town) -> None:
    for path in ("/language/fr", "/theme/pink"):
        answer = town.client().get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert path.rsplit("/", 1)[1] in answer.text
        assert "set-cookie" not in answer.headers
