"""The frame of a page: who asks, in which language and theme, and the numbers beside the menu."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import structlog
from litestar import Request

from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.pages import SPOKEN_LANGUAGE, Frame, Tab, Tabs
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal
from sekisho.notices import service as notices
from sekisho.server.bootstrap import House
from sekisho.server.pages.preferences import read_language, read_theme
from sekisho.worklists.model import Listing, SavedView
from sekisho.worklists.service import views

log = structlog.get_logger()

# The numbers are beside every page; a few seconds old is new enough for a menu.
_COUNTS_SECONDS = 5.0


class FrameMaker:
    """Makes the frame of each request."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._counts: Mapping[str, int] = {}
        self._counted_at = float("-inf")
        name = house.settings.time_zone
        self._zone = ZoneInfo(name) if name else None

    def make(self, request: Request[Any, Any, Any]) -> Frame:
        """Return the frame of a request; a stranger's where the front door has not been passed."""
        settings = self._house.settings
        scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # ASGI allows more keys
        names = ("sekisho.language", "sekisho.usual_language")
        own, usual = (str(scope.get(name) or "") for name in names)
        said = own or request.headers.get("accept-language") or usual
        language = read_language(request.cookies, said, settings.language)
        scope[SPOKEN_LANGUAGE] = language  # for rooms that answer errors of their own form
        return Frame(
            now=self._house.clock.now(),
            language=language,
            principal=scope.get("sekisho.principal", ANONYMOUS),
            csrf=str(scope.get("sekisho.csrf", "")),
            path=request.url.path,
            query=request.url.query,
            theme=read_theme(request.cookies),
            organisation=settings.organisation,
            zone=self._zone,
        )

    def count(self) -> Mapping[str, int]:
        """Return the numbers beside the menu; the last known ones while the database rests."""
        if time.monotonic() - self._counted_at > _COUNTS_SECONDS:
            self._counted_at = time.monotonic()
            try:
                with self._house.database.read(SYSTEM) as tx:
                    state = evidence.get_state(tx)
                    number = findings.count_open(tx)
                    self._counts = {"findings": number, "sealed": state.sealed}
            except SekishoError:
                self._counts = {}
        return self._counts

    def count_unread(self, principal: Principal) -> int:
        """Return the number beside the bell; none while the database rests."""
        try:
            with self._house.database.read(principal) as tx:
                return notices.count_unread(tx, principal)
        except SekishoError:
            return 0

    def add_views(self, frame: Frame) -> Frame:
        """Return the frame with the saved views of this list, and where this person begins.

        Without them while the database rests, and for whoever is no person.
        """
        if frame.principal.person_id is None:
            return frame
        try:
            with self._house.database.read(frame.principal) as tx:
                known = views.list_views(tx)
                defaults = views.list_defaults(tx)
        except SekishoError as error:
            log.warning("saved views are left out of a page", why=str(error.message))
            return frame
        begun = {view.id: f"/views/{view.id}" for view in known}
        homes = {name: begun[view] for name, view in defaults.items() if view in begun}
        return replace(frame, homes=homes, tabs=_make_tabs(frame, known))


def _make_tabs(frame: Frame, known: Sequence[SavedView]) -> Tabs | None:
    listing = frame.path.removeprefix("/")
    if listing not in set(Listing):
        return None
    pairs = parse_qsl(frame.query)
    asked = [(name, value) for name, value in pairs if name not in {"page", "view"}]
    shown = dict(pairs).get("view", "")
    mine = [Tab(view.id, view.name, view.shared) for view in known if view.listing == listing]
    current = shown if any(tab.id == shown for tab in mine) else ""
    return Tabs(listing, mine, current, urlencode(asked), may_save=True)
