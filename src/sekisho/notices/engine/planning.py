"""When and by which ways a person is told.

- The web inbox always has it; the rest follows what the person chose.
- Urgent notices never wait for a digest, and pass quiet hours unless the person said otherwise.
- Times are the person's own wall-clock; a wall time that a change of clocks skips or repeats is
  taken as the first instant at or after it (``zoneinfo``, fold 0).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta, tzinfo

from sekisho.notices.model import (
    Channel,
    ChannelKind,
    Digest,
    Holders,
    Planned,
    Post,
    Preferences,
    Reach,
    Recipient,
    Urgency,
    Way,
)

_DAY = timedelta(days=1)


def plan_for_person(
    post: Post, recipient: Recipient, channels: Iterable[Channel], zone: tzinfo, now: datetime
) -> list[Planned]:
    """Return the deliveries of a post to one person by the mail and their own channels."""
    chosen = recipient.preferences
    return [
        _plan(post, channel.id, chosen.way(channel.id, post.topic), chosen, zone, now)
        for channel in channels
        if _reaches(channel, recipient) and chosen.way(channel.id, post.topic) is not Way.OFF
    ]


def _reaches(channel: Channel, recipient: Recipient) -> bool:
    if channel.kind is ChannelKind.MAIL:
        return channel.enabled and bool(recipient.email)
    return channel.enabled and channel.person_id == recipient.person_id


def _plan(
    post: Post, channel_id: str, way: Way, chosen: Preferences, zone: tzinfo, now: datetime
) -> Planned:
    if way is Way.DIGEST and post.urgency is not Urgency.URGENT:
        return Planned(channel_id, next_digest(chosen, zone, now), digest=True)
    if post.urgency is Urgency.URGENT and chosen.urgent_passes:
        return Planned(channel_id, now, digest=False)
    return Planned(channel_id, end_of_quiet(chosen, zone, now), digest=False)


def plan_for_newcomer(
    recipient: Recipient, channels: Iterable[Channel], now: datetime
) -> list[Planned]:
    """Return the deliveries of an invitation: by mail, at once, as whoever invites expects."""
    return [
        Planned(channel.id, now, digest=False)
        for channel in channels
        if channel.kind is ChannelKind.MAIL and _reaches(channel, recipient)
    ]


def plan_for_shared(
    post: Post, reach: Reach, channels: Iterable[Channel], now: datetime
) -> list[Planned]:
    """Return the deliveries of a post to shared channels: what is for a role, not for a person."""
    if not isinstance(reach, Holders):
        return []
    return [
        Planned(channel.id, now, digest=False)
        for channel in channels
        if channel.enabled
        and channel.person_id is None
        and channel.kind is not ChannelKind.MAIL
        and (not channel.topics or post.topic in channel.topics)
    ]


def is_quiet(chosen: Preferences, zone: tzinfo, now: datetime) -> bool:
    """Tell whether ``now`` lies in the person's quiet hours."""
    wall, start, end = now.astimezone(zone).time(), chosen.quiet_from, chosen.quiet_until
    if start <= end:
        return start <= wall < end
    return wall >= start or wall < end


def end_of_quiet(chosen: Preferences, zone: tzinfo, now: datetime) -> datetime:
    """Return ``now``, or the end of the quiet hours that ``now`` lies in."""
    if not is_quiet(chosen, zone, now):
        return now
    return _next_wall(chosen.quiet_until, zone, now)


def next_digest(chosen: Preferences, zone: tzinfo, now: datetime) -> datetime:
    """Return when the next digest leaves (always after ``now``)."""
    due = _next_wall(time(chosen.hour), zone, now)
    if chosen.digest is Digest.DAILY:
        return due
    while due.astimezone(zone).weekday() != chosen.weekday:
        due = _next_wall(time(chosen.hour), zone, due)
    return due


def _next_wall(wall: time, zone: tzinfo, after: datetime) -> datetime:
    """Return the first instant after ``after`` at which clocks in ``zone`` show ``wall``."""
    day = after.astimezone(zone).date()
    found = datetime.combine(day, wall, zone).astimezone(after.tzinfo)
    while found <= after:
        day += _DAY
        found = datetime.combine(day, wall, zone).astimezone(after.tzinfo)
    return found


def merge_digests(due: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """Group (delivery id, person, channel) of due digests into one letter a person and channel."""
    groups: dict[tuple[str, str], list[str]] = {}
    for delivery_id, person_id, channel_id in due:
        groups.setdefault((person_id, channel_id), []).append(delivery_id)
    return groups
