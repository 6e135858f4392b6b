"""A hunt's whole summary for machines: one JSON object, with nothing left out for want of room."""

import json
from collections.abc import Mapping
from typing import Any

from sekisho.detection.engine.logons import LogonRow
from sekisho.detection.engine.sightings import say_time
from sekisho.detection.engine.summary import Pivot, Read, RuleRow, Summary
from sekisho.detection.model import Level

_SECOND = 1_000_000


def summary_line(summary: Summary) -> str:
    """Return the summary as one line of JSON; times are UTC, ISO 8601."""
    text = json.dumps(describe_summary(summary), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair is in some logs


def describe_summary(summary: Summary) -> dict[str, Any]:
    """Shape the summary: what was read, what matched, when, where, and who and what."""
    return {
        "read": _describe_read(summary.read),
        "matches": summary.matches,
        "levels": _levels(summary.levels),
        "rules": [_describe_rule(row) for row in summary.rules],
        "hosts": [{"host": name, "levels": _levels(c)} for name, c in summary.hosts],
        "tactics": dict(summary.tactics),
        "techniques": dict(summary.techniques),
        "histogram": {
            "seconds": summary.step // _SECOND,
            "bins": [{"start": say_time(b.start), "levels": _levels(b.counts)}
                     for b in summary.bins],
            "not_shown": summary.out_of_time,
        },
        "logons": [_describe_logon(row) for row in summary.logons],
        "pivots": {kind: [_describe_pivot(p) for p in pivots]
                   for kind, pivots in summary.pivots.items()},
    }  # fmt: skip


def _levels(counts: Mapping[Level, int]) -> dict[str, int]:
    return {level.value: count for level, count in counts.items()}


def _describe_read(read: Read) -> dict[str, Any]:
    return {
        "events": read.events,
        "files": read.files,
        "first": say_time(read.first),
        "last": say_time(read.last),
        "files_left_out": read.files_skipped,
        "records_left_out": read.records_skipped,
        "matches_held_back": read.held_back,
        "matches_not_correlated": read.undated + read.let_go,
        "searches_given_up": sum(read.unfinished.values()),
        "files_without_log_source": read.unsourced,
        "interrupted": read.interrupted,
        "logs": [{"channel": channel, "host": host, "events": count}
                 for (channel, host), count in read.by.most_common()],
    }  # fmt: skip


def _describe_rule(row: RuleRow) -> dict[str, Any]:
    return {
        "rule_id": row.rule_id,
        "rule_title": row.title,
        "level": row.level.value,
        "count": row.count,
        "first": say_time(row.first),
        "last": say_time(row.last),
        "hosts": dict(row.hosts.most_common()),
    }


def _describe_logon(row: LogonRow) -> dict[str, Any]:
    return {
        "service": row.service,
        "outcome": row.outcome.value,
        "user": row.user,
        "source": row.source,
        "destination": row.destination,
        "count": row.count,
        "first": say_time(row.first),
        "last": say_time(row.last),
        "details": row.details,
    }


def _describe_pivot(pivot: Pivot) -> dict[str, Any]:
    return {
        "value": pivot.value,
        "count": pivot.count,
        "worst": pivot.worst.value,
        "first": say_time(pivot.first),
        "last": say_time(pivot.last),
    }
