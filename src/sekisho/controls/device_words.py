"""What devices say about failed queries, made translatable (pure).

A device sends its reasons as English words: those of our own agent (its tables and its SQL) and
those of osquery, which are SQLite's. The words known here are said in the reader's language;
any others stay as they are and stand between quotation marks, as the device's own words. A test
keeps this list equal to what the agent can say.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from sekisho.kernel.i18n import Text, msg

# A reason may hold another one (“the table could not be read: systemd does not run …”).
_DEEPEST = 4
_HOLDS_REASON = "why"
_PLACE = re.compile(r"%\((\w+)\)s")

# Tried in this order: what is longer or more exact stands first.
_KNOWN = (
    msg("the table could not be read: %(why)s"),
    msg("no such table: %(table)s"),
    msg("no such column: %(column)s"),
    msg("not permitted by the approved manifest: %(read)s"),
    msg("the query took longer than %(n)s seconds and was stopped"),
    msg("reading took longer than %(n)s seconds in one query; the rest was not read"),
    msg(
        "the pattern %(pattern)s could take too long on %(n)s characters; "
        "write it without repeats inside repeats"
    ),
    msg("not authorized: a query may only SELECT (%(why)s)"),
    msg("the query is empty; one SELECT was expected"),
    msg("the query has more than one statement; one SELECT was expected"),
    msg("EXPLAIN tells about the agent and not about this computer"),
    msg("the answer has more than %(n)s rows; narrow the query"),
    msg("the answer is larger than %(n)s bytes; narrow it"),
    msg("refused: the signed manifest of the organisation does not name %(reads)s"),
    msg("waiting for the owner's approval to read %(reads)s"),
    msg("%(why)s; no helper runs in a user's session (sekisho agent run --user)"),
    msg("the helper at %(path)s answered with something else than an object"),
    msg("the helper at %(path)s did not answer with rows"),
    msg("the helper at %(path)s did not answer: %(why)s"),
    msg("version_compare got %(n)s arguments; expected 2 or 3"),
    msg("version_compare got flavour %(got)s; expected DPKG, RHEL or ARCH"),
    msg("a pattern has %(n)s characters; at most %(most)s are run"),
    msg("%(pattern)s is not a regular expression: %(why)s"),
    msg("a PEM file ends in the middle of a certificate"),
    msg("a PEM file holds a certificate that is not base64"),
    msg("%(command)s wrote more than %(n)s bytes; its answer was thrown away"),
    msg("%(command)s did not finish within %(n)s s; it was stopped"),
    msg("%(command)s gave no answer within %(n)s s; it was stopped"),
    msg("the command %(command)s is not installed on this computer"),
    msg("the command %(command)s could not be started: %(why)s"),
    msg("%(command)s ended with %(code)s: %(why)s"),
    msg("%(command)s ended with %(code)s"),
    msg("the table file needs path =, path LIKE or directory = in the query"),
    msg("the table registry needs key or path (= or LIKE) in the query"),
    msg("the table plist needs path = or path LIKE in the query"),
    msg("the folder %(path)s could not be read: %(why)s"),
    msg("the certificate store %(path)s could not be read: %(why)s"),
    msg("the registry key %(key)s could not be read: %(why)s"),
    msg("%(path)s is larger than %(n)s bytes and was not read"),
    msg("%(path)s could not be looked at: %(why)s"),
    msg("%(path)s could not be read: %(why)s"),
    msg("neither %(path)s nor %(other)s exists"),
    msg("%(path)s does not exist; is %(mount)s mounted?"),
    msg("%(path)s does not exist: macOS has never searched for updates"),
    msg("%(path)s does not exist"),
    msg("%(path)s is broken: %(why)s"),
    msg("gsettings list-recursively %(schema)s: %(why)s"),
    msg("gsettings is installed without dconf: it would show defaults as settings"),
    msg("the desktop %(desktop)s runs, but gsettings is not installed"),
    msg("the desktop does not tell after which idle time it locks"),
    msg("user %(user)s has a desktop whose lock is not known to this agent"),
    msg("Xfce runs without xfce4-screensaver; what locks it is not known"),
    msg("%(path)s has a line that is no mount: %(line)s"),
    msg("%(what)s are shown to root alone; this agent runs as user %(user)s"),
    msg("nft's answer is not the JSON that was expected: %(why)s"),
    msg("the kernel holds iptables rules, but iptables-save is not installed"),
    msg("the kernel gave no network addresses: %(why)s"),
    msg("the kernel's list of network addresses is torn"),
    msg("the kernel refused to list network addresses"),
    msg("wpa_cli does not tell how the wireless connection is secured"),
    msg("dpkg's status is torn: an entry (%(name)s) lacks its name, version or status"),
    msg("dpkg's status holds a line that is no field: %(line)s"),
    msg("rpm gave a line of %(n)s fields: %(line)s"),
    msg("a process's stat has %(n)s fields: %(line)s"),
    msg("/proc/net has an address that is none: %(got)s"),
    msg("/proc/net has a line that is not a socket: %(line)s"),
    msg(
        "this computer was started by EFI, but %(path)s does not show SecureBoot; "
        "is efivarfs mounted?"
    ),
    msg("the EFI variable %(name)s has %(n)s bytes; 5 were expected"),
    msg("/proc/uptime does not hold a number of seconds"),
    msg("systemd does not run on this computer"),
    msg("systemctl told of a unit without Id and state: %(got)s"),
    msg("apt has no lists of a security archive; check /etc/apt/sources.list*, run apt update"),
    msg("a package list of apt is torn: a version without its package"),
    msg("a package list of apt is torn: %(name)s has no version"),
    msg("dnf has no package lists; run dnf makecache"),
    msg("dscl gave a property list that is not a list of records"),
    msg("fdesetup did not tell the state of FileVault: %(got)s"),
    msg("mount gave a line that is no mount: %(line)s"),
    msg("%(path)s holds a %(got)s, a dictionary was expected"),
    msg("%(what)s is not a whole property list: %(why)s"),
    msg("socketfilterfw did not tell its state: %(got)s"),
    msg("spctl did not tell its state: %(got)s"),
    msg("csrutil did not tell its state: %(got)s"),
    msg("launchctl did not list services: %(got)s"),
    msg("sysadminctl did not tell the screen lock: %(got)s"),
    msg("the screen lock is a person's setting; ask the agent of that person"),
    msg("%(path)s does not tell the version of macOS"),
    msg("system_profiler told a boot policy that is not known: %(got)s"),
    msg("system_profiler gave no %(what)s: %(got)s"),
    msg("system_profiler does not tell how the wireless network is secured"),
    msg("a number was expected, not %(got)s"),
    msg("more than %(n)s paths match %(pattern)s; ask for a narrower pattern"),
    msg("the listening ports of others are shown to root alone"),
    msg("%(system)s: no health of security provider %(provider)s"),
    msg("%(system)s: it has no terminal sessions"),
    msg("%(system)s: its wireless service cannot be asked"),
    msg("%(system)s: %(path)s has no version resource here"),
    msg("Windows did not list its sessions: %(why)s"),
    msg("Windows' wireless service refused with error %(code)s"),
    msg("Windows did not list its wireless interfaces: error %(code)s"),
    msg("Windows did not describe the wireless connection: error %(code)s"),
    msg("Windows has no Security Center here: %(why)s"),
    msg("Windows gave a certificate that is not base64"),
    msg(
        "Windows does not tell this user whether %(drive)s is encrypted; "
        "BitLocker's state needs an administrator here"
    ),
    msg("Windows described a wireless connection in %(n)s bytes"),
    msg("PowerShell gave JSON that is not a list of objects"),
    msg("PowerShell gave no JSON but %(got)s"),
    msg("this computer has no registry: it does not run Windows"),
    msg("%(hive)s is not a hive of the registry"),
    msg("Windows Security Center gave no answer; its service may be stopped"),
    msg("the registry has no FirewallRules; is this a Windows with a firewall?"),
    msg("Windows did not tell the state of its guest account (SID …-501)"),
    msg("the registry does not tell the build of Windows (CurrentBuildNumber)"),
    msg("the registry has no UEFISecureBootEnabled below SecureBoot\\State"),
    msg("[Errno %(number)s] %(why)s: %(path)s"),
    msg("[Errno %(number)s] %(why)s"),
    msg("Permission denied"),
    msg("Operation not permitted"),
    msg("No such file or directory"),
    msg("Not a directory"),
    msg("Is a directory"),
    msg("Input/output error"),
    msg("Too many open files"),
    msg("Connection refused"),
    msg("Address already in use"),
    msg("Cannot assign requested address"),
    msg("Connection reset by peer"),
    msg("Connection timed out"),
    msg("File exists"),
    msg("Name or service not known"),
    msg("Network is unreachable"),
    msg("No route to host"),
    msg("No space left on device"),
    msg("Read-only file system"),
    msg("Temporary failure in name resolution"),
    msg("timed out"),
    msg("no message"),
)


def explain_words(said: str) -> Text:
    """Return ``said`` by a device as a text in both languages; unknown words are quoted."""
    return _explain(said.strip(), _DEEPEST)


def _explain(said: str, deeper: int) -> Text:
    for id_, pattern in _patterns() if deeper else ():
        found = pattern.fullmatch(said)
        if found is not None:
            return Text(id_, dict(_explain_parts(found.groupdict().items(), deeper - 1)))
    return msg("“%(words)s”", words=said)


def _explain_parts(parts: Iterable[tuple[str, str]], deeper: int) -> Iterable[tuple[str, object]]:
    for name, words in parts:
        yield name, _explain(words, deeper) if name == _HOLDS_REASON else words


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((known.id, _compile(known.id)) for known in _KNOWN)


def _compile(sentence: str) -> re.Pattern[str]:
    """Make the pattern of a sentence: its words as they stand, each ``%(name)s`` anything."""
    words = _PLACE.split(sentence)  # words, name, words, name, …, words
    parts = (
        f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(words)
    )
    return re.compile("".join(parts), re.DOTALL)
