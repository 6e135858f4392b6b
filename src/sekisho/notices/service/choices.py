"""How one wants to be told: channel and way by topic, digest, quiet hours, language, zone."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import LANGUAGES, msg
from sekisho.notices.model import (
    DAYS_OF_WEEK,
    HOURS_OF_DAY,
    MAIL_CHANNEL,
    Channel,
    Preferences,
    Topic,
    Way,
)
from sekisho.notices.service.inbox import own_id
from sekisho.notices.store import channels, leaving, preferences


def get_choices(tx: Transaction) -> Preferences:
    """Return one's own choices, or what holds without any. Needs ``self.read``."""
    person = own_id(tx, "self.read")
    return preferences.get_preferences(tx, [person]).get(person, Preferences())


def list_ways_out(tx: Transaction) -> list[Channel]:
    """List the channels by which one can be told: the mail, then one's own webhooks."""
    person = own_id(tx, "self.read")
    mail = channels.find_channel(tx, MAIL_CHANNEL)
    shared = [mail] if mail is not None and mail.enabled else []
    return [*shared, *channels.list_personal(tx, [person])]


def set_choices(tx: Transaction, chosen: Preferences) -> None:
    """Keep one's choices. Needs ``self.write``; raises InvalidInputError for an impossible one."""
    person = own_id(tx, "self.write")
    _check(chosen)
    known = {channel.id for channel in list_ways_out(tx)}
    ways: dict[str, Mapping[Topic, Way]] = {c: w for c, w in chosen.ways.items() if c in known}
    kept = Preferences(
        chosen.language, chosen.time_zone, chosen.digest, chosen.hour, chosen.weekday,
        chosen.quiet_from, chosen.quiet_until, chosen.urgent_passes, ways,
    )  # fmt: skip
    preferences.set_preferences(tx, person, kept)
    evidence.record(
        tx, kind="notice.choices_changed", subject=f"person:{person}", detail={}, person=person
    )


def forget_person(tx: Transaction, person_id: str) -> None:
    """Forget what was told to somebody who leaves, what waits for them, and how they chose it.

    Needs ``identity.write`` over them.
    """
    tx.principal.require("identity.write", identity.unit_of(tx, person_id))
    leaving.forget_person(tx, person_id)


def _check(chosen: Preferences) -> None:
    if chosen.language and chosen.language not in LANGUAGES:
        raise InvalidInputError(
            msg("The language “%(got)s” is not known; ja or en is expected.", got=chosen.language)
        )
    try:
        ZoneInfo(chosen.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInputError(
            msg("The time zone “%(got)s” is not known.", got=chosen.time_zone[:64]),
            hint=msg("Name one of the IANA database, such as Asia/Tokyo."),
        ) from error
    if not (0 <= chosen.hour < HOURS_OF_DAY and 0 <= chosen.weekday < DAYS_OF_WEEK):
        raise InvalidInputError(msg("Choose an hour from 0 to 23 and a day of the week."))
