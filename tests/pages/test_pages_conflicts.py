"""Two people change the same thing at once: the later one is told and overwrites nothing."""

import re

from pages.conftest import Town
from sekisho.access.service import NamedNetwork, put_network
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service as notices
from sekisho.notices.model import ChannelKind

TOLD = "この間にほかの人が変更しました"
ISSUER = "https://login.example.jp/realms/main"


def _seen(town: Town, who: dict[str, str], page: str, action: str) -> str:
    """Return what the form of ``action`` on ``page`` was filled in from."""
    text = town.client().get(page, headers=who).text
    forms = re.findall(rf'action="{re.escape(action)}"(.*?)</form>', text, re.DOTALL)
    marks = [mark for form in forms for mark in re.findall(r'name="seen" value="(.*?)"', form)]
    assert marks, f"{page} has no form of {action} that says what it shows"
    return str(marks[0])


def _twice(town: Town, page: str, action: str, first: dict[str, str], later: dict[str, str]) -> str:
    """Open a form in two browsers, send both, and return what the later one is told."""
    boss = town.sign_in(town.add_person(f"佐伯{page}{action}", Role.ADMIN))
    seen = _seen(town, boss, page, action)
    done = town.client().post(
        action, headers=boss, data=first | {"seen": seen}, follow_redirects=False
    )
    assert done.status_code == 303, done.text
    refused = town.client().post(action, headers=boss, data=later | {"seen": seen})
    assert refused.status_code == 409, refused.text
    assert TOLD in refused.text
    again = later | {"seen": _seen(town, boss, page, action)}
    repeated = town.client().post(action, headers=boss, data=again, follow_redirects=False)
    assert repeated.status_code == 303, "who has looked again may change it"
    return refused.text


def test_what_roles_must_prove_is_not_overwritten(town: Town) -> None:
    _twice(town, "/people/sign-in", "/people/sign-in/requirements",
           {"manager": "3"}, {"manager": "2", "auditor": "3"})  # fmt: skip
    with town.house.database.read(SYSTEM) as tx:
        assert identity.list_requirements(tx)[Role.AUDITOR] == 3


def test_a_provider_is_not_overwritten(town: Town) -> None:
    form = {"name": "本社", "client_id": "a", "domains": "", "acr": "", "amr": "mfa", "secret": ""}
    with town.house.database.write(SYSTEM) as tx:
        made = identity.add_provider(tx, town.house.box, form | {"issuer": ISSUER})
    _twice(town, "/people/sign-in", f"/people/sign-in/providers/{made.id}",
           form | {"domains": "example.jp"}, form | {"name": "東京"})  # fmt: skip


def test_a_channel_is_not_overwritten_and_what_was_typed_stays(town: Town) -> None:
    order = notices.ChannelOrder(
        ChannelKind.SLACK, "SOC", {}, {"url": "https://hooks.slack.com/services/T/B/x"}
    )
    with town.house.database.write(SYSTEM) as tx:
        made = notices.set_channel(tx, town.house.box, order)
    form = {"kind": "slack", "id": made.id, "language": "ja", "enabled": "1"}
    page = _twice(town, f"/notices/channels/{made.id}", "/notices/channels",
                  form | {"name": "SOC 1"}, form | {"name": "当直"})  # fmt: skip
    assert 'value="当直"' in page


def test_a_network_is_not_overwritten(town: Town) -> None:
    with town.house.database.write(SYSTEM) as tx:
        put_network(tx, NamedNetwork("本社", ("203.0.113.0/24",)))
    form = {"name": "本社", "before": "本社", "country": ""}
    _twice(town, "/access/networks", "/access/networks",
           form | {"ranges": "203.0.113.0/25"}, form | {"ranges": "198.51.100.0/24"})  # fmt: skip


def test_a_finding_is_not_taken_from_whom_it_was_just_given_to(town: Town) -> None:
    device = town.enrol("pc-1", owner=town.add_person("田中 花子"))
    town.answer(device, failing=1)
    boss = town.sign_in(town.add_person("森下 彩", Role.SECURITY))
    listed = town.client().get("/api/findings", headers=boss).json()
    one = listed["findings"][0]["id"]
    page = _twice(town, f"/findings/{one}", f"/findings/{one}/assign",
                  {"act": "find", "who_words": "田中"}, {"act": "me"})  # fmt: skip
    assert "田中 花子" in page
