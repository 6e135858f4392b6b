"""The schema's history: one Alembic revision after the other, the same on every database."""

from collections.abc import Sequence
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import msg


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to ``revision``; refuse one that is newer than this program.

    Raises ConflictError for a database of a newer version.
    """
    with as_file(files("sekisho.kernel.migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        with database.engine.connect() as connection:
            _refuse_newer(ScriptDirectory.from_config(config), connection)
            connection.rollback()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)


def current_revision(database: Database) -> Sequence[str]:
    """Return the revisions the database stands at (empty for a new one)."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_heads()


def known_revisions() -> set[str]:
    """Return every revision that this program knows."""
    with as_file(files("sekisho.kernel.migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        script = ScriptDirectory.from_config(config)
        return {revision.revision for revision in script.walk_revisions()}


def _refuse_newer(script: ScriptDirectory, connection: Connection) -> None:
    known = {revision.revision for revision in script.walk_revisions()}
    strange = set(MigrationContext.configure(connection).get_current_heads()) - known
    if strange:
        raise ConflictError(
            msg("The database is of a newer version (%(got)s) than this program knows.",
                got=", ".join(sorted(strange))),
            hint=msg("Update Sekisho, or restore a backup made by this version."),
        )  # fmt: skip
