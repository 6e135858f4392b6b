"""Whatever goes out as CSV runs nothing in a spreadsheet: every route that gives one is read."""

import csv
import io
import re
from datetime import timedelta
from urllib.parse import urlencode

from pages.conftest import Town
from pages.test_pages_roles import read_table
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from sekisho.server.chores import work_on_acts

_RUNS = tuple("=+-@＝＋－＠\t\r\n\0")
FORMULA = '=HYPERLINK("http://evil.example")'
NAME, UNIT, TAG = "＝1＋1", "@SUM(A1)", "-2+3"


def _post(town: Town, who: dict[str, str], path: str, **form: str) -> str:
    body = urlencode([*form.items(), ("csrf", who["X-CSRF-Token"])])
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    done = town.client().post(path, content=body, headers={**who, **kind}, follow_redirects=False)
    assert done.status_code == 303, done.text
    return str(done.headers["location"])


def _fill(town: Town, boss: dict[str, str]) -> str:
    """Let hostile words stand wherever a list takes them; return an act on many that has ended."""
    owner = town.add_person(NAME, Role.TELEWORKER)
    with town.house.database.write(SYSTEM) as tx:
        unit = identity.create_unit(tx, identity.UnitDraft(UNIT)).id
        identity.place_person(tx, owner, unit)
    device = town.enrol(FORMULA, owner=owner)
    town.answer(device, failing=1)
    act = _post(town, boss, "/acts", listing="devices", kind="tag", which="all", wish="")
    _post(town, boss, f"{act}/plan", kind="tag", tags=TAG)
    _post(town, boss, f"{act}/start")
    work_on_acts(town.house)
    page = town.client().get(f"/devices/{device.id}?verdict=fail", headers=boss).text
    rule = re.search(r"/controls/([a-z0-9-]+)", page)
    assert rule
    _post(town, boss, "/exceptions/new", rule=rule[1], scope=f"device:{device.id}", renews="",
          reason=FORMULA, measure=FORMULA,
          until=(town.clock.now() + timedelta(days=5)).date().isoformat())  # fmt: skip
    return act


def test_no_sheet_runs_in_a_spreadsheet(town: Town) -> None:
    boss = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    act = _fill(town, boss).removeprefix("/acts/")
    routes = [path for method, path in read_table() if method == "GET" and path.endswith(".csv")]
    seen = ""
    for route in routes:
        answer = town.client().get(route.replace("{act_id}", act), headers=boss)
        assert (answer.status_code, answer.headers["content-type"][:8]) == (200, "text/csv"), route
        rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
        assert len(rows) > 1, f"{route} has no line to look at"
        wrong = [cell for row in rows for cell in row if cell.startswith(_RUNS)]
        assert wrong == [], route
        seen += answer.text
    assert len(routes) >= 5
    for words in ("'=HYPERLINK", f"'{NAME}", f"'{UNIT}", f"'{TAG}"):
        assert words in seen, "the hostile words were there, as text"
