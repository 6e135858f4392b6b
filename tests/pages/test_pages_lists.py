"""A dated list that has grown old is renewed in the browser: taken away, edited, sent back."""

from datetime import timedelta

from pages.conftest import Town
from sekisho.controls.service import content
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
