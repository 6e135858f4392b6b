"""Alembic's entry: run the revisions on the connection that ``migrate`` hands over."""

from alembic import context

from sekisho.kernel.db import metadata

_connection = context.config.attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=metadata,
    transaction_per_migration=True,
    render_as_batch=_connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
