"""Check that a server accepts its URL, and that the role may read the tables of the database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import (
    LOCK_TIMEOUT_SECONDS,
    Database,
    Transaction,
    UnsuitableDatabaseError,
    connect,
    is_transient,
    transaction,
)
from payments.store.db.statement import text

PGBOUNCER_HINT = "behind PgBouncer, add pgbouncer=true to the URL"
_INSUFFICIENT_PRIVILEGE_STATE = "42501"
_REFUSAL_MESSAGE_PATTERN = re.compile(
    "authentication failed|no password supplied|role .+ does not exist|database .+ does not exist|pg_hba.conf"
    "|permission denied|not permitted to log in|does not support SSL|certificate|^invalid |does not allow connections"
    "|not currently accepting connections|unsupported startup parameter"
)
"""Messages of failed connections for which the URL or the server must be changed. libpq gives them no SQLSTATE. All
other failures, and failures whose message is in another language, count as unreachable."""


class UnreachableDatabaseError(Exception):
    """PostgreSQL does not answer at present. The message is the reason."""


def check_database(database_url: str, *, application_name: str) -> None:
    """Connect, and check the rights of the role.

    Raises UnsuitableDatabaseError if the server refuses the URL, if the database is not in UTF-8, or if the role may
    not read the tables. Raises UnreachableDatabaseError if the server does not answer within 5 seconds.
    """
    database = connect(database_url, application_name=application_name, pool_size=1)
    try:
        with translate_connection_errors(), transaction(database) as tx:
            check_schema(tx)
            _check_settings(tx)
            _check_rights(tx)
    finally:
        database.dispose()


@contextmanager
def translate_connection_errors() -> Iterator[None]:
    """Translate the errors that a connection raises.

    Raises UnsuitableDatabaseError for a refused connection and for missing rights, and UnreachableDatabaseError for a
    temporary failure. Other errors are raised unchanged.
    """
    try:
        yield
    except DBAPIError as error:
        reason = first_line(error.orig or error)
        if "unsupported startup parameter" in reason:
            reason = f"{reason}; {PGBOUNCER_HINT}"
        if is_refusal(error):
            raise UnsuitableDatabaseError(reason) from None
        if is_transient(error):
            raise UnreachableDatabaseError(reason) from None
        raise


def is_refusal(error: BaseException) -> bool:
    """Return whether PostgreSQL refuses the connection or the role lacks rights, so that waiting does not help."""
    if not isinstance(error, DBAPIError):
        return False
    is_denied = getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE_STATE
    return is_denied or _REFUSAL_MESSAGE_PATTERN.search(first_line(error.orig)) is not None


def durability_risks(database: Database) -> list[str]:
    """Return the server settings with which PostgreSQL may lose a committed transaction, such as `fsync=off`."""
    with database.connect() as tx:
        found = tx.execute(
            text(
                "SELECT name FROM pg_settings WHERE setting = 'off' "
                "AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"
            )
        )
        return [f"{name}=off" for name in found.scalars()]


def first_line(error: object) -> str:
    """Return the first line of a driver's message, without the words that psycopg adds before libpq's message."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
    return re.sub(r"^connection (failed|is bad): ", "", line)


def check_schema(tx: Transaction) -> None:
    """Raise UnsuitableDatabaseError unless `public` is the schema in which this session finds and creates tables."""
    row = tx.execute(text("SELECT current_user, current_schema()")).one()
    user, schema = row
    if schema is None:
        raise UnsuitableDatabaseError(f"role {user} may use no schema: GRANT USAGE ON SCHEMA public TO the role")
    if schema != "public":
        raise UnsuitableDatabaseError(
            f"role {user} finds the schema {schema} first; the tables are in public: ALTER ROLE ... RESET search_path"
        )


def _check_settings(tx: Transaction) -> None:
    """Check that no pooler drops the session's settings. Raises UnsuitableDatabaseError if one does."""
    if tx.execute(text("SHOW lock_timeout")).scalar_one() != f"{LOCK_TIMEOUT_SECONDS}s":
        raise UnsuitableDatabaseError(f"the start-up options do not arrive; {PGBOUNCER_HINT}")


def _check_rights(tx: Transaction) -> None:
    from payments.store.tables import metadata  # noqa: PLC0415 - the module is large, and commands do not need it

    # The services' role adds to every table. Only migrations write the version of the schema.
    missing = tx.execute(
        text(
            "SELECT current_user, relname, kind FROM pg_class, (VALUES ('SELECT'), ('INSERT')) AS kinds (kind) "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname = ANY(:tables) "
            "AND NOT has_table_privilege(oid, kind) AND (relname, kind) <> ('alembic_version', 'INSERT') "
            "ORDER BY relname, kind DESC LIMIT 1"
        ),
        {"tables": [*metadata.tables, "alembic_version"]},
    ).one_or_none()
    if missing is not None:
        user, table, kind = missing
        raise UnsuitableDatabaseError(
            f"role {user} has no {kind} right on the table {table}: GRANT the rights on all tables"
        )
