"""What one's own page says of access: the sentence for every situation, and when access ends."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sekisho.controls.access import AccessKind, AccessReason, AccessState
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import Severity, VerdictKind
from sekisho.devices.model import DeviceState
from sekisho.identity.model import Role
from sekisho.kernel.i18n import translate
from sekisho.kernel.ids import DeviceID
from sekisho.server.pages.standing import Situation, find_end, say_comfort, say_headline

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SOON = NOW + timedelta(days=3)
LATER = NOW + timedelta(days=9)
CATALOGUE = load_catalogue()
FINE = Situation(DeviceState.ACTIVE, AccessKind.FINE, None, None, ())


def rows(*outcomes: str) -> Sequence[Any]:
    return [SimpleNamespace(outcome=outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("state", "outcomes", "words"),
    [
        (DeviceState.ACTIVE, ("pass", "exempt"), "Everything is fine"),
        (DeviceState.ACTIVE, ("pass", "fail", "unknown"), "One thing needs fixing"),
        (DeviceState.ACTIVE, ("fail", "fail"), "2 things need fixing"),
        (DeviceState.ACTIVE, ("pass", "unknown"), "Not everything is known yet"),
        (DeviceState.ACTIVE, (), "Not everything is known yet"),
        (DeviceState.PAUSED, ("fail",), "Paused"),
        (DeviceState.CONSENT, (), "Nothing is asked yet"),
        (DeviceState.PENDING, (), "Waiting to be let in"),
    ],
)
def test_the_answer_in_one_line(state: DeviceState, outcomes: Sequence[str], words: str) -> None:
    assert str(say_headline(state, rows(*outcomes))) == words


@pytest.mark.parametrize(
    ("situation", "outcomes", "words"),
    [
        (FINE, ("pass",), "There is nothing to do."),
        (replace(FINE, access=AccessKind.FIX_BY, ends=SOON), ("fail",), "After that, access ends"),
        (replace(FINE, access=AccessKind.FIX_BY, due=SOON), ("fail",), "Please fix it by then"),
        (replace(FINE, access=AccessKind.FIX_BY), ("fail",), "The time for this has run out."),
        (replace(FINE, access=AccessKind.NOT_ALLOWED), ("fail",), "is closed. It opens again"),
        (replace(FINE, access=AccessKind.UNKNOWN), ("fail", "unknown"), "fix this meanwhile"),
        (replace(FINE, access=AccessKind.UNKNOWN), ("unknown",), "Access waits until it is known"),
        (replace(FINE, access=AccessKind.UNKNOWN), (), "Access waits until it is known"),
        (FINE, ("pass", "unknown"), "You need not do anything: the computer is asked"),
        (replace(FINE, access=AccessKind.NOT_ALLOWED), ("unknown",), "is closed. Please ask"),
        # All its rules pass, and still somebody closed the way: never "nothing to do".
        (replace(FINE, access=AccessKind.NOT_ALLOWED), ("pass",), "is closed. Please ask"),
        (replace(FINE, access=AccessKind.UNKNOWN), ("pass",), "Access waits until it is known"),
        (replace(FINE, state=DeviceState.PAUSED), ("pass",), "Nothing is asked until you go on."),
    ],
)
def test_the_sentence_beside_it(situation: Situation, outcomes: Sequence[str], words: str) -> None:
    said = say_comfort(replace(situation, rows=rows(*outcomes)))
    assert words in str(said)
    assert translate(said, "ja") != str(said)


def reason(severity: Severity, until: datetime | None) -> AccessReason:
    control = next(c for c in CATALOGUE.controls.values() if c.severity is severity)
    return AccessReason(AccessKind.FIX_BY, control.id, VerdictKind.FAIL, VerdictKind.FAIL, until)


def state(kind: AccessKind, *reasons: AccessReason) -> AccessState:
    return AccessState(DeviceID("dev_1"), kind, reasons, NOW, LATER)


def test_access_ends_with_the_first_rule_that_blocks() -> None:
    high, critical = reason(Severity.HIGH, LATER), reason(Severity.CRITICAL, SOON)
    assert find_end(state(AccessKind.FIX_BY, high, critical), CATALOGUE) == SOON


def test_what_does_not_block_ends_nothing() -> None:
    assert find_end(state(AccessKind.FIX_BY, reason(Severity.LOW, SOON)), CATALOGUE) is None


@pytest.mark.parametrize("kind", [AccessKind.FINE, AccessKind.UNKNOWN, AccessKind.NOT_ALLOWED])
def test_no_date_is_promised_where_access_does_not_hold_by_grace(kind: AccessKind) -> None:
    assert find_end(state(kind, reason(Severity.CRITICAL, SOON)), CATALOGUE) is None


def test_a_rule_that_is_no_longer_there_ends_nothing() -> None:
    gone = replace(reason(Severity.CRITICAL, SOON), control_id=None)
    assert find_end(state(AccessKind.FIX_BY, gone), CATALOGUE) is None


def test_the_page_says_it_and_lists_what_is_mine(town: Any) -> None:
    owner = town.add_person("森下 彩", Role.TELEWORKER)
    device = town.enrol("mine", owner=owner)
    town.answer(device, failing=1)
    page = town.client("public").get("/my", headers=town.sign_in(owner)).text
    for part in ('href="/my/reports/new"', 'href="/my/exceptions"', 'href="/my/self-checks"',
                 'href="/my/notices"', 'href="/account"', "1か所",
                 f"/my/exceptions/new?device={device.id}"):  # fmt: skip
        assert part in page, part
    assert "最後に送られた答えをそのまま見る" in page
