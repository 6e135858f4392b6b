"""Notices as pages (see ``pages``)."""

from urllib.parse import quote

from litestar import Request, Router
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service as identity
from sekisho.notices.pages import admin, mine


def _prove_again(request: Request, error: identity.StepUpNeededError) -> Redirect:  # type: ignore[type-arg]  # any request
    del error  # the sign-in page says the same in its own words
    here = "/notices" if request.url.path.startswith("/notices") else mine.WAYS
    return Redirect(f"/sign-in?again=1&next={quote(here)}", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[*mine.HANDLERS, *admin.HANDLERS],
        exception_handlers={identity.StepUpNeededError: _prove_again},
        include_in_schema=False,
    )
]
