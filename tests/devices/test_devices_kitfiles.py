"""How a kit says to install the agent: with the rights its owner is to give, and for good."""

import datetime as dt

import pytest

from sekisho.devices.kitfiles import KitSite, install_command, write_instructions
from sekisho.devices.model import Ownership, Platform

SITE = KitSite("港", "https://sekisho.example.co.jp", "PEM", "KEY")
END = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("ownership", Ownership)
def test_every_command_enrols_and_then_starts_the_agent_for_good(
    platform: Platform, ownership: Ownership
) -> None:
    lines = install_command(platform, ownership).splitlines()

    assert "-m venv" in lines[0]
    assert lines[1].endswith("install sekisho")
    assert lines[2].endswith("agent enroll sekisho-kit.json")
    assert lines[3].endswith("agent install")
    # Windows PowerShell 5.1 knows no “&&”, and the system's Python takes no packages (PEP 668).
    assert not any("&&" in line or "--user" in line for line in lines)


@pytest.mark.parametrize("platform", [Platform.LINUX, Platform.DARWIN])
def test_only_a_company_device_asks_for_the_administrator(platform: Platform) -> None:
    company = install_command(platform, Ownership.COMPANY).splitlines()
    private = install_command(platform, Ownership.PRIVATE)

    assert all(line.startswith("sudo ") for line in company)
    assert "sudo" not in private


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("platform", Platform)
def test_the_instructions_hold_the_whole_command_as_one_block(
    platform: Platform, language: str
) -> None:
    text = write_instructions(SITE, Ownership.COMPANY, platform, END, language)

    for line in install_command(platform, Ownership.COMPANY).splitlines():
        assert f"\n    {line}\n" in text
    assert "{" not in text
