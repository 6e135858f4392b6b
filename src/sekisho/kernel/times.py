"""How Sekisho says when: short and relative for people, exact and with a zone behind it.

Japanese and English, 24-hour clock, ISO dates with the day of the week (``facts/look.md``,
"Words"). Pure: the present moment and the zone are handed in, no clock is read. ``zone`` None
means the zone of this machine.
"""

from datetime import datetime, timedelta, tzinfo

from sekisho.kernel.i18n import msg, translate

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEKDAYS = {
    "ja": ("月", "火", "水", "木", "金", "土", "日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}


def say_span(span: timedelta, language: str) -> str:
    """Say a length of time in one unit, or in two where one is too coarse (1 d 9 h).

    Lengths under a minute are said in seconds; negative lengths count as zero.
    """
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE:
        return translate(msg("%(n)s s", n=seconds), language)
    if seconds < HOUR:
        return translate(msg("%(n)s min", n=seconds // MINUTE), language)
    if seconds < DAY:
        return translate(msg("%(n)s h", n=seconds // HOUR), language)
    days, hours = seconds // DAY, seconds % DAY // HOUR
    if days == 1 and hours:
        return translate(msg("%(d)s d %(h)s h", d=days, h=hours), language)
    return translate(msg("%(n)s d", n=days), language)


def say_relative(moment: datetime, now: datetime, language: str) -> str:
    """Say how far ``moment`` is from ``now``: "12 min ago", "in 3 d", "just now"."""
    gap = now - moment
    if abs(gap) < timedelta(seconds=10):
        return translate(msg("just now"), language)
    if gap < timedelta(0):
        return translate(msg("in %(span)s", span=say_span(-gap, language)), language)
    return translate(msg("%(span)s ago", span=say_span(gap, language)), language)


def say_left(end: datetime, now: datetime, language: str) -> str:
    """Say what is left until ``end``, or by how much it has passed: "3 d left", "1 d over"."""
    if end >= now:
        return translate(msg("%(span)s left", span=say_span(end - now, language)), language)
    return translate(msg("%(span)s over", span=say_span(now - end, language)), language)


def say_day(moment: datetime, zone: tzinfo | None, language: str) -> str:
    """Say a date with its day of the week: ``2026-11-24 (火)``, ``Tue 2026-11-24``."""
    local = moment.astimezone(zone)
    weekday = WEEKDAYS["ja" if language == "ja" else "en"][local.weekday()]
    date = local.date().isoformat()  # four digits of the year everywhere, as strftime has not
    return f"{date} ({weekday})" if language == "ja" else f"{weekday} {date}"


def say_minute(moment: datetime, zone: tzinfo | None, language: str) -> str:
    """Say a date, its weekday and the minute of the day, without the zone."""
    return f"{say_day(moment, zone, language)} {moment.astimezone(zone).strftime('%H:%M')}"


def say_zone(moment: datetime, zone: tzinfo | None) -> str:
    """Say a zone by its name and its distance from UTC: ``JST (UTC+09:00)``, ``UTC``."""
    local = moment.astimezone(zone)
    name, digits = local.tzname() or "", local.strftime("%z")
    distance = f"UTC{digits[:3]}:{digits[3:5]}" if digits.strip("+-0") else "UTC"
    return f"{name} ({distance})" if name.isalpha() and name != distance else distance


def say_exact(moment: datetime, zone: tzinfo | None) -> str:
    """Say a time to the second with its zone, the same in every language."""
    local = moment.astimezone(zone)
    return f"{local.strftime('%Y-%m-%d %H:%M:%S')} {local.tzname() or local.strftime('%z')}"
