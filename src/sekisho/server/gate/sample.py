"""A small app to see the gate work with: it shows what an app behind the gate is told."""

import html
from collections.abc import Mapping

from sekisho.kernel.i18n import Text, msg, preferred_language, translate
from sekisho.server.gate.local import Head, Said
from sekisho.server.gate.plan import IDENTITY_PREFIX

_TITLE = msg("You came through the gate")
_TEXT = msg(
    "This small app stands behind the gate and was told the following about you. Only the gate "
    "can say so: whatever a browser claims in these headers is taken off."
)
_TRY = msg("Break a rule on your device or sign out in the portal, and load this page again.")


async def answer_sample(head: Head) -> Said:
    """Answer a request with what was told with it."""
    body = make_page(head.headers).encode()
    return Said(body, headers={"content-security-policy": "default-src 'none'; style-src 'self'"})


def make_page(headers: Mapping[str, str]) -> str:
    """Return the page for a request with these headers."""
    language = preferred_language(headers.get("accept-language", ""))
    shown = sorted((n, v) for n, v in headers.items() if n.startswith(IDENTITY_PREFIX))
    rows = "".join(
        f"<section><h2>{html.escape(name)}</h2><p>{html.escape(value)}</p></section>"
        for name, value in shown
    )

    def say(text: Text) -> str:
        return html.escape(translate(text, language))

    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{say(_TITLE)}</title>"
        '<link rel="stylesheet" href="/.sekisho/style.css"></head><body><main>'
        f'<p class="mark">関所</p><h1>{say(_TITLE)}</h1><p class="what">{say(_TEXT)}</p>{rows}'
        f'<p class="foot">{say(_TRY)}</p></main></body></html>'
    )
