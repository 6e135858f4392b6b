"""The page of a desktop: its parts are the vendored ones, and nothing loosens its policy."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

from access.making import resource
from sekisho.access.model import ResourceKind
from sekisho.server.desktop import pages, words
from sekisho.server.desktop.grants import Event, Why

# SHA-256 of the very files of the packages that ui/static/VENDORED.md names.
VENDORED = {
    "iron-remote-desktop-rdp-0.7.0.js": (
        "b008f0e258fd9485c6f2b07747116d4fcbbe51053ce995abd048fb2b79636332"
    ),
    "novnc-1.7.0": "fd37e80287fb223f791c538088a48bb052553f716860b777fb25209bbfd9deb3",
}


def test_vendored_files_are_those_of_the_packages() -> None:
    folder = Path(str(files("sekisho.server.desktop"))) / "static/vendor"
    found = {each.name: _digest(each) for each in folder.iterdir()}
    assert found == VENDORED


def _digest(path: Path) -> str:
    """Return SHA-256 of a file, or of a folder's files as ``sha256sum`` lists them by name."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    lines = "".join(f"{_digest(path / name)}  {name}\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("kind", [ResourceKind.RDP, ResourceKind.VNC])
def test_the_page_loads_its_own_parts_alone(kind: ResourceKind) -> None:
    desk = resource(kind=kind, name_ja="<b>机</b>")
    said = pages.desktop_page(desk, "ja")
    html = said.body.decode()
    assert "<b>机" not in html
    assert "style=" not in html
    for path in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert pages.part(path).status == 200, path
    policy = said.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")


def test_scripts_import_what_is_there() -> None:
    root = files("sekisho.server.desktop").joinpath("static")
    for each in root.iterdir():
        if each.name.endswith(".js"):
            for path in re.findall(r'from "(/[^"]+)"', each.read_text("utf-8")):
                assert pages.part(path).status == 200, (each.name, path)


def test_nothing_else_is_served() -> None:
    for path in (
        "/../words.py",
        "/templates/desktop.html",
        "/vendor",
        "/",
        "/vendor/../desktop.css",
    ):
        assert pages.part(path).status == 404, path


def test_every_reason_is_said_and_a_certificate_is_shown_beside_the_confirmed_one() -> None:
    desk = resource(kind=ResourceKind.RDP, pin="a" * 64)
    assert set(words.WHY) == set(Why)
    assert pages.say_why(None, desk, "ja") == {}
    assert pages.say_why(Event(kind="opened"), desk, "ja") == {}
    changed = Event(kind="ended", why=Why.CERTIFICATE_CHANGED, shown="b" * 64)
    told = pages.say_why(changed, desk, "ja")
    assert (told["shown"], told["pinned"]) == ("b" * 64, "a" * 64)
