"""Hand posts out: into every inbox they reach, and on their way by each person's channels.

One transaction takes a few hundred recipients, so that pages are never kept waiting; the cursor
of each post lies in the same transaction, so that a crash repeats nothing and loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo

from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import SYSTEM
from sekisho.notices.engine.planning import (
    plan_for_newcomer,
    plan_for_person,
    plan_for_shared,
)
from sekisho.notices.model import (
    Channel,
    ChannelKind,
    Holders,
    Newcomer,
    People,
    Planned,
    Preferences,
    Recipient,
)
from sekisho.notices.store import channels, deliveries, inbox, posts, preferences
from sekisho.notices.store.posts import OpenPost

PAIRS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Share:
    """A post with the people whom it reaches now, and whether that is everyone left."""

    opened: OpenPost
    people: Sequence[identity.Reachable]
    last: bool


def hand_out(database: Database, zone: tzinfo, *, most_turns: int = 1_000) -> int:
    """Hand out everything that waits, a few hundred recipients a transaction; return how many."""
    told = 0
    for _ in range(most_turns):
        with database.read(SYSTEM) as tx:
            if not posts.count_open(tx):
                break
        with database.write(SYSTEM) as tx:
            told += hand_out_some(tx, zone)
    return told


def hand_out_some(tx: Transaction, zone: tzinfo, most: int = PAIRS_AT_ONCE) -> int:
    """Hand out to about ``most`` recipients; return to how many."""
    shares = _take(tx, most)
    planner = _Planner(tx, shares, zone)
    planned = [entry for share in shares for entry in planner.plan(share)]
    pairs = [(s.opened.post.id, person.id) for s in shares for person in s.people
             if not isinstance(s.opened.reach, Newcomer)]  # fmt: skip
    inbox.insert_items(tx, pairs)
    deliveries.insert_deliveries(tx, planned)
    _move_on(tx, shares)
    return len(pairs)


def _take(tx: Transaction, most: int) -> list[_Share]:
    """Choose posts and their next recipients, ``most`` recipients together."""
    shares: list[_Share] = []
    opened = posts.list_open(tx, most)
    named = _reachable(tx, opened)
    left = most
    for one in opened:
        if left <= 0:
            break
        people = _next_people(tx, one, named, left)
        shares.append(_Share(one, people, last=len(people) < left))
        left -= max(1, len(people))
    return shares


def _reachable(tx: Transaction, opened: Sequence[OpenPost]) -> Mapping[str, identity.Reachable]:
    """Look all people up at once whom posts name."""
    ids = [i for one in opened if isinstance(one.reach, People) for i in one.reach.ids]
    new = [one.reach.id for one in opened if isinstance(one.reach, Newcomer)]
    found = [*identity.list_reachable(tx, ids), *identity.list_newcomers(tx, new)]
    return {person.id: person for person in found}


def _next_people(
    tx: Transaction, one: OpenPost, named: Mapping[str, identity.Reachable], limit: int
) -> Sequence[identity.Reachable]:
    if isinstance(one.reach, Holders):
        return identity.list_holders(
            tx,
            one.reach.right,
            unit=one.reach.unit,
            among=one.reach.roles,
            after=one.cursor,
            limit=limit,
        )
    ids = [one.reach.id] if isinstance(one.reach, Newcomer) else one.reach.ids
    wanted = (named[i] for i in sorted(set(ids)) if i > one.cursor and i in named)
    return list(wanted)[:limit]


class _Planner:
    """Knows everything that planning needs, read once a transaction."""

    def __init__(self, tx: Transaction, shares: Sequence[_Share], zone: tzinfo) -> None:
        ids = sorted({person.id for share in shares for person in share.people})
        self._now = tx.now
        self._zone = zone
        self._chosen = preferences.get_preferences(tx, ids)
        self._places = identity.places_of(tx, ids)
        self._shared = channels.list_shared(tx)
        self._mail = [c for c in self._shared if c.kind is ChannelKind.MAIL]
        self._own: dict[str, list[Channel]] = {}
        for channel in channels.list_personal(tx, ids):
            self._own.setdefault(channel.person_id or "", []).append(channel)

    def plan(self, share: _Share) -> list[tuple[str, str | None, Planned]]:
        """Plan what leaves for a share; shared channels get a post once, at its beginning."""
        post = share.opened.post
        found: list[tuple[str, str | None, Planned]] = []
        if not share.opened.cursor:
            shared = plan_for_shared(post, share.opened.reach, self._shared, self._now)
            found += [(post.id, None, plan) for plan in shared]
        for person in share.people:
            recipient = self._recipient(person)
            if isinstance(share.opened.reach, Newcomer):
                plans = plan_for_newcomer(recipient, self._mail, self._now)
                found += [(post.id, person.id, plan) for plan in plans]
                continue
            zone = zone_of(recipient.preferences, self._places.get(person.id), self._zone)
            ways = [*self._mail, *self._own.get(person.id, ())]
            plans = plan_for_person(post, recipient, ways, zone, self._now)
            found += [(post.id, person.id, plan) for plan in plans]
        return found

    def _recipient(self, person: identity.Reachable) -> Recipient:
        chosen = self._chosen.get(person.id, Preferences())
        return Recipient(person.id, person.name, person.email, person.language, chosen)


def zone_of(chosen: Preferences, place: identity.Place | None, default: tzinfo) -> tzinfo:
    """Return the time zone a person's times are in: as chosen, else where they work, else ours."""
    name = chosen.time_zone or (place.time_zone if place else "")
    return ZoneInfo(name) if name else default


def _move_on(tx: Transaction, shares: Sequence[_Share]) -> None:
    for share in shares:
        if not share.last:
            posts.move_cursor(tx, share.opened.post.id, share.people[-1].id)
    done = [share for share in shares if share.last]
    posts.finish_posts(tx, [share.opened.post.id for share in done])
    told = [share for share in shares if share.people or not share.opened.cursor]
    evidence.record_many(tx, [_record(share) for share in told])


def _record(share: _Share) -> NewRecord:
    post, people = share.opened.post, share.people
    detail: dict[str, object] = {"notice": post.id, "kind": post.kind.value, "people": len(people)}
    person = people[0].id if len(people) == 1 else None
    return NewRecord("notice.told", post.subject, detail, person)
