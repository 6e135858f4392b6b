"""The frame of a page: who asks, in which language and theme, and the numbers beside the menu."""

import time
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Request

from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.pages import SPOKEN_LANGUAGE, Frame
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal
from sekisho.notices import service as notices
from sekisho.server.bootstrap import House
from sekisho.server.pages.preferences import read_language, read_theme

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
                    self._counts = {"today": findings.count_open(tx), "sealed": state.sealed}
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
