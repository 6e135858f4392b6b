"""Settings are read from file, environment and command line; a mistake is named."""

from pathlib import Path

import pytest

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.settings import Address, Settings, load_settings, save_settings


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("organisation: 港設計\npublic: 127.0.0.1:1\n", "utf-8")

    settings = load_settings(tmp_path, {"SEKISHO_PUBLIC": "127.0.0.1:2"}, {"language": "en"})

    assert settings.organisation == "港設計"
    assert settings.public == Address("127.0.0.1", 2)
    assert settings.language == "en"


def test_saved_settings_come_back(tmp_path: Path) -> None:
    settings = Settings(tmp_path, organisation="港", admin=Address("::1", 9), public_name="a.jp")

    save_settings(settings)

    assert load_settings(tmp_path, {}) == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("organization: x\n", "Unknown setting: organization"),
        ("public: here\n", "HOST:PORT is expected"),
        ("public: 1.2.3.4:99999\n", "HOST:PORT is expected"),
        ("- a\n", "name: value"),
        ("a: [\n", "line 2"),
        ("language: fr\n", "ja or en"),
        ("time_zone: Mars/Olympus\n", "not known"),
        ("time_zone: ../etc/passwd\n", "not known"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)

    with pytest.raises(InvalidInputError, match=said):
        load_settings(tmp_path, {})


def test_the_defaults_stay_on_this_machine(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})

    assert {settings.public.host, settings.intake.host, settings.admin.host} == {"127.0.0.1"}
