"""Where an answer and a device differ, by name: for the people responsible for security.

Here and not in the room of controls, because it names devices.
"""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.controls.model import Catalogue
from sekisho.controls.pages.selfchecks import number_questions, questions_by_key
from sekisho.controls.service import mismatches
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.kernel.db import Database
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

PER_PAGE = 50


@get("/selfchecks/mismatches", sync_to_thread=True)
def show_mismatches(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    *,
    q: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    question: FromQuery[str] = "",
    sort: FromQuery[str] = "-since",
    page: FromQuery[int] = 1,
) -> Page:
    """List them; looking is recorded. Needs ``selfchecks.write``."""
    page = max(1, page)
    with database.write(principal) as tx:
        rows, total = mismatches.list_mismatches(
            tx, search=q, control_id=rule, question=question, sort=sort, limit=PER_PAGE,
            offset=(page - 1) * PER_PAGE,
        )  # fmt: skip
        counts = mismatches.count_mismatches(tx)
        ids = sorted({row.device_id for row in rows})
        devices = (
            inventory.list_devices(tx, DeviceFilter(only=ids), limit=PER_PAGE).devices
            if ids
            else ()
        )
    asked = questions_by_key()
    context = {
        "rows": rows, "differ": counts, "titles": {d.id: d.title for d in devices},
        "controls": catalogue.controls, "questions_of": asked, "numbers": number_questions(),
        "filters": {"q": q, "rule": rule, "question": question}, "sort": sort,
        "page": page, "pages": -(-total // PER_PAGE) or 1, "total": total,
        "first": (page - 1) * PER_PAGE + 1 if rows else 0,
        "last": (page - 1) * PER_PAGE + len(rows),
    }  # fmt: skip
    return Page("pages/mismatches.html", context)


HANDLERS: list[ControllerRouterHandler] = [show_mismatches]
