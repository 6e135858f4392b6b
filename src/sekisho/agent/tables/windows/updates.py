"""Tables ``windows_update_history`` and ``windows_updates``.

``windows_updates`` counts what Windows found at its own last search (``Online = false``: nothing
is fetched) and how long the oldest has waited. The answer is kept for 12 hours.
"""

from collections.abc import Callable, Iterator

from sekisho.agent.table import Row, Table, Where
from sekisho.agent.tables.columns import WINDOWS_UPDATE_HISTORY, WINDOWS_UPDATES
from sekisho.agent.tables.commands import Run
from sekisho.agent.tables.windows.powershell import Answer, ask

KEPT_SECONDS = 12 * 3600
_SEARCH_SECONDS = 120.0
_DAY = 86400
_SECURITY = "0fa1201d-4330-4fa8-8ae9-b877473b6441"  # category SecurityUpdates
_OPERATIONS = {1: "Installation", 2: "Uninstallation", 3: "Other"}
_RESULTS = {
    0: "NotStarted",
    1: "InProgress",
    2: "Succeeded",
    3: "SucceededWithErrors",
    4: "Failed",
    5: "Aborted",
}
_SERVERS = {0: "Default", 1: "ManagedServer", 2: "WindowsUpdate", 3: "Others"}
_UNIX = "([DateTimeOffset]::new([DateTime]::SpecifyKind($_.{0},'Utc'))).ToUnixTimeSeconds()"
_HISTORY = (
    "$($s=(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher();"
    "$n=$s.GetTotalHistoryCount();if($n -gt 0){$s.QueryHistory(0,[Math]::Min($n,1000)) |"
    " ForEach-Object {[pscustomobject]@{app=$_.ClientApplicationID;"
    f"date={_UNIX.format('Date')};"
    "hresult=$_.HResult;operation=$_.Operation;result=$_.ResultCode;server=$_.ServerSelection;"
    "service=$_.ServiceID;url=$_.SupportUrl;title=$_.Title;id=$_.UpdateIdentity.UpdateID;"
    "revision=$_.UpdateIdentity.RevisionNumber}}})"
)
_PENDING = (
    "$($s=(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher();"
    "$s.Online=$false;"
    "$s.Search('IsInstalled=0 and IsHidden=0').Updates | ForEach-Object {"
    "[pscustomobject]@{"
    f"published={_UNIX.format('LastDeploymentChangeTime')};"
    "categories=@($_.Categories | ForEach-Object {$_.CategoryID})}})"
)


def tables(run: Run, clock: Callable[[], float]) -> tuple[Table, ...]:
    """Return both tables; ``clock`` gives the seconds since 1970."""
    return (
        Table(
            "windows_update_history",
            WINDOWS_UPDATE_HISTORY,
            lambda _: history_rows(ask(run, _HISTORY)),
        ),
        Table("windows_updates", WINDOWS_UPDATES, _Pending(run, clock).rows),
    )


def history_rows(objects: list[Answer]) -> Iterator[Row]:
    """Yield what Windows Update did; titles are in the language of Windows."""
    for found in objects:
        yield {
            "client_app_id": found.get("app"),
            "date": found.get("date"),
            "hresult": found.get("hresult"),
            "operation": _OPERATIONS.get(found.get("operation", 0), "Other"),
            "result_code": _RESULTS.get(found.get("result", 0), "NotStarted"),
            "server_selection": _SERVERS.get(found.get("server", 0), "Default"),
            "service_id": found.get("service"),
            "support_url": found.get("url"),
            "title": found.get("title"),
            "update_id": found.get("id"),
            "update_revision": found.get("revision"),
        }


class _Pending:
    """Counts waiting updates, asking Windows again only after 12 hours."""

    def __init__(self, run: Run, clock: Callable[[], float]) -> None:
        self._run = run
        self._clock = clock
        self._asked: float | None = None
        self._found: list[Answer] = []

    def rows(self, _: Where) -> Iterator[Row]:
        """Yield the one row of ``windows_updates``."""
        now = self._clock()
        if self._asked is None or not 0 <= now - self._asked < KEPT_SECONDS:
            self._found = ask(self._run, _PENDING, timeout=_SEARCH_SECONDS)
            self._asked = now
        yield pending_row(self._found, now, self._asked)


def pending_row(objects: list[Answer], now: float, asked: float) -> Row:
    """Count the waiting updates, those of the security category, and the days of the oldest."""
    security = [f for f in objects if _SECURITY in [str(c).lower() for c in f["categories"]]]
    days = [int((now - float(found["published"])) // _DAY) for found in objects]
    return {
        "pending_count": len(objects),
        "security_count": len(security),
        "oldest_days": max(days, default=0),
        "searched_at": int(asked),
    }
