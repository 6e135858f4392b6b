"""The page of a desktop, its parts, and the words for why it ended."""

import gzip
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, select_autoescape

from sekisho.access.model import Resource, ResourceKind
from sekisho.kernel.i18n import translate
from sekisho.server.desktop import words
from sekisho.server.desktop.grants import Event, Why
from sekisho.server.gate.local import Said

_CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' "
    "data: blob:; connect-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""WebAssembly is compiled from a data: address within the vendored script; nothing else is let."""
_KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_YEAR = "private, max-age=31536000, immutable"
_ROOT = files("sekisho.server.desktop")


def desktop_page(resource: Resource, language: str) -> Said:
    """Return the page that shows a desktop."""
    page = _pages().get_template("desktop.html").render(
        language=language, name=resource.named(language), is_rdp=resource.kind is ResourceKind.RDP,
        say=lambda text: translate(text, language), words=words,
        script_words=json.dumps(words.for_script(language), ensure_ascii=False),
    )  # fmt: skip
    headers = {"content-security-policy": _CSP, "cross-origin-opener-policy": "same-origin"}
    return Said(page.encode(), headers=headers)


def part(path: str) -> Said:
    """Return a script or style by its path; what is not among them is missing."""
    name = path.removeprefix("/")
    if name not in _parts():
        return missing()
    kept = _YEAR if name.startswith("vendor/") else "private, max-age=300"
    headers = {"cache-control": kept, "content-encoding": "gzip"}
    return Said(_packed(name), kind=_KINDS[name.rpartition(".")[2]], headers=headers)


def missing() -> Said:
    """Say that there is no such page."""
    return Said(b"404\n", 404, "text/plain")


def say_why(event: Event | None, resource: Resource, language: str) -> Mapping[str, str]:
    """Return what a person reads about an ended connection; {} if nothing is known."""
    if event is None or event.kind != "ended":
        return {}
    text, fix = words.WHY[event.why]
    told = {"why": event.why.value, "text": translate(text, language),
            "fix": translate(fix, language)}  # fmt: skip
    if event.why in (Why.CERTIFICATE_UNKNOWN, Why.CERTIFICATE_CHANGED):
        told["shown"] = event.shown
        told["pinned"] = resource.pin
    return told


@lru_cache(maxsize=1)
def _parts() -> frozenset[str]:
    root = _ROOT.joinpath("static")
    found, folders = set[str](), [("", root)]
    while folders:
        prefix, folder = folders.pop()
        for each in folder.iterdir():
            if each.is_dir():
                folders.append((f"{prefix}{each.name}/", each))
            elif each.name.rpartition(".")[2] in _KINDS:
                found.add(prefix + each.name)
    return frozenset(found)


@lru_cache(maxsize=128)
def _packed(name: str) -> bytes:
    return gzip.compress(_ROOT.joinpath("static", name).read_bytes(), 6, mtime=0)


@lru_cache(maxsize=1)
def _pages() -> Environment:
    folder = _ROOT.joinpath("templates")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
