"""This very machine as the first device: a kit for it alone, and our agent to use it."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

from sekisho.devices.kitfiles import write_agent_kit
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.service.kits import KitOrder, create_kit
from sekisho.devices.service.sites import describe_site
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import open_house
from sekisho.server.certificates import write_private
from sekisho.server.folder import ENROLLED
from sekisho.server.supervise import own_command, quiet_environment

_ENROL_SECONDS = 60


def enrol_this_machine(settings: Settings, state: Path) -> None:
    """Make a kit and enrol with it, keeping the agent's state in ``state``.

    Raises UnavailableError with the agent's own words when it does not work.
    """
    state.mkdir(mode=0o700, exist_ok=True)
    kit_file = state / "kit.json"
    write_private(kit_file, _make_kit(settings))
    try:
        command = own_command("agent", "enroll", str(kit_file), "--state", str(state), "--yes")
        environment = quiet_environment(os.environ)  # noqa: TID251 - handed to the agent
        done = subprocess.run(  # noqa: S603 - our own program, arguments made by us
            command, env=environment, capture_output=True, text=True,
            timeout=_ENROL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            msg("The agent did not enrol within %(n)s seconds.", n=_ENROL_SECONDS)
        ) from error
    finally:
        kit_file.unlink(missing_ok=True)
    if done.returncode != 0:
        raise UnavailableError(
            msg("The agent could not enrol: %(why)s", why=done.stderr.strip()[-500:]),
            hint=msg("Try again with: sekisho up --yes"),
        )
    (state / ENROLLED).touch()


def _make_kit(settings: Settings) -> str:
    order = KitOrder(
        kind=KitKind.DEVICE,
        ownership=Ownership.COMPANY,
        label=os.uname().nodename if hasattr(os, "uname") else "",
        life=timedelta(hours=1),
    )
    with open_house(settings) as house, house.database.write(SYSTEM) as tx:
        made = create_kit(tx, order)
        site = describe_site(tx, house.box, settings, house.authority)
        return write_agent_kit(site, made.kit, made.secret.reveal())
