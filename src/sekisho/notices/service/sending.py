"""Send what is due: claim it, hand it to the channels outside any transaction, note what became.

At least once: a crash between a sending and its note repeats the sending, under the same
Message-ID. Nothing is lost: whatever cannot leave stays, with its reason, until it is dead, and
then a person can send it again.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec
import structlog

from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity import service as identity
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import digest_token
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.notices.engine.planning import merge_digests
from sekisho.notices.engine.retrying import Failure, Scope, judge_failure, wait_after
from sekisho.notices.engine.wording import MOST_IN_DIGEST, House
from sekisho.notices.model import (
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    Fault,
    Kind,
    Letter,
    Preferences,
)
from sekisho.notices.service.inviting import ENDED, write_invitation
from sekisho.notices.service.posting import zone_of
from sekisho.notices.sources.carrier import Carrier, SendingError, Way
from sekisho.notices.sources.hooks import HookCarrier
from sekisho.notices.sources.mail import MailCarrier
from sekisho.notices.store import channels, deliveries, preferences

log = structlog.get_logger()

CLAIMED_AT_ONCE = 200
NOTED_AT_ONCE = 50
_LEASE = timedelta(minutes=15)
_MERGE_FROM = 5  # this many waiting for a shared channel become one message


@dataclass(frozen=True, slots=True)
class Outside:
    """What sending needs besides the database."""

    clock: Clock
    box: SecretBox
    house: House
    zone: tzinfo = UTC
    inside: tuple[str, ...] = ()
    pause: Callable[[float], object] = field(default=time.sleep)
    chance: Callable[[], float] = field(default=random.random)


def make_outside(settings: Settings, box: SecretBox, clock: Clock) -> Outside:
    """Return what sending needs of an installation."""
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    inside = tuple(name.strip() for name in settings.webhooks_inside.split(",") if name.strip())
    house = House(settings.organisation, settings.public_url, settings.admin_url)
    return Outside(clock, box, house, zone or clock.now().astimezone().tzinfo or UTC, inside)


@dataclass(frozen=True, slots=True)
class _Errand:
    """A letter with the deliveries that it fulfils."""

    letter: Letter
    deliveries: tuple[Delivery, ...]


_OWN_FAULT = Failure(
    Scope.LETTER,
    Fault(
        msg("Sekisho could not write this notice."),
        msg("This is a fault of the program: the log of the worker says more."),
    ),
)


def send_due(database: Database, outside: Outside) -> int:
    """Send what is due by every channel that may be used; return how many deliveries left."""
    with database.write(SYSTEM) as tx:
        ready = {channel.id: channel for channel in channels.list_ready(tx)}
        claimed = deliveries.claim_due(tx, sorted(ready), tx.now + _LEASE, CLAIMED_AT_ONCE)
        errands = _make_errands(tx, claimed, ready, outside)
    sent = 0
    for channel_id, some in errands.items():
        sent += _Round(database, outside, ready[channel_id]).run(some)
    return sent


def _make_errands(
    tx: Transaction, claimed: Sequence[Delivery], ready: Mapping[str, Channel], outside: Outside
) -> dict[str, list[_Errand]]:
    """Turn deliveries into letters, by channel; a digest is one letter."""
    people = [d.person_id for d in claimed if d.person_id]
    reached = {person.id: person for person in identity.list_reachable(tx, people)}
    chosen = preferences.get_preferences(tx, list(reached))
    places = identity.places_of(tx, reached)
    errands: dict[str, list[_Errand]] = {}
    for channel_id, some in _bundles(claimed).items():
        channel = ready[channel_id]
        for bundle in some:
            if bundle[0].post.kind is Kind.INVITATION:
                invitation = write_invitation(tx, outside.box, bundle[0], outside.zone)
                if invitation is None:
                    _drop(tx, bundle, ENDED)
                else:
                    errand = _Errand(invitation, tuple(bundle))
                    errands.setdefault(channel_id, []).append(errand)
                continue
            person = reached.get(bundle[0].person_id or "")
            if bundle[0].person_id and person is None:
                _drop(tx, bundle, _GONE)
                continue
            own = chosen.get(bundle[0].person_id or "", Preferences())
            place = places.get(bundle[0].person_id or "")
            letter = _letter(channel, bundle, person, own, zone_of(own, place, outside.zone))
            errands.setdefault(channel_id, []).append(_Errand(letter, tuple(bundle)))
    return errands


_GONE = Fault(msg("This person is no longer active."), msg("Nothing to do."))


def _drop(tx: Transaction, bundle: Sequence[Delivery], fault: Fault) -> None:
    """Let go of what must not be sent any more: its reader has left, its link has ended."""
    deliveries.note_failed(tx, [
        {"id": d.id, "state": DeliveryState.DEAD, "due_at": d.due_at, "tries": d.tries,
         "fault": fault} for d in bundle
    ])  # fmt: skip


def _bundles(claimed: Sequence[Delivery]) -> dict[str, list[list[Delivery]]]:
    """Group by channel, then into what leaves as one letter."""
    by_id = {d.id: d for d in claimed}
    joined = [d for d in claimed if d.digest or d.person_id is None]
    groups = merge_digests([(d.id, d.person_id or "", d.channel_id) for d in joined])
    found: dict[str, list[list[Delivery]]] = {}
    for (person_id, channel_id), ids in groups.items():
        size = MOST_IN_DIGEST if person_id or len(ids) > _MERGE_FROM else 1
        cut = len(ids) if person_id else size
        parts = [[by_id[i] for i in ids[at : at + cut]] for at in range(0, len(ids), cut)]
        found.setdefault(channel_id, []).extend(parts)
    for delivery in claimed:
        if not delivery.digest and delivery.person_id is not None:
            found.setdefault(delivery.channel_id, []).append([delivery])
    return found


def _letter(
    channel: Channel, bundle: Sequence[Delivery], person: identity.Reachable | None,
    chosen: Preferences, zone: tzinfo,
) -> Letter:  # fmt: skip
    first, several = bundle[0], len(bundle) > 1
    name = digest_token(",".join(d.id for d in bundle))[:32] if several else first.id
    return Letter(
        message_id=name,
        thread="" if several else _thread(first),
        language=chosen.language or person.language if person else channel.language,
        posts=tuple(d.post for d in bundle),
        address=person.email if person else "",
        name=person.name if person else channel.name,
        digest=several or first.digest,
        zone=zone,
    )


def _thread(delivery: Delivery) -> str:
    """Return the name of the thread of this subject with this person."""
    return "thread." + digest_token(f"{delivery.person_id}:{delivery.post.subject}")[:32]


class _Round:
    """One round of one channel: connect, send one letter after the other, note in small groups."""

    def __init__(self, database: Database, outside: Outside, channel: Channel) -> None:
        self._database = database
        self._outside = outside
        self._channel = channel
        self._sent: list[_Errand] = []
        self._failed: list[tuple[_Errand, Failure]] = []

    def run(self, errands: Sequence[_Errand]) -> int:
        """Send; after a failure of the channel the rest stays for later. Return how many left."""
        left, total = list(errands), 0
        try:
            with open_carrier(self._channel, self._outside) as carrier:
                while left:
                    self._send(carrier, left.pop(0))
                    if len(self._sent) + len(self._failed) >= NOTED_AT_ONCE:
                        total += self._note(None, ())
                    self._outside.pause(carrier.pause_seconds if left else 0)
        except SendingError as error:
            return total + self._note(error.failure, left)
        except SekishoError as error:  # its setup cannot be used: a key that does not open, …
            fault = Fault(_text(error.message), _text(error.hint))
            return total + self._note(Failure(Scope.CHANNEL, fault), left)
        return total + self._note(None, ())

    def _send(self, carrier: Carrier, errand: _Errand) -> None:
        try:
            carrier.send(errand.letter)
        except SendingError as error:
            # Whatever it was, this letter waits longer: one that breaks its channel each time
            # must not stand before all others.
            self._failed.append((errand, replace(error.failure, scope=Scope.LETTER)))
            if error.failure.scope is Scope.CHANNEL:
                raise
        except Exception:
            log.exception("a notice could not be written", notices=[errand.letter.message_id])
            self._failed.append((errand, _OWN_FAULT))
        else:
            self._sent.append(errand)

    def _note(self, failure: Failure | None, left: Iterable[_Errand]) -> int:
        """Note what became of each delivery, and how the channel fares, in one transaction."""
        sent, failed = self._sent, self._failed
        self._sent, self._failed = [], []
        if failure is not None:
            failed += [(errand, failure) for errand in left]
        with self._database.write(SYSTEM) as tx:
            deliveries.note_sent(tx, [d.id for errand in sent for d in errand.deliveries])
            _note_failed(tx, failed, self._outside.chance())
            self._note_channel(tx, failure, worked=bool(sent))
            evidence.record_many(tx, [*_records("notice.sent", sent),
                                      *_records("notice.refused", _dead(failed))])  # fmt: skip
        return sum(len(errand.deliveries) for errand in sent)

    def _note_channel(self, tx: Transaction, failure: Failure | None, *, worked: bool) -> None:
        if worked:
            channels.note_success(tx, self._channel.id)
            self._channel = replace(self._channel, failures=0)
        if failure is None:
            return
        failures = self._channel.failures + 1
        wait = wait_after(failures, self._outside.chance(), failure.wait)
        channels.note_failure(tx, self._channel.id, failure.fault, failures, tx.now + wait)
        self._channel = replace(self._channel, failures=failures)
        log.warning("notices wait for a channel", channel=self._channel.name,
                    why=str(failure.fault.message), seconds=int(wait.total_seconds()))  # fmt: skip


def _note_failed(tx: Transaction, failed: Sequence[tuple[_Errand, Failure]], chance: float) -> None:
    rows = []
    for errand, failure in failed:
        for d in errand.deliveries:
            outcome = judge_failure(failure, d.tries, d.created_at, tx.now, chance)
            state = DeliveryState.DEAD if outcome.dead else DeliveryState.WAITING
            rows.append({"id": d.id, "state": state, "due_at": outcome.due_at,
                         "tries": outcome.tries, "fault": failure.fault})  # fmt: skip
    deliveries.note_failed(tx, rows)


def _dead(failed: Sequence[tuple[_Errand, Failure]]) -> list[_Errand]:
    return [errand for errand, failure in failed if failure.final]


def _records(kind: str, errands: Iterable[_Errand]) -> list[NewRecord]:
    return [
        NewRecord(kind, d.post.subject,
                  {"notice": d.post.id, "delivery": d.id, "channel": d.channel_id}, d.person_id)
        for errand in errands
        for d in errand.deliveries
    ]  # fmt: skip


def open_carrier(channel: Channel, outside: Outside) -> Carrier:
    """Make the carrier of a channel, its secrets opened."""
    way = Way(channel.setup, open_secrets(channel, outside.box), outside.house, outside.inside)
    if channel.kind is ChannelKind.MAIL:
        return MailCarrier(way, outside.clock)
    return HookCarrier(channel.kind, way, outside.clock)


def seal_secrets(box: SecretBox, channel_id: str, secrets: Mapping[str, str]) -> bytes | None:
    """Seal the secrets of a channel; None if there are none."""
    if not secrets:
        return None
    return box.seal(msgspec.json.encode(dict(secrets)), f"notices.channel:{channel_id}")


def open_secrets(channel: Channel, box: SecretBox) -> dict[str, str]:
    """Open the secrets of a channel; raise InvalidInputError if the key is another."""
    if channel.sealed is None:
        return {}
    plain = box.open(channel.sealed, f"notices.channel:{channel.id}")
    return msgspec.json.decode(plain, type=dict[str, str])


def _text(message: Text | str) -> Text:
    return message if isinstance(message, Text) else Text(message)
