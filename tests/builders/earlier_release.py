"""Create a database of an earlier release: its schema, filled with the rows of a current database."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from alembic import command
from psycopg import sql

from config.database_urls import libpq_url
from payments.store.db.connection import connect, transaction
from payments.store.migrations import alembic_config
from tests.engines import scratch_database

_RENAMED_TABLES = {"clinic_settings": "settings_changes"}
_TABLES_QUERY = """
SELECT relname, array_agg(attname::text ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0
    AND NOT attisdropped AND relname <> 'alembic_version' GROUP BY relname
"""
_SEQUENCES_QUERY = """
SELECT pg_get_serial_sequence(relname, 'id') FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attname = 'id'
"""


@contextmanager
def database_of_revision(postgres_url: str, revision: str, rows_of: str) -> Iterator[str]:
    """Create a database with the schema of a revision and the rows of another database. Drop it after the block."""
    with scratch_database(postgres_url) as url:
        migrate_to(url, revision)
        _copy_rows(rows_of, url)
        yield url


def migrate_to(url: str, revision: str) -> None:
    """Run the migrations up to a revision."""
    engine = connect(url, application_name="tests", pool_size=1)
    with transaction(engine) as tx:
        config = alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, revision)
    engine.dispose()


def _copy_rows(source_url: str, target_url: str) -> None:
    with (
        psycopg.connect(libpq_url(source_url)) as source,
        psycopg.connect(libpq_url(target_url), options="-c session_replication_role=replica") as target,
    ):
        for table, columns in target.execute(_TABLES_QUERY).fetchall():
            _copy_table(source, target, table, columns)
        for (sequence,) in target.execute(_SEQUENCES_QUERY).fetchall():
            target.execute("SELECT setval(%s, 1000000)", [sequence])


def _copy_table(source: psycopg.Connection, target: psycopg.Connection, table: str, columns: list[str]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    read = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        names, sql.Identifier(_RENAMED_TABLES.get(table, table))
    )
    write = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with source.cursor().copy(read) as rows, target.cursor().copy(write) as copy:
        for block in rows:
            copy.write(block)
