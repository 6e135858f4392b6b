"""A real Chromium with a virtual authenticator, as a person with a passkey would have."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# Not its headless shell, though pages cost a third less there: once it never answered, and a call
# that waits for an answer of the browser has no limit.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def running_chromium(authority: Path | None = None, *, fonts: bool = False) -> Iterator[Browser]:
    """Start Debian's Chromium; without it a test fails in CI and is skipped elsewhere.

    ``authority``: the certificate (PEM) of one more authority that whoever sits there trusts.
    ``fonts``: with the pages' own fonts, where it counts how something looks: of eighty files
    that a page asks for, seventy are slices of them.
    """
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("CI must have Chromium: the test command installs it")
        pytest.skip("Chromium is not installed; ./test installs it")
    with ExitStack() as stack:
        environment: dict[str, str | float | bool] = {**os.environ}
        if authority is not None:
            home = stack.enter_context(TemporaryDirectory(prefix="chromium-"))
            _trust(Path(home), authority)
            environment["HOME"] = home
            # Where a page is shown a certificate, Playwright itself speaks to the server.
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("NODE_EXTRA_CA_CERTS", str(authority))
        playwright = stack.enter_context(sync_playwright())
        arguments = _ARGUMENTS if fonts else [*_ARGUMENTS, "--disable-remote-fonts"]
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=arguments, env=environment
        )
        stack.callback(browser.close)
        yield browser


def _trust(home: Path, authority: Path) -> None:
    """Put an authority where Chromium looks for those of its user (NSS's database)."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    made = ["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "office", "-i", str(authority)]
    for words in made:
        subprocess.run(["certutil", "-d", f"sql:{folder}", *words], check=True)


def add_authenticator(context: BrowserContext, page: Page) -> str:
    """Give the page a platform authenticator with user verification; return its id."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return str(session.send("WebAuthn.addVirtualAuthenticator", {"options": options})[
        "authenticatorId"
    ])  # fmt: skip
