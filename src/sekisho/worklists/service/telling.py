"""Telling people of acts: to whom findings were given, and that a large act has ended."""

from collections.abc import Mapping

from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import LANGUAGES, Text, msg, translate
from sekisho.notices import service as notices
from sekisho.notices.model import Kind, People, Urgency
from sekisho.worklists.model import WORDS_OF_ACT, Act, ActKind, Outcome, Tally

_LARGE = 1_000


def tell_finished(tx: Transaction, act: Act, tally: Tally) -> None:
    """Tell whoever got findings, and whoever ordered something large that it is over."""
    done = tally.of(Outcome.DONE)
    given = act.words.get("person", "")
    if act.kind is ActKind.ASSIGN and given and done and given != act.person_id:
        _tell(
            tx, act, given, "given",
            (
                msg("Findings for you: %(number)s", number=f"{done:,}"),
                msg("%(name)s gave them to you. The list shows what is wrong and by when it should "
                    "be mended.", name=act.actor_name),
            ),
            "/findings?who=me",
        )  # fmt: skip
    if act.person_id and act.total >= _LARGE:
        _tell(
            tx, act, act.person_id, "ended",
            (
                msg("An act on many is over: %(what)s", what=WORDS_OF_ACT[act.kind]),
                msg("Done: %(done)s of %(total)s. The page of the act tells of every row.",
                    done=f"{done:,}", total=f"{act.total:,}"),
            ),
            f"/acts/{act.id}",
        )  # fmt: skip


def _tell(
    tx: Transaction, act: Act, person: str, what: str, words: tuple[Text, Text], link: str
) -> None:
    notices.queue_notice(
        tx, to=People([person]), kind=Kind.TASK_ASSIGNED, subject=f"act:{act.id}",
        title=_both(words[0]), body=_both(words[1]), urgency=Urgency.NORMAL, link=link,
        dedupe_key=f"act:{act.id}:{what}",
    )  # fmt: skip


def _both(text: Text) -> Mapping[str, str]:
    return {language: translate(text, language) for language in LANGUAGES}
