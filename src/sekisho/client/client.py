"""A Sekisho server as a program sees it: one attribute for each of its rooms."""

from pathlib import Path
from types import TracebackType
from typing import Self

from sekisho.client.access import Access
from sekisho.client.acts import Acts
from sekisho.client.controls import Controls
from sekisho.client.detection import Detection
from sekisho.client.devices import Devices
from sekisho.client.evidence import Evidence
from sekisho.client.findings import Findings
from sekisho.client.http import Connection
from sekisho.client.kits import Files, Kits
from sekisho.client.notices import Notices
from sekisho.client.reports import Reports
from sekisho.kernel.secrets import Secret


class Client:
    """A server's API; use it in a ``with`` block.

    Every method raises what the server raised (the kinds of ``kernel.errors``), and
    UnavailableError where no server answers or its certificate is not to be trusted.
    """

    def __init__(self, url: str, token: Secret, ca: Path | None = None) -> None:
        self._at = Connection(url, token, ca)
        self.access = Access(self._at)
        self.acts = Acts(self._at)
        self.controls = Controls(self._at)
        self.detection = Detection(self._at)
        self.devices = Devices(self._at)
        self.evidence = Evidence(self._at)
        self.files = Files(self._at)
        self.findings = Findings(self._at)
        self.kits = Kits(self._at)
        self.notices = Notices(self._at)
        self.reports = Reports(self._at)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._at.close()
