"""The pages for what Envoy answers by itself: no such address here, no answer from an app.

Envoy's own words are an English line for programs. A browser that asks for a page gets one that
says in its language what is wrong and what to do; whoever asks for anything else gets the line as
before. The style stands in the page: at an address that is not ours nothing else can be fetched.
Shapes are those of Envoy's ``LocalReplyConfig``.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from sekisho.access.model import Reason
from sekisho.kernel.i18n import LANGUAGES, Text, msg
from sekisho.server.gate import answers

Shape = dict[str, Any]
_WORDS: dict[int, tuple[Text, Text, Text]] = {
    answers.MISDIRECTED: (
        msg("There is no app at this address"),
        msg("The gate knows no app by this name, or another name was asked for on this line."),
        msg("Open the app anew from the list of your apps. If it goes on, tell your administrator "
            "the address."),
    ),
    502: (
        msg("The app does not answer as it should"),
        msg("The gate works and let you in; the app behind it sent something that is no answer."),
        msg("Wait a minute and load the page again. If it goes on, tell your administrator."),
    ),
    503: (
        msg("The app cannot be reached now"),
        msg("Either the app does not answer, or the gate cannot ask whether you may go on. Until "
            "it can, nothing opens."),
        msg("Wait a minute and load the page again. If it goes on, tell your administrator."),
    ),
    504: (
        msg("The app takes too long to answer"),
        msg("The gate works and let you in; the app behind it has not answered in time."),
        msg("Wait a minute and load the page again. If it goes on, tell your administrator."),
    ),
}  # fmt: skip
_SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


def make_local_replies() -> Shape:
    """Return what Envoy answers browsers instead of its own line, by status and language."""
    return {"mappers": list(_mappers())}


def _mappers() -> Iterator[Shape]:
    for status in _WORDS:
        for language in sorted(LANGUAGES, key=lambda each: each != "ja"):  # the last fits everybody
            conditions = [_has_status(status), _header("accept", contains="text/html")]
            if language == "ja":
                conditions.append(_header("accept-language", prefix="ja"))
            yield {
                "filter": {"and_filter": {"filters": conditions}},
                "body_format_override": {
                    "text_format_source": {"inline_string": _write(status, language)},
                    "content_type": "text/html; charset=utf-8",
                },
                "headers_to_add": [
                    {"header": {"key": name, "value": value},
                     "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                    for name, value in _SAFE.items()
                ],
            }  # fmt: skip


def _has_status(status: int) -> Shape:
    value = {"default_value": status, "runtime_key": "sekisho.none"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _header(name: str, **match: str) -> Shape:
    return {"header_filter": {"header": {"name": name, "string_match": match}}}


def _write(status: int, language: str) -> str:
    title, text, fix = _WORDS[status]
    said = answers.reasons_as_data([Reason(f"gate.{status}", text, fix)], language)
    sheet = files("sekisho.server.gate").joinpath("templates/gate.css").read_text(encoding="utf-8")
    page = answers.write_page(language, title, reasons=said, style=sheet)
    return page.replace("%", "%%")  # a % begins a command of Envoy's formatter
