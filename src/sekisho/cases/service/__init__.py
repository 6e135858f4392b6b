"""What other rooms and the faces may do with cases."""

from sekisho.cases.service.reports import (
    answer_report,
    close_report,
    get_own_report,
    get_report,
    list_own_reports,
    list_reports,
    make_report,
    open_photo,
    reply_own,
    set_tells_manager,
    take_report,
    tells_manager,
)
from sekisho.cases.service.retention import (
    erase_report,
    forget_old_reports,
    kept_days,
    set_kept_days,
)

__all__ = [
    "answer_report",
    "close_report",
    "erase_report",
    "forget_old_reports",
    "get_own_report",
    "get_report",
    "kept_days",
    "list_own_reports",
    "list_reports",
    "make_report",
    "open_photo",
    "reply_own",
    "set_kept_days",
    "set_tells_manager",
    "take_report",
    "tells_manager",
]
