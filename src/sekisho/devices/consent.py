"""The consent text for private PCs: dated, in both languages, read from this package."""

from importlib.resources import files

CONSENT_VERSION = "2026-11"
"""The version in force; an older consent stays valid for what its own text said."""


def consent_text(language: str, organisation: str) -> str:
    """Return the text in force as Markdown, with the organisation's name in it."""
    name = f"consent.{'ja' if language == 'ja' else 'en'}.md"
    text = files("sekisho.devices").joinpath("texts", name).read_text(encoding="utf-8")
    return text.replace("{organisation}", organisation or "Sekisho")
