"""A dated list that has grown old is renewed in the browser: taken away, edited, sent back."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pages.conftest import Town
from sekisho.controls.service import content, renewing
from sekisho.detection.sources.fetching import WebFetcher
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM


def _send(town: Town, who: dict[str, str], name: str, text: bytes) -> int:
    file = {"file": (name, text, "application/yaml")}
    form = {"csrf": who["X-CSRF-Token"]}
    sent = town.client().post(
        "/controls/lists", files=file, data=form, headers=who, follow_redirects=False
    )
    return sent.status_code


def test_a_list_is_taken_away_and_a_newer_one_brought_in(town: Town, guard: dict[str, str]) -> None:
    given = town.client().get("/controls/lists/xprotect", headers=guard)
    day = next(line for line in given.text.splitlines() if line.startswith("as_of:"))
    newer = f"as_of: {(town.clock.now() - timedelta(days=1)).date().isoformat()}"
    reader = town.sign_in(town.add_person("阿部 慧", Role.AUDITOR))

    assert _send(town, reader, "xprotect.yaml", given.content) == 403
    for name, text in (
        ("xprotect.yaml", given.text.replace(day, "as_of: 2020-01-01").encode()),
        ("xprotect.yaml", given.text.replace(day, "as_of: 2099-01-01").encode()),
        ("xprotect.yaml", b"as_of: [\xff"),
        ("xprotect.yaml", b"a: &a [*a, *a]"),
        ("../exceptions/rules.yaml", given.content),
        ("nothing.yaml", given.content),
    ):
        assert _send(town, guard, name, text) in {400, 422}, (name, text[:30])
    with town.house.database.read(SYSTEM) as tx:
        assert content.read_content(tx) == {}
    renewed = given.text.replace(day, newer)
    assert _send(town, guard, "xprotect.yaml", renewed.encode()) == 303

    with town.house.database.write(SYSTEM) as tx:
        assert content.read_content(tx) == {"data/xprotect.yaml": renewed}
        evidence.seal_records(tx)
        told = evidence.list_records(tx, kind="content.changed")
    assert [record.subject for record in told] == ["content:data/xprotect.yaml"]
    assert town.client().get("/controls/lists/xprotect", headers=guard).text == renewed
    assert town.client().get("/controls/lists/secret.key", headers=guard).status_code == 404
    town.clock.advance(minutes=20)  # a session left open puts no list in force
    program = guard | {"Accept": "application/json"}
    assert _send(town, program, "xprotect.yaml", given.content) == 403


class Shelf(HTTPServer):
    """A folder elsewhere: what each address gives, a text or where it leads on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.files: dict[str, bytes] = {}
        self.leads: dict[str, str] = {}

    def put(self, name: str, text: str) -> None:
        """Lay a list and write the digests anew."""
        self.files[name] = text.encode()
        sums = {n: hashlib.sha256(t).hexdigest() for n, t in self.files.items() if "." in n}
        self.files["SHA256SUMS"] = "".join(f"{d}  {n}\n" for n, d in sums.items()).encode()


class _Asked(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        leads = self.server.leads.get(name)
        found = self.server.files.get(name)
        self.send_response(302 if leads else 200 if found is not None else 404)
        if leads:
            self.send_header("Location", leads)
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def _visit(town: Town, shelf: Shelf) -> tuple[list[str], str]:
    """Let the worker's other thread visit the folder; return what it took and its trouble."""
    fetcher = WebFetcher(most=renewing.LARGEST)
    taken = renewing.renew_lists(
        town.house.database, f"http://localhost:{shelf.server_port}/lists/",
        lambda file: fetcher.fetch(file, "").content or b"",
    )  # fmt: skip
    with town.house.database.read(SYSTEM) as tx:
        renewal = renewing.find_renewal(tx)
    assert renewal is not None
    assert (renewal.trouble is None) == (renewal.asked_at == renewal.fine_at)
    return taken, str(renewal.trouble or "")


def _renewed(town: Town, name: str, *, days: int = 1) -> str:
    text = content.usual_content()[f"data/{name}"]
    day = next(line for line in text.splitlines() if line.startswith("as_of:"))
    newer = f"as_of: {(town.clock.now() - timedelta(days=days)).date().isoformat()}"
    return text.replace(day, newer)


def test_newer_lists_come_from_an_address(town: Town, shelf: Shelf, guard: dict[str, str]) -> None:
    newer = _renewed(town, "xprotect.yaml")
    shelf.put("xprotect.yaml", newer)
    shelf.put("organisation.yaml", "nobody takes this")  # it does not grow old
    assert _visit(town, shelf) == (["xprotect.yaml"], "")
    assert _visit(town, shelf) == ([], "")  # nothing is new
    shelf.put("xprotect.yaml", _renewed(town, "xprotect.yaml", days=3))
    assert _visit(town, shelf) == ([], "")  # an older one is left
    with town.house.database.write(SYSTEM) as tx:
        assert content.read_content(tx) == {"data/xprotect.yaml": newer}
        evidence.seal_records(tx)
        (told,) = evidence.list_records(tx, kind="content.changed")
    assert told.detail is not None
    assert str(told.detail["from"]).endswith("/lists/xprotect.yaml")
    assert "lists_from" in town.client().get("/controls", headers=guard).text


def test_what_is_wrong_at_the_address_takes_nothing(town: Town, shelf: Shelf) -> None:
    fine, span = _renewed(town, "endoflife.yaml"), "stale_after_days: "
    hostile = (
        _renewed(town, "xprotect.yaml").replace(f"{span}60", f"{span}600"),
        _renewed(town, "xprotect.yaml", days=-2),
        "as_of: [",
        "a: &a [*a, *a]",
        "x" * (renewing.LARGEST + 1),
    )
    for text in hostile:
        shelf.put("endoflife.yaml", fine)
        shelf.put("xprotect.yaml", text)
        taken, trouble = _visit(town, shelf)
        assert taken == [], text[:40]
        assert trouble, text[:40]
    shelf.put("xprotect.yaml", _renewed(town, "xprotect.yaml"))
    sums, given = shelf.files["SHA256SUMS"], shelf.files["xprotect.yaml"]
    shelf.files["xprotect.yaml"] = given + b"\n"  # not what the digests say
    assert "SHA256SUMS" in _visit(town, shelf)[1]
    shelf.files["xprotect.yaml"] = given
    for wrong in (b"", b"<html>", b"\xff\xfe", b"0" * 64 + b"  other.yaml\n"):
        shelf.files["SHA256SUMS"] = wrong
        assert "SHA256SUMS" in _visit(town, shelf)[1]
    shelf.files["SHA256SUMS"] = sums
    shelf.leads["xprotect.yaml"] = "http://example.invalid/xprotect.yaml"
    assert "http://example.invalid" in _visit(town, shelf)[1]
    shelf.leads.clear()
    del shelf.files["endoflife.yaml"]
    assert "404" in _visit(town, shelf)[1]
    with town.house.database.read(SYSTEM) as tx:
        assert content.read_content(tx) == {}
