"""What the gate answers by itself: pages, short JSON and redirects, always with a reason."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2 as wire
from jinja2 import Environment, FunctionLoader, select_autoescape

from sekisho.access.model import Reason
from sekisho.kernel.i18n import Text, msg, translate

OK, REFUSED, UNAUTHENTICATED = 0, 7, 16  # google.rpc.Code
FOUND, NOT_SIGNED_IN, FORBIDDEN, NOT_FOUND = 303, 401, 403, 404
MISDIRECTED = 421  # RFC 9110 section 15.5.20

_SAFE: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def allow(
    headers: Mapping[str, str], cookie: str = "", told: Mapping[str, str] | None = None,
    answer_headers: Mapping[str, str] | None = None,
) -> wire.CheckResponse:  # fmt: skip
    """Let a request through with ``headers`` set (never added), and perhaps a fresh cookie."""
    answer = wire.CheckResponse()
    answer.status.code = OK
    answer.ok_response.headers.extend(_set(name, value) for name, value in headers.items())
    back = dict(answer_headers or {}) | ({"set-cookie": cookie} if cookie else {})
    answer.ok_response.response_headers_to_add.extend(_add(n, v) for n, v in back.items())
    answer.dynamic_metadata.update(dict(told or {}))
    return answer


def refuse(
    status: int, body: str, headers: Mapping[str, str] | None = None, cookies: Sequence[str] = ()
) -> wire.CheckResponse:
    """Answer instead of the app."""
    answer = wire.CheckResponse()
    answer.status.code = UNAUTHENTICATED if status == NOT_SIGNED_IN else REFUSED
    answer.denied_response.status.code = status
    answer.denied_response.body = body
    sent = {**_SAFE, **(headers or {})}
    answer.denied_response.headers.extend(_set(name, value) for name, value in sent.items())
    answer.denied_response.headers.extend(_add("set-cookie", each) for each in cookies)
    return answer


def redirect(where: str, cookies: Sequence[str] = ()) -> wire.CheckResponse:
    """Lead a browser elsewhere with GET."""
    return refuse(FOUND, "", {"location": where}, cookies)


def say_json(status: int, told: Mapping[str, object]) -> wire.CheckResponse:
    """Answer a program."""
    body = json.dumps(told, ensure_ascii=False)
    return refuse(status, body, {"content-type": "application/json; charset=utf-8"})


def say_page(status: int, language: str, title: Text, **facts: Any) -> wire.CheckResponse:
    """Answer a person with a page that says what is wrong and what to do."""
    body = write_page(language, title, **facts)
    return refuse(status, body, {"content-type": "text/html; charset=utf-8"})


def write_page(language: str, title: Text, **facts: Any) -> str:
    """Write the page of a refusal; ``style`` puts the style sheet into it."""
    return _pages().get_template("refused.html").render(
        language=language, title=translate(title, language),
        say=lambda text: translate(text, language), **facts,
    )  # fmt: skip


def reasons_as_data(reasons: Sequence[Reason], language: str) -> list[dict[str, str]]:
    """Return reasons as plain data in a language."""
    return [
        {
            "id": each.id,
            "text": translate(each.text, language),
            "fix": translate(each.fix, language),
        }
        for each in reasons
    ]


def style_sheet() -> wire.CheckResponse:
    """Return the style of the gate's pages."""
    sheet = files("sekisho.server.gate").joinpath("templates/gate.css").read_text(encoding="utf-8")
    kept = {"content-type": "text/css; charset=utf-8", "cache-control": "max-age=3600"}
    return refuse(200, sheet, kept)


@lru_cache(maxsize=1)
def _pages() -> Environment:
    folder = files("sekisho.server.gate").joinpath("templates")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=select_autoescape(default=True),
    )


def _set(name: str, value: str) -> base_pb2.HeaderValueOption:
    option = base_pb2.HeaderValueOption(
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    )
    option.header.key, option.header.value = name, value
    return option


def _add(name: str, value: str) -> base_pb2.HeaderValueOption:
    option = base_pb2.HeaderValueOption(
        append_action=base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
    )
    option.header.key, option.header.value = name, value
    return option


NO_DEVICE = msg("This app opens from a known device only.")
NO_ACCESS = msg("You cannot open this now.")
NOT_NOW = msg("The gate cannot decide now, so nothing opens.")
SIGN_IN_FIRST = msg("Please sign in first.")
