"""What every command that works on the server's data shares: the folder and the settings."""

import argparse
import os
import sys
from pathlib import Path

from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.settings import Settings, load_settings


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--data DIR`` and ``--format text|json``."""
    parser.add_argument("--data", type=Path, default=default_data(), metavar="DIR",
                        help="the data folder (default: %(default)s)")  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text")


def default_data() -> Path:
    """Return the data folder used when none is named: SEKISHO_DATA, else the usual place."""
    chosen = os.environ.get("SEKISHO_DATA")  # noqa: TID251 - settings lie in this very folder
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", str(Path.home()))  # noqa: TID251 - the same
        return Path(base) / "Sekisho"
    base = os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))  # noqa: TID251 - the same
    return Path(base) / "sekisho"


def read_settings(arguments: argparse.Namespace, **overrides: object) -> Settings:
    """Load the settings of the chosen data folder, with what the command line says on top."""
    data = (arguments.data or default_data()).expanduser().resolve()
    return load_settings(data, dict(os.environ), overrides)  # noqa: TID251 - read once, here


def require_installation(settings: Settings) -> None:
    """Raise NotFoundError where no server's data lies, for commands that must not begin one."""
    if not settings.secret_key.is_file():
        raise NotFoundError(
            msg("There is no installation in %(path)s.", path=settings.data),
            hint=msg("Name its folder with --data DIR, or begin with: sekisho up"),
        )
