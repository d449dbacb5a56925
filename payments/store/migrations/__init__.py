"""The migrations of the database schema (Alembic)."""

import re
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine

from payments.store.db.advisory_locks import AdvisoryLock, acquire
from payments.store.db.connection import require_utf8
from payments.store.db.session_settings import split_pooler
from payments.store.db.suitability import check_schema
from payments.store.migrations import online, row_security

_PARTITION_SUFFIX_PATTERN = re.compile(r"_(default|before|\d{4}_\d{2})$")


def alembic_config() -> Config:
    """Return Alembic's configuration. Its script folder is this package."""
    config = Config()
    config.set_main_option("script_location", str(files(__package__ or __name__)))
    return config


def upgrade(database_url: str) -> None:
    """Apply all pending migrations in one transaction.

    Does nothing if the schema is current, or if a later release has migrated it. A new database gets the final keys and
    row-level security. For any other database, `workers.migrate` creates both afterwards, while the services run.

    Locks: the advisory lock MIGRATION, so that concurrent calls run one after the other. Raises UnsuitableDatabaseError
    if the database is not in UTF-8, or if the session's schema is not public. For a new database, it also raises the
    errors of `row_security.prepare_roles`.
    """
    url, _ = split_pooler(database_url)
    engine = create_engine(url, hide_parameters=True, connect_args={"client_encoding": "utf8"})
    require_utf8(engine)
    try:
        with engine.begin() as connection:
            check_schema(connection)
            acquire(connection, AdvisoryLock.MIGRATION)
            if _is_current(connection):
                return
            is_new = MigrationContext.configure(connection).get_current_revision() is None
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if is_new:
                online.apply_to_new_database(connection)
                row_security.apply_to_new_database(connection)
    finally:
        engine.dispose()


def is_in_tables(name: str | None, kind: str) -> bool:
    """Return whether `tables.py` defines an object of this name and kind. Partitions are not defined there."""
    return kind != "table" or not _PARTITION_SUFFIX_PATTERN.search(name or "")


def is_current(engine: Engine) -> bool:
    """Return whether the schema is at the version of this release or at a later one."""
    with engine.connect() as connection:
        return _is_current(connection)


def _is_current(connection: Connection) -> bool:
    # Revisions are numbers. A later version's migration only adds (docs/upgrades.md), so this version works with it.
    found = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    return found is not None and head is not None and found >= head
