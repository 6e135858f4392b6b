"""The sign-in page, which several ways in come back to when they fail."""

from dataclasses import dataclass

from sekisho.identity import service
from sekisho.identity.visits import AnyRequest, better_address, read_site
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Tried:
    """What somebody was doing here: where they were going, and what was wrong with the last try.

    ``fault`` is about a code, ``refused`` about anything else.
    """

    target: str = "/"
    again: bool = False
    email: str = ""
    fault: SekishoError | None = None
    refused: SekishoError | None = None


def sign_in_page(
    request: AnyRequest, settings: Settings, database: Database, principal: Principal, tried: Tried
) -> Page:
    """Return the sign-in page with every way in that there is."""
    with database.read(principal) as tx:
        doors = service.list_doors(tx)
    context = {
        "next": tried.target,
        "again": tried.again,
        "email": tried.email,
        "fault": tried.fault,
        "refused": tried.refused,
        "doors": doors,
        "better": better_address(request, read_site(request, settings)),
    }
    worst = tried.fault or tried.refused
    return Page("identity/sign_in.html", context, worst.status if worst else 200)
