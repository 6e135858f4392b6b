"""Shows every template with made-up data, over HTTP and under the real content policy.

``python -m ui.gallery FOLDER [NAME…] [1440-ja-light…]``, run in ``tests``, takes a picture of
every page in two widths, two languages and two themes, so that each can be looked at.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta, timezone
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Frame, Page, PageRenderer, Tab, Tabs
from sekisho.kernel.principal import Principal, PrincipalKind
from support.browser import running_chromium
from ui.made_up import decisions, devices, hosts, lists, own, records, rules, today
from ui.made_up.common import NOW

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'"
)
STATIC = Path(str(files("sekisho").joinpath("ui/static")))
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "woff2": "font/woff2"}
TYPES["webmanifest"] = "application/manifest+json"
Context = Callable[[str], dict[str, Any]]
PAGES: dict[str, tuple[str, Context]] = {
    "overview": ("pages/overview.html", today.overview),
    "devices": ("devices/list.html", devices.device_list),
    "findings": ("worklists/findings.html", lists.findings),
    "finding": ("worklists/finding.html", lists.finding),
    "act_draft": ("worklists/act.html", lists.act_draft),
    "act_plan": ("worklists/act.html", lists.act_plan),
    "act_running": ("worklists/act.html", lists.act_running),
    "act_done": ("worklists/act.html", lists.act_done),
    "acts": ("worklists/acts.html", lists.acts),
    "view": ("worklists/view.html", lists.view),
    "sheet": ("worklists/sheet.html", lists.sheet),
    "sheet_plan": ("worklists/sheet_plan.html", lists.sheet_plan),
    "device": ("devices/device.html", devices.device),
    "device_new": ("devices/device.html", devices.device_new),
    "kits": ("devices/kits.html", devices.kits),
    "kits_none": ("devices/kits.html", devices.kits_none),
    "kit_new": ("devices/kit_new.html", devices.kit_new),
    "kit_made": ("devices/kit_made.html", devices.kit_made),
    "controls": ("controls/list.html", rules.control_list),
    "control": ("controls/control.html", rules.control),
    "evidence": ("evidence/list.html", records.evidence),
    "record": ("evidence/record.html", records.record),
    "settings": ("pages/settings.html", records.settings),
    "host_unknown": ("pages/host_certificate.html", hosts.unknown),
    "host_other": ("pages/host_certificate.html", hosts.other),
    "host_silent": ("pages/host_certificate.html", hosts.silent),
    "my": ("pages/my.html", own.my),
    "my_private": ("pages/my.html", own.my_private),
    "my_consent": ("pages/my.html", own.my_consent),
    "my_none": ("pages/my_none.html", own.my_none),
    "my_decisions": ("pages/my_decisions.html", decisions.decisions),
    "my_decision": ("pages/my_decision.html", decisions.decision),
    "error_500": (
        "error.html",
        lambda _: {
            "status": 500,
            "message": msg("Something went wrong inside Sekisho; nothing was changed."),
            "hint": msg("Try again; if it stays, give the administrator the number below."),
            "request_id": "req_01JDC6",
        },
    ),
    "error_503": (
        "error.html",
        lambda _: {
            "status": 503,
            "message": msg(
                "The database cannot be used now. %(why)s", why=msg("It is busy with other work.")
            ),
            "hint": msg("Check the disk space and that the database runs; nothing was changed."),
        },
    ),
    "error": (
        "error.html",
        lambda _: {
            "status": 404,
            "message": msg("There is no page at “%(path)s”.", path="/devises"),
            "hint": msg("Check the address, or start from the first page."),
        },
    ),
}

_VIEWS = (
    Tab("vw_1", "要対応の端末（西日本）", shared=True),
    Tab("vw_2", "90日より古い", shared=False),
)
TABS = {
    "devices": Tabs("devices", _VIEWS, "vw_1", "verdict=fail", may_save=True),
    "findings": Tabs("findings", (), "", "severity=high", may_save=True),
}


def render(renderer: PageRenderer, name: str, language: str, theme: str) -> str:
    template, context = PAGES[name]
    person = Principal(PrincipalKind.PERSON, "per_1", "佐伯 航", frozenset({"*"}))
    frame = Frame(
        now=NOW, language=language, principal=person, csrf="t", theme=theme,
        organisation="株式会社みなと設計" if language == "ja" else "Minato Sekkei K.K.",
        zone=timezone(timedelta(hours=9), "JST"), counts={"today": 5, "sealed": 184206},
        request_id="req_01JDC6", tabs=TABS.get(name),
    )  # fmt: skip
    return renderer.render(Page(template, context(language)), frame)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, renderer: PageRenderer, *arguments: object) -> None:
        self.renderer = renderer
        super().__init__(*arguments)  # type: ignore[arg-type] # the base class types the socket triple

    def do_GET(self) -> None:  # the base class calls it by this name
        parts = urlsplit(self.path)
        if parts.path.startswith("/static/"):
            body = (STATIC / parts.path.removeprefix("/static/")).read_bytes()
            return self._send(TYPES.get(parts.path.rsplit(".", 1)[-1], "text/plain"), body)
        name = parts.path.strip("/")
        if name not in PAGES:
            return self._send("text/event-stream", b"retry: 600000\n\n")
        asked = parse_qs(parts.query)
        html = render(
            self.renderer, name, asked.get("lang", ["ja"])[0], asked.get("theme", [""])[0]
        )
        return self._send("text/html; charset=utf-8", html.encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Content-Length", str(len(body)))
        if self.path.startswith("/static/"):  # as the server says it
            self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: tests read what a browser says."""


@contextmanager
def serve_gallery() -> Iterator[str]:
    """Serve every page at ``/NAME?lang=ja&theme=dark`` on this machine; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, PageRenderer()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def take_pictures(folder: Path, names: list[str], variants: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with serve_gallery() as address, running_chromium(fonts=True) as browser:
        for width in (1440, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda message: say(message.text))
            for name in names or PAGES:
                for language in ("ja", "en"):
                    for theme in ("light", "dark"):
                        variant = f"{width}-{language}-{theme}"
                        if variants and variant not in variants:
                            continue
                        page.goto(f"{address}/{name}?lang={language}&theme={theme}")
                        page.evaluate("document.fonts.ready")
                        overflow = page.evaluate(
                            "document.documentElement.scrollWidth - innerWidth"
                        )
                        if overflow > 0:
                            say(f"{name} {variant}: {overflow}px too wide")
                        page.screenshot(path=folder / f"{name}-{variant}.png", full_page=True)
            page.close()


if __name__ == "__main__":
    wanted = [a for a in sys.argv[2:] if not a[0].isdigit()]
    take_pictures(Path(sys.argv[1]), wanted, {a for a in sys.argv[2:] if a[0].isdigit()})
