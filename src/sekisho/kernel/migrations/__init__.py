"""The schema's history: one Alembic revision after the other, the same on every database.

A revision bears the name of its file, and they are numbered: what this program knows can be told
without Alembic, which is loaded (11 MiB) only where there is something to do.
"""

from collections.abc import Sequence
from importlib.resources import as_file, files

from sqlalchemy import Connection, inspect, text

from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import msg


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to ``revision``; refuse one that is newer than this program.

    Raises ConflictError for a database of a newer version.
    """
    wanted = max(known_revisions()) if revision == "head" else revision
    with database.engine.connect() as connection:
        found = _revisions_of(connection)
        _refuse_newer(found)
        if list(found) == [wanted]:
            return
        connection.rollback()
        _upgrade(connection, wanted)


def current_revision(database: Database) -> Sequence[str]:
    """Return the revisions the database stands at (empty for a new one)."""
    with database.engine.connect() as connection:
        return _revisions_of(connection)


def known_revisions() -> set[str]:
    """Return every revision that this program knows."""
    folder = files("sekisho.kernel.migrations") / "versions"
    names = (entry.name for entry in folder.iterdir())
    return {name.removesuffix(".py") for name in names if name.endswith(".py")}


def _revisions_of(connection: Connection) -> tuple[str, ...]:
    if not inspect(connection).has_table("alembic_version"):
        return ()
    rows = connection.execute(text("SELECT version_num FROM alembic_version")).fetchall()
    return tuple(str(row[0]) for row in rows)


def _refuse_newer(found: Sequence[str]) -> None:
    strange = set(found) - known_revisions()
    if strange:
        raise ConflictError(
            msg("The database is of a newer version (%(got)s) than this program knows.",
                got=", ".join(sorted(strange))),
            hint=msg("Update Sekisho, or restore a backup made by this version."),
        )  # fmt: skip


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415 - the same

    with as_file(files("sekisho.kernel.migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
