"""Alembic's entry: runs the steps on the connection that `upgrade` hands over."""

from alembic import context

from payments.store.migrations import is_described
from payments.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=lambda name, kind, _: is_described(name, kind),
)
with context.begin_transaction():
    context.run_migrations()
