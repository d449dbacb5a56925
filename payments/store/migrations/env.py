"""Alembic's environment: runs the migrations on the connection that `upgrade` passes."""

from alembic import context

from payments.store.migrations import is_in_tables
from payments.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=lambda name, kind, _: is_in_tables(name, kind),
)
with context.begin_transaction():
    context.run_migrations()
