"""What devices say about failed queries is said in Japanese on Japanese pages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sekisho
from sekisho.controls.device_words import explain_words
from sekisho.kernel.i18n import translate

_AGENT = Path(sekisho.__file__).parent / "agent"
_RAISED = {"Unreadable", "UnreadableError", "QueryError"}
_UNKNOWN = "“%(words)s”"


def _said_by_the_agent() -> Iterator[tuple[str, str]]:
    """Yield (place, words) of each reason that the agent's tables and SQL can give."""
    for path in sorted(_AGENT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                words = _write(node.args[0]) if node.func.id in _RAISED else ""
                if words:
                    yield f"{path.relative_to(_AGENT)}:{node.lineno}", words


def _write(literal: ast.expr) -> str:
    """Write a literal with a 7 for each value in it; "" for what is no literal."""
    if isinstance(literal, ast.Constant):
        return str(literal.value)
    if isinstance(literal, ast.JoinedStr):
        return "".join(_write(part) or "7" for part in literal.values)
    return ""


def test_every_reason_of_our_agent_is_known() -> None:
    """A new reason in the agent needs its words here, or pages would be half English."""
    reasons = list(_said_by_the_agent())
    assert len(reasons) > 90
    assert [one for one in reasons if explain_words(one[1]).id == _UNKNOWN] == []


@pytest.mark.parametrize(
    ("said", "japanese"),
    [
        ("no such table: tpm_info", "テーブル tpm_info がありません"),
        (
            "the table could not be read: systemd does not run on this computer",
            "テーブルを読めませんでした：この端末では systemd が動いていません",
        ),
        (
            "the table could not be read: /etc/x could not be read: Permission denied",
            "テーブルを読めませんでした：/etc/x を読めませんでした：アクセスが許可されていません",
        ),
        (
            "not permitted by the approved manifest: users(number of rows)",
            "承認された読み取り項目に含まれていません：users(number of rows)",
        ),
        (
            "the table could not be read: /etc/x could not be read: Quota exceeded",
            "テーブルを読めませんでした：/etc/x を読めませんでした：「Quota exceeded」",
        ),
        ("disk I/O error", "「disk I/O error」"),
    ],
)
def test_known_words_are_said_in_japanese_and_others_are_quoted(said: str, japanese: str) -> None:
    """Reasons within reasons are said too; what is not known is shown as the device's own."""
    assert translate(explain_words(said), "ja") == japanese


def test_english_keeps_the_known_words_as_they_came() -> None:
    """In English a known reason reads exactly as the device sent it."""
    said = "the table could not be read: the command ufw is not installed on this computer"
    assert translate(explain_words(said), "en") == said


@given(st.text(max_size=300))
def test_any_words_can_be_said(said: str) -> None:
    """Whatever a device sends (per cent signs, nothing, anything) can be said in both."""
    for language in ("ja", "en"):
        assert (
            said.strip() in translate(explain_words(said), language)
            or explain_words(said).id != _UNKNOWN
        )


def test_hostile_words_take_no_time_and_no_depth() -> None:
    """Words made to nest without end are explained to a fixed depth."""
    said = translate(explain_words("the table could not be read: " * 10_000), "ja")
    assert said.count("テーブルを読めませんでした") <= 4
