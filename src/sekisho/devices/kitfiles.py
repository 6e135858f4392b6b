"""What a kit looks like on disk: osquery's flag file, its companions, our agent's one file; pure.

Flags follow osquery 5.12 to 5.23. Those that only the flag file can set (``CLI_FLAG``: tls_*,
enroll_*, enable_tables, disable_carver …) are the reason why the owner of a private PC can trust
the file: nothing the server sends later widens it.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import urlsplit

from sekisho.devices.model import Kit, Ownership, Platform
from sekisho.kernel.times import say_minute
from sekisho.wire.kit import Kit as AgentKit

# Tables every client may always read: who it is, what it knows, what time it is.
_ALWAYS = frozenset({"osquery_info", "osquery_registry", "os_version", "time", "osquery_flags"})
_CARVE_BLOCK_BYTES = 300_000
_ZIP_TIME = (2026, 1, 1, 0, 0, 0)  # the same kit gives the same archive

_FOLDERS: Mapping[Platform, str] = {
    Platform.WINDOWS: "C:\\Program Files\\osquery\\",
    Platform.DARWIN: "/private/var/osquery/",
    Platform.LINUX: "/etc/osquery/",
}


@dataclass(frozen=True, slots=True)
class KitSite:
    """What all kits of one organisation share: its name, server address, trust and manifest key.

    ``ca_pem`` are the organisation's own authorities. ``public_trust`` says that the server's name
    may have a public certificate; ``osquery_pem`` then holds the public authorities too, because
    osqueryd trusts what is in that file and nothing else.
    """

    organisation: str
    server_url: str
    ca_pem: str
    manifest_key: str
    public_trust: bool = False
    osquery_pem: str = ""


def write_agent_kit(site: KitSite, kit: Kit, secret: str) -> str:
    """Write the one file that ``sekisho agent enroll`` reads."""
    return AgentKit(
        kit_id=kit.id,
        organisation=site.organisation,
        server_url=site.server_url,
        ca_pem=site.ca_pem,
        secret=secret,
        ownership=kit.ownership,
        manifest_key=site.manifest_key,
        expires_at=kit.ends_at,
        public_trust=site.public_trust,
    ).to_json()


def write_flags(
    site: KitSite, ownership: Ownership, platform: Platform, tables: Iterable[str], *, carve: bool
) -> str:
    """Write osquery's flag file for one platform.

    ``tables`` is what the controls read: on a private PC no other table exists for osqueryd.
    ``carve`` is on only in a kit for an incident, and never on a private PC.
    """
    folder = _FOLDERS[platform]
    parts = urlsplit(site.server_url)
    private = ownership is Ownership.PRIVATE
    flags = {
        "tls_hostname": f"{parts.hostname}:{parts.port or 443}",
        "tls_server_certs": f"{folder}sekisho.pem",
        "enroll_secret_path": f"{folder}sekisho.secret",
        "enroll_tls_endpoint": "/api/osquery/enroll",
        "host_identifier": "instance" if private else "uuid",
        "config_plugin": "tls",
        "config_tls_endpoint": "/api/osquery/config",
        "config_refresh": "300",
        "config_enable_backup": "true",
        "logger_plugin": "tls",
        "logger_tls_endpoint": "/api/osquery/log",
        "logger_tls_period": "10",
        "logger_tls_compress": "true",
        "logger_min_status": "1",
        "disable_distributed": "false",
        "distributed_plugin": "tls",
        "distributed_interval": "60",
        "distributed_tls_read_endpoint": "/api/osquery/distributed/read",
        "distributed_tls_write_endpoint": "/api/osquery/distributed/write",
        "tls_accept_gzip": "true",
        "watchdog_level": "0",
        "utc": "true",
        "disable_events": "true",
        **(_carve_flags() if carve and not private else {"disable_carver": "true"}),
    }
    if private:
        flags["enable_tables"] = ",".join(sorted(_ALWAYS | set(tables)))
    return "".join(f"--{name}={value}\n" for name, value in flags.items())


def _carve_flags() -> dict[str, str]:
    return {
        "disable_carver": "false",
        "carver_start_endpoint": "/api/osquery/carve/begin",
        "carver_continue_endpoint": "/api/osquery/carve/block",
        "carver_block_size": str(_CARVE_BLOCK_BYTES),
        "carver_compression": "true",
    }


def write_instructions(
    site: KitSite, ownership: Ownership, platform: Platform, ends_at: datetime, language: str
) -> str:
    """Write how to install, in the reader's language."""
    name = f"install-{platform.value}.{'ja' if language == 'ja' else 'en'}.md"
    text = files("sekisho.devices").joinpath("texts", name).read_text(encoding="utf-8")
    words = _OWNERSHIP_WORDS["ja" if language == "ja" else "en"]
    return text.format(
        organisation=site.organisation,
        server=site.server_url,
        ownership=words[ownership],
        end=f"{say_minute(ends_at, UTC, language)} UTC",
        folder=_FOLDERS[platform],
        command=install_command(platform, ownership).replace("\n", "\n    "),
    )


def install_command(platform: Platform, ownership: Ownership) -> str:
    """Return the lines that install our agent, enrol with the kit and start it for good.

    Everything goes into a folder of its own: the system's Python stays as it is (PEP 668). A
    company device needs the administrator, a private one must do without.
    """
    company = ownership is Ownership.COMPANY
    if platform is Platform.WINDOWS:
        folder = "$env:ProgramFiles\\Sekisho" if company else "$env:LOCALAPPDATA\\SekishoAgent"
        program = f'& "{folder}\\Scripts\\'
        lines = [f'py -m venv "{folder}"', f'{program}pip.exe" install sekisho']
        return "\n".join([*lines, *(f'{program}sekisho.exe" {verb}' for verb in _VERBS)])
    folder, sudo = ("/opt/sekisho", "sudo ") if company else ("~/.sekisho", "")
    lines = [f"{sudo}python3 -m venv {folder}", f"{sudo}{folder}/bin/pip install sekisho"]
    return "\n".join([*lines, *(f"{sudo}{folder}/bin/sekisho {verb}" for verb in _VERBS)])


_VERBS = ("agent enroll sekisho-kit.json", "agent install")


def pack_archive(contents: Mapping[str, str]) -> bytes:
    """Pack a kit's files into one ZIP; the same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


_OWNERSHIP_WORDS: Mapping[str, Mapping[Ownership, str]] = {
    "ja": {Ownership.COMPANY: "会社の端末", Ownership.PRIVATE: "私物端末"},
    "en": {Ownership.COMPANY: "a company device", Ownership.PRIVATE: "a private device"},
}
