"""Schedules of self-checks, for who has people asked: the whole list, and an end to one."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.pages.selfchecks import read_choices
from sekisho.controls.selfchecks import Audience
from sekisho.controls.service import selfcheck_lists as lists
from sekisho.controls.service import selfchecks as service
from sekisho.kernel.db import Database
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ADDRESS = "/selfchecks/schedules"
PER_PAGE = 50
_RUNS = {"runs": True, "over": False}


@get(ADDRESS, sync_to_thread=True)
def show_schedules(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    language: NamedDependency[str],
    *,
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    sort: FromQuery[str] = lists.NEXT,
    page: FromQuery[int] = 1,
) -> Page:
    """List them. Needs ``selfchecks.write``."""
    skipped = (max(1, page) - 1) * PER_PAGE
    wanted = lists.ScheduleWish(q, _RUNS.get(status), sort, language)
    with database.read(principal) as tx:
        found, total = lists.page_schedules(tx, wanted, offset=skipped, limit=PER_PAGE)
        places = {
            name: words.strip()
            for audience in (Audience.UNIT, Audience.GROUP)
            for name, words in read_choices(tx, audience)
        }
    context = {
        "schedules": found, "checks": service.questionnaires(), "places": places,
        "filters": {"q": q, "status": status, "sort": sort}, "page": max(1, page),
        "pages": -(-total // PER_PAGE), "total": total, "first": min(total, skipped + 1),
        "last": skipped + len(found),
    }  # fmt: skip
    return Page("controls/schedules.html", context)


@post(ADDRESS + "/{schedule_id:str}/stop", sync_to_thread=True)
def stop_schedule(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    schedule_id: FromPath[str],
) -> Redirect:
    """Ask no more from now on."""
    with database.write(principal) as tx:
        service.stop_schedule(tx, schedule_id)
    return Redirect(ADDRESS, status_code=303)


HANDLERS: list[ControllerRouterHandler] = [show_schedules, stop_schedule]
