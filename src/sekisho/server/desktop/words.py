"""What the page of a desktop says."""

from collections.abc import Mapping

from sekisho.kernel.i18n import Text, msg, translate
from sekisho.server.desktop.grants import Why

_TELL = msg("Tell the person who looks after the gate.")

WHY: Mapping[Why, tuple[Text, Text]] = {
    Why.CLOSED: (
        msg("The connection has ended."),
        msg("The host or you closed it. You can connect again."),
    ),
    Why.NOT_SIGNED_IN: (
        msg("The host did not accept this user name and password."),
        msg("Check both, the domain too, and connect again."),
    ),
    Why.NO_TICKET: (
        msg("The leave to connect was no longer good."),
        msg("It lasts a minute and works once. Connect again."),
    ),
    Why.UNREACHABLE: (
        msg("The host does not answer."),
        msg(
            "It may be switched off or asleep. If it stays so, tell the person who looks after it."
        ),
    ),
    Why.NO_NLA: (
        msg(
            "The host does not ask for a sign-in before the connection (NLA), so it is not opened."
        ),
        msg("Network Level Authentication has to be switched on at the host."),
    ),
    Why.NO_VNC_WAY: (
        msg("The host wants a way of signing in that is not supported here."),
        msg("It has to offer the plain VNC password, or none behind a protected network."),
    ),
    Why.NO_TLS: (msg("No secure connection to the host came about."), _TELL),
    Why.CERTIFICATE_UNKNOWN: (
        msg("Nobody has confirmed this host's certificate yet."),
        msg("Whoever looks after the gate compares it at the host and pins it in the resource."),
    ),
    Why.CERTIFICATE_CHANGED: (
        msg(
            "The host shows another certificate than the confirmed one, so nothing was sent to it."
        ),
        msg(
            "Do not try to get around this. Somebody may stand in between, or the certificate was "
            "renewed; whoever looks after the gate can tell at the host."
        ),
    ),
    Why.MALFORMED: (
        msg("The browser sent something that a desktop does not need, and the gate ended it."),
        msg("Load the page again. If it stays so, tell the person who looks after the gate."),
    ),
    Why.CHANNEL: (
        msg(
            "Something tried to open a way for files, clipboard or printing, and the gate ended it."
        ),
        msg("These ways are closed here. This was recorded."),
    ),
    Why.HOST_MALFORMED: (
        msg(
            "The host sent something that the gate does not understand, so it ended the connection."
        ),
        _TELL,
    ),
}

TITLE_NOTE = msg(
    "No files, clipboard or printing pass through here; pictures of the screen remain possible."
)
ACCOUNT_NOTE = msg(
    "Your account on that computer. Its password goes there sealed; the gate cannot read it."
)
USER = msg("User name")
DOMAIN = msg("Domain (if there is one)")
PASSWORD = msg("Password")
VNC_PASSWORD = msg("Password of the VNC host (if it asks)")
KEYBOARD = msg("Keyboard")
KEYBOARD_JA = msg("Japanese (106/109 keys)")
KEYBOARD_EN = msg("English (101/102 keys)")
CONNECT = msg("Connect")
FULL = msg("Full screen")
FIT = msg("Fit to the window")
EXACT = msg("Actual size")
SECURE_KEYS = msg("Send Ctrl+Alt+Del")
DISCONNECT = msg("Disconnect")
SCREEN = msg("Screen of the remote computer")
NEEDS_SCRIPT = msg("This page needs JavaScript.")

_SCRIPT: Mapping[str, Text] = {
    "ready": msg("Not connected"),
    "loading": msg("Loading the program that shows the screen…"),
    "connecting": msg("Connecting…"),
    "connected": msg("Connected"),
    "ended": msg("Disconnected"),
    "refused": msg("Not allowed"),
    "cut": msg("The gate has cut this connection."),
    "credentials": msg("The host did not accept this user name and password."),
    "credentialsFix": msg("Check both, the domain too, and connect again."),
    "network": msg("The connection to the gate was lost."),
    "networkFix": msg("Look at your network, then connect again."),
    "failed": msg("The connection did not come about."),
    "failedFix": msg("Connect again. If it stays so, tell the person who looks after the gate."),
    "shown": msg("Certificate shown (SHA-256)"),
    "pinned": msg("Confirmed one"),
    "fit": FIT,
    "exact": EXACT,
}


def for_script(language: str) -> dict[str, str]:
    """Return the words that the page's script shows."""
    return {name: translate(text, language) for name, text in _SCRIPT.items()}
