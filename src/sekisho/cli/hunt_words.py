"""Words and times that the forms of a hunt's result share."""

from datetime import datetime, timedelta, tzinfo

from sekisho.detection.engine.logons import Outcome
from sekisho.detection.engine.moments import EPOCH
from sekisho.detection.model import Level
from sekisho.kernel.i18n import msg, translate

LEVEL_WORDS = {
    Level.CRITICAL: msg("Critical"),
    Level.HIGH: msg("High"),
    Level.MEDIUM: msg("Medium"),
    Level.LOW: msg("Low"),
    Level.INFORMATIONAL: msg("Informational"),
}
OUTCOME_WORDS = {
    Outcome.SUCCESS: msg("Success"),
    Outcome.FAILURE: msg("Failure"),
    Outcome.EXPLICIT: msg("Other credentials"),
    Outcome.RECONNECT: msg("Reconnected"),
    Outcome.DISCONNECT: msg("Disconnected"),
    Outcome.LOGOFF: msg("Logged off"),
    Outcome.ATTEMPT: msg("Attempt"),
}
KIND_WORDS = {
    "users": msg("Users"),
    "hosts": msg("Hosts"),
    "addresses": msg("Addresses"),
    "processes": msg("Processes"),
    "hashes": msg("Hashes"),
}
_TACTICS = {
    "reconnaissance": msg("Reconnaissance"),
    "resource-development": msg("Resource development"),
    "initial-access": msg("Initial access"),
    "execution": msg("Execution"),
    "persistence": msg("Persistence"),
    "privilege-escalation": msg("Privilege escalation"),
    "defense-evasion": msg("Defense evasion"),
    "stealth": msg("Stealth"),
    "defense-impairment": msg("Defense impairment"),
    "credential-access": msg("Credential access"),
    "discovery": msg("Discovery"),
    "lateral-movement": msg("Lateral movement"),
    "collection": msg("Collection"),
    "command-and-control": msg("Command and control"),
    "exfiltration": msg("Exfiltration"),
    "impact": msg("Impact"),
}


def say_tactic(name: str, language: str) -> str:
    """Say an ATT&CK tactic; one that is not known here stays as the rule wrote it."""
    return translate(_TACTICS[name], language) if name in _TACTICS else name


def to_datetime(time: int, zone: tzinfo) -> datetime | None:
    """Return microseconds since 1970 as a time of ``zone``; None beyond the calendar."""
    try:
        return (EPOCH + timedelta(microseconds=time)).astimezone(zone)
    except (OverflowError, ValueError):
        return None


def say_stamp(time: int | None, zone: tzinfo) -> str:
    """Write a time to the second, the same in every language; a dash where there is none."""
    moment = to_datetime(time, zone) if time is not None else None
    return moment.replace(tzinfo=None).isoformat(" ", "seconds") if moment else "—"


def say_bytes(size: float) -> str:
    """Write a size with three digits and its unit."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":  # noqa: PLR2004 - decimal units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def clean(text: str) -> str:
    """Return text of a log fit for a terminal: nothing in it moves the cursor or colours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\r\n\t" else "�" for c in text)
