"""Why nothing opened it, although nothing forbade it: which condition of which policy was open."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sekisho.access.engine import builtin
from sekisho.access.engine.book import Compiled
from sekisho.access.engine.saying import DAYS
from sekisho.access.engine.schema import WORDS_OF_SIGNAL
from sekisho.access.engine.terms import Unmet, list_unmet
from sekisho.access.model import WORDS_OF_TRUST, Reason, Trust
from sekisho.access.policies import Policy
from sekisho.identity.model import WORDS_OF_STRENGTH, Strength
from sekisho.kernel.i18n import Localized, Text, msg

_HOUR = 60


@lru_cache(maxsize=4_096)
def own_reason(policy: Policy) -> Reason:
    """Return the reason that a policy of the organisation gives, in its own words."""
    title = _in_own_words(policy.titled("ja"), policy.titled("en"))
    fix_ja, fix_en = policy.fix_ja or policy.fix_en, policy.fix_en or policy.fix_ja
    fix = _in_own_words(fix_ja, fix_en) if fix_ja else msg("Ask your administrator.")
    return Reason(policy.id, title, fix)


def _in_own_words(japanese: str, english: str) -> Text:
    return Text("%(words)s", {"words": Localized(ja=japanese, en=english)})


def explain_absence(own: Sequence[Compiled], context: Mapping[str, Any]) -> list[Reason]:
    """Return what the nearest permits still ask for; the one with fewest open conditions."""
    near = [
        (list_unmet(each.form, context), each)
        for each in own
        if each.effect == "permit" and each.form is not None
    ]
    if not near:
        texts = [own_reason(each.policy) for each in own if each.effect == "permit"]
        return [builtin.built_in_reason("sekisho.no-policy"), *texts[:1]]
    unmet, best = min(near, key=lambda pair: (len(pair[0]), pair[1].policy.id))
    if [each.field for each in unmet] == ["needs_grant"]:
        return [builtin.built_in_reason("sekisho.needs-request")]
    return [_say(best.policy, each) for each in unmet]


def _say(policy: Policy, unmet: Unmet) -> Reason:
    if not unmet.known:
        signal = _SIGNALS[unmet.field]
        return builtin.built_in_reason("sekisho.missing-signal", missing=(signal,))
    text, fix, fix_at = _words(unmet)
    controls = unmet.wanted if isinstance(unmet.wanted, tuple) and unmet.field == "controls" else ()
    return Reason(policy.id, text, fix, controls=controls, fix_at=fix_at)


_SIGNALS = {
    "trusts": "trust", "strength": "mfa", "mfa_minutes": "mfa_age", "controls": "passing",
    "networks": "networks", "countries": "country", "weekdays": "weekday", "begin": "minute",
    "end": "minute", "until": "now", "needs_grant": "granted",
}  # fmt: skip


def _words(unmet: Unmet) -> tuple[Text, Text, str]:
    """Return what is missing, how to fix it, and the page that helps."""
    wanted: Any = unmet.wanted
    if unmet.field == "trusts":
        kinds = _join(WORDS_OF_TRUST[Trust(value)] for value in wanted)
        return (
            msg("It opens from these only: %(kinds)s.", kinds=kinds),
            msg("Use such a device."),
            "/my",
        )
    if unmet.field == "strength":
        return (
            msg("Your sign-in must prove: %(much)s.", much=WORDS_OF_STRENGTH[Strength(wanted)]),
            msg("Sign in with a passkey, or with a second factor."),
            "/sign-in",
        )
    if unmet.field == "mfa_minutes":
        return (
            msg("The proof of who you are may be %(n)s minutes old at most.", n=wanted),
            msg("Sign in again."),
            "/sign-in",
        )
    return _place_words(unmet)


def _place_words(unmet: Unmet) -> tuple[Text, Text, str]:
    wanted: Any = unmet.wanted
    if unmet.field == "controls":
        return (
            msg("These rules must be proven on the device: %(rules)s.", rules=", ".join(wanted)),
            msg("Fix them as your page shows; access comes back by itself."),
            "/my",
        )
    if unmet.field == "networks":
        return (
            msg("It opens from these networks only: %(names)s.", names=", ".join(wanted)),
            msg("Connect from one of them."),
            "",
        )
    if unmet.field == "countries":
        return (
            msg("It opens from these countries only: %(names)s.", names=", ".join(wanted)),
            msg("Ask your administrator before you travel."),
            "",
        )
    return _time_words(unmet)


def _time_words(unmet: Unmet) -> tuple[Text, Text, str]:
    wanted: Any = unmet.wanted
    if unmet.field == "weekdays":
        text = msg("It opens on these days only: %(days)s.",
                   days=_join(DAYS[day - 1] for day in wanted))  # fmt: skip
    elif unmet.field == "begin":
        text = msg("It opens from %(time)s on.", time=say_minute_of_day(wanted))
    elif unmet.field == "end":
        text = msg("It is open until %(time)s.", time=say_minute_of_day(wanted))
    elif unmet.field == "until":
        text = msg("This permission ended at %(time)s.", time=wanted)
    else:
        return (
            msg("This is opened on request, for a limited time."),
            msg("Ask for access with a reason; it opens once it is granted."),
            "/my/apps",
        )
    return text, msg("Try again at that time, or ask your administrator."), ""


def say_minute_of_day(minute: int) -> str:
    """Write a minute of the day as ``09:30``."""
    return f"{minute // _HOUR:02}:{minute % _HOUR:02}"


def _join(words: Iterable[Text]) -> Text:
    """Return several words as one, in either language."""
    some = list(words)
    if len(some) == 1:
        return some[0]
    return Text("%(first)s, %(rest)s", {"first": some[0], "rest": _join(some[1:])})


def name_signals(names: Iterable[str]) -> Text:
    """Say which signals are meant; names of policies stay as they are."""
    return _join([WORDS_OF_SIGNAL.get(name, Text(name)) for name in names])
