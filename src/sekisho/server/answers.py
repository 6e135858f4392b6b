"""How this server answers: pages rendered, errors said, headers set. The only place for each.

A room's handler returns a ``Page`` or a plain structure and raises kernel errors; here they
become bytes, in the language of whoever asked.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import structlog
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from sekisho.kernel.errors import RateLimitedError, SekishoError, UnauthenticatedError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.ids import new_id
from sekisho.kernel.pages import Frame, Page, PageRenderer
from sekisho.server import metrics
from sekisho.server.frames import FrameMaker

log = structlog.get_logger()

# Nothing but our own files runs on a page; no page may be framed (CSP level 3).
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; manifest-src 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=()",
}
_HSTS = "max-age=31536000"

_STATUS_WORDS = {
    400: msg("The request cannot be understood."),
    404: msg("There is nothing at this address."),
    405: msg("This address does not take this kind of request."),
    413: msg("The request is too large."),
}
_STATUS_HINTS = {
    404: msg("Check the address, or start from the first page."),
    405: msg("Go back and use the page's own buttons."),
    413: msg("Send less at a time; the limit is 20 MB."),
}
_UNEXPECTED = msg("Something went wrong inside Sekisho; nothing was changed.")
_UNEXPECTED_HINT = msg("Try again; if it stays, give the administrator the number below.")

current_frame: ContextVar[Frame | None] = ContextVar("current_frame", default=None)
# The framework keeps a handler's hooks from the application that it served first; what is shown
# must come from the house that the request came to.
current_frames: ContextVar[FrameMaker | None] = ContextVar("current_frames", default=None)


class Answers:
    """Turns results and errors into responses with one renderer."""

    def __init__(self, renderer: PageRenderer, frames: FrameMaker) -> None:
        self._renderer = renderer
        self._frames = frames

    def finish(self, response: Response[Any]) -> Response[Any]:
        """Render a page where the handler returned one; leave anything else as it is."""
        if not is_page(response):
            return response
        frame = current_frame.get()
        if frame is None:
            raise RuntimeError("a page was returned outside a request")
        page = response.content
        return Response(
            self._renderer.render(page, self._complete(frame)),
            status_code=page.status if page.status != 200 else response.status_code,  # noqa: PLR2004 - the default status
            media_type=MediaType.HTML,
            headers={**response.headers, "Cache-Control": "no-store", "Vary": "Cookie"},
            cookies=response.cookies,
        )

    def _complete(self, frame: Frame) -> Frame:
        frames = current_frames.get() or self._frames
        return frames.add_views(replace(frame, counts=_counts(frames, frame)))

    def expected(self, request: Request[Any, Any, Any], error: SekishoError) -> Response[Any]:
        """Answer an error that a room raised on purpose; lead a stranger to the sign-in."""
        if isinstance(error, UnauthenticatedError) and _may_sign_in(request):
            query = f"?{request.url.query}" if request.url.query else ""
            wanted = urlencode({"next": f"{request.url.path}{query}"})
            return Redirect(f"/sign-in?{wanted}", status_code=303)
        headers = (
            {"Retry-After": str(error.retry_after_seconds)}
            if isinstance(error, RateLimitedError)
            else {}
        )
        return self._say(request, error.status, error.message, error.hint, headers)

    def http(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        """Answer what the framework refused: a wrong address, method or form."""
        if error.status_code >= HTTP_500_INTERNAL_SERVER_ERROR:
            return self.unexpected(request, error)
        said = _STATUS_WORDS.get(error.status_code, error.detail)
        hint: Text | str = error.detail if error.status_code == 400 else ""  # noqa: PLR2004 - Bad Request
        hint = _STATUS_HINTS.get(error.status_code, hint)
        return self._say(request, error.status_code, said, _explained(error, hint), {})

    def unexpected(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """Answer a fault of ours: log it under a number that the person can name."""
        number = new_id("req")
        log.error("request failed", request_id=number, path=request.url.path, exc_info=error)
        return self._say(request, 500, _UNEXPECTED, _UNEXPECTED_HINT, {}, number)

    def _say(
        self,
        request: Request[Any, Any, Any],
        status: int,
        message: Text | str,
        hint: Text | str,
        headers: dict[str, str],
        number: str = "",
    ) -> Response[Any]:
        frame = current_frame.get() or self._frames.make(request)
        current_frame.set(frame)
        if not _wants_page(request):
            language = frame.language
            body = {"error": translate(message, language), "hint": translate(hint, language)}
            body |= {"request_id": number} if number else {}
            return Response(body, status_code=status, headers=headers, media_type=MediaType.JSON)
        page = Page("error.html", {
            "status": status, "message": message, "hint": hint, "request_id": number,
        }, status)  # fmt: skip
        answer = Response(page, status_code=status, headers=headers)
        return self.finish(answer)


def is_page(response: Response[Any]) -> bool:
    """Tell whether a handler returned a page; a file or a stream has no content of this kind."""
    return isinstance(getattr(response, "content", None), Page)


def _explained(error: HTTPException, hint: Text | str) -> Text | str:
    """Name the fields that a framework's validation refused."""
    extra = error.extra if isinstance(error.extra, list) else []
    fields = [f"{item.get('key', '')}: {item.get('message', '')}" for item in extra if item]
    return "; ".join(fields) or hint


def _may_sign_in(request: Request[Any, Any, Any]) -> bool:
    return request.method == "GET" and _wants_page(request)


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    return (
        not request.url.path.startswith("/api/")
        and "text/html" in request.headers.get("accept", "")
    )  # fmt: skip


def secure(message_headers: list[tuple[bytes, bytes]], *, https: bool) -> None:
    """Add the security headers to a response that is about to leave."""
    present = {name.lower() for name, _ in message_headers}
    message_headers.extend(
        header for header in _PREPARED[https] if header[0] not in present
    )  # fmt: skip


def _prepare(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


_PREPARED = {
    False: _prepare(SECURITY_HEADERS),
    True: _prepare(SECURITY_HEADERS | {"Strict-Transport-Security": _HSTS}),
}


def observe(scope: Any, status: int) -> None:
    """Count an answered request under its route's pattern, not its address."""
    route = scope.get("path_template") or "unknown"
    started = scope.get("sekisho.started")
    metrics.observe(route, status, started if started is not None else time.perf_counter())


def _counts(frames: FrameMaker, frame: Frame) -> Mapping[str, int]:
    """Return the numbers beside the menu, for those who see it, and beside one's own bell."""
    menu = frames.count() if frame.principal.allows("findings.read") else {}
    unread = frames.count_unread(frame.principal)
    return {**menu, "unread": unread} if unread else menu
