"""What every kit of this organisation carries, and the files of one kit."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from sekisho.controls.manifest import manifest_of
from sekisho.devices.kitfiles import (
    KitSite,
    install_command,
    write_agent_kit,
    write_flags,
    write_instructions,
)
from sekisho.devices.model import Ownership, Platform
from sekisho.devices.offers import Plan
from sekisho.devices.service.kits import NewKit
from sekisho.devices.service.manifest import manifest_public_key
from sekisho.devices.trust import is_public_name, pick_authorities, read_public_roots
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import LANGUAGES, msg
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings


def describe_site(
    tx: Transaction, box: SecretBox, settings: Settings, authority: CertificateAuthority
) -> KitSite:
    """Return what every kit carries; needs a writing ``tx`` (the manifest key is made at first).

    A device trusts our own CA and, where the server shows another certificate (the
    organisation's own, or one by ACME), the authorities of that one; for a name that can have a
    public certificate the public ones as well (``devices.trust``).
    """
    trusted = authority.certificate_pem + pick_authorities(_shown_chain(settings))
    public = is_public_name(urlsplit(settings.public_url).hostname or "")
    return KitSite(
        settings.organisation or "Sekisho",
        settings.public_url,
        trusted,
        manifest_public_key(tx, box),
        public_trust=public,
        osquery_pem=trusted + (read_public_roots() if public else ""),
    )


def write_kit_files(
    site: KitSite, made: NewKit, plans: Mapping[Platform, Plan]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return a new kit's files (path in the archive → text) and its install command by platform.

    ``plans`` are what osqueryd is asked on each platform: the tables these read are the only ones
    that exist for it on a private PC.
    """
    kit, secret = made.kit, made.secret.reveal()
    files = {
        "sekisho-kit.json": write_agent_kit(site, kit, secret),
        "sekisho.pem": site.osquery_pem or site.ca_pem,
        "sekisho.secret": secret,
    }
    for platform, plan in plans.items():
        tables = {table for table, _ in manifest_of(plan.sql)}
        flags = write_flags(site, kit.ownership, platform, tables, carve=False)
        files[f"{platform.value}/osquery.flags"] = flags
        for language in LANGUAGES:
            files[f"{platform.value}/README.{language}.md"] = write_instructions(
                site, kit.ownership, platform, kit.ends_at, language
            )
    return files, {platform.value: install_command(platform, kit.ownership) for platform in plans}


def write_incident_flags(site: KitSite, platform: Platform) -> str:
    """Return the flag file of a company device on which files may be collected by two persons."""
    return write_flags(site, Ownership.COMPANY, platform, (), carve=True)


def _shown_chain(settings: Settings) -> str:
    """Return the PEM of the certificate that is shown instead of our own CA's, "" if none is."""
    path = (
        Path(settings.certificate) if settings.certificate else settings.data / "tls" / "server.pem"
    )
    if not settings.certificate and not settings.acme_directory:
        return ""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(
            msg("The server's certificate %(path)s cannot be read: %(why)s", path=path, why=error),
            hint=msg("Mend the setting “certificate”, then make the kit again."),
        ) from error
