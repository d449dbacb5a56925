"""Isolation of companies by PostgreSQL: each transaction of the console sees only the companies stated for it.

Each of these transactions runs as the role CONSOLE_ROLE. Row-level security shows this role only rows of the companies
in a setting of the transaction (`policies.py` defines the policies). A query without a condition on the company does
not return rows of other companies. Workers and commands do not use this module and read all companies
(docs/decisions/0023).
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import Database, UnsuitableDatabaseError, connect
from payments.store.db.policies import COMPANIES, CONSOLE_ROLE, IS_INTACT, RESTRICTED_TABLES, UNLIMITED, USERS

_ACCESS_OPTION, _REFUSES_COPY_OPTION = "payments_access", "payments_refuses_copy"
_MIGRATE_HINT = "run `python -m workers.migrate`"
_INSUFFICIENT_PRIVILEGE_STATE, _NO_SUCH_ROLE_STATE = "42501", "22023"

# One statement, so that a transaction costs one round trip more.
_SET_ACCESS = (
    f"SELECT set_config('role', '{CONSOLE_ROLE}', true), set_config('{USERS}', %(users)s, true), "
    f"set_config('{COMPANIES}', CASE WHEN %(every)s THEN '{UNLIMITED}' "
    "ELSE CAST(CAST(%(companies)s AS text[]) AS text) END, true)"
)
_SET_CONSOLE_ROLE = f"SELECT set_config('role', '{CONSOLE_ROLE}', true)"
# `row_security_active` is false for a superuser, for a role with BYPASSRLS and for the owner of the table.
_UNPROTECTED_TABLE_QUERY = f"""
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND NOT relispartition AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE')
    AND (relname IN {RESTRICTED_TABLES} OR EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'company_id' AND NOT attisdropped))
    AND NOT (row_security_active(oid) AND EXISTS (
        SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'companies' AND {IS_INTACT}))
ORDER BY relname LIMIT 1
"""
_MAY_READ_TABLES_QUERY = "SELECT has_table_privilege(to_regclass('public.lines'), 'SELECT') IS TRUE"


@dataclass(frozen=True, slots=True)
class Access:
    """The data that a transaction of the console may see.

    `companies` are the visible companies, None for all. `all_users` makes every user and session visible. Without it, a
    user is visible only if all of the user's companies are among `companies`.
    """

    companies: frozenset[str] | None
    all_users: bool = False


NO_ACCESS = Access(frozenset())
"""The access of a transaction for which no access was stated."""
AUTHENTICATION_ACCESS = Access(frozenset(), all_users=True)
"""The access for a login, and to find the user of a request: users, sessions and failed logins, but no company."""
ALL_COMPANIES = Access(None)
"""The access for figures about the whole installation: the data of all companies."""


def connect_isolated(database_url: str, *, application_name: str, pool_size: int) -> Database:
    """Return an engine whose transactions run as CONSOLE_ROLE. Without `with_access`, they see no data.

    A new connection raises UnsuitableDatabaseError if the role or a policy is missing, or if the user of the URL may
    not become the role, because the console must not work without isolation.
    """
    engine = connect(database_url, application_name=application_name, pool_size=pool_size)
    engine.update_execution_options(**{_ACCESS_OPTION: NO_ACCESS, _REFUSES_COPY_OPTION: True})
    event.listen(engine, "connect", _check_connection)
    event.listen(engine, "begin", _apply_access)
    return engine


def with_access(engine: Database, access: Access) -> Database:
    """Return an engine whose transactions have this access. It uses the connection pool of the given engine."""
    return engine.execution_options(**{_ACCESS_OPTION: access})


def refuses_copy(connection: Connection) -> bool:
    """Return whether this connection's role may not use COPY FROM, because row-level security applies to the role."""
    return bool(connection.get_execution_options().get(_REFUSES_COPY_OPTION))


def remember_refusal(connection: Connection) -> None:
    """Make `refuses_copy` return True for later connections of the same engine."""
    connection.engine.update_execution_options(**{_REFUSES_COPY_OPTION: True})


def check_isolation(database_url: str, *, application_name: str) -> None:
    """Connect as the console does.

    Raises UnsuitableDatabaseError as `connect_isolated` does, and DBAPIError if the connection fails.
    """
    engine = connect_isolated(database_url, application_name=application_name, pool_size=1)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _apply_access(connection: Connection) -> None:
    access: Access = connection.get_execution_options()[_ACCESS_OPTION]
    connection.exec_driver_sql(
        _SET_ACCESS,
        {
            "users": UNLIMITED if access.all_users else "",
            "every": access.companies is None,
            "companies": sorted(access.companies or ()),
        },
    )


def _check_connection(connection: Any, _record: object) -> None:
    """Check a new connection before it is used. Errors of the driver are wrapped as SQLAlchemy wraps them.

    Raises UnsuitableDatabaseError if row-level security is not in effect.
    """
    try:
        if problem := _missing_isolation(connection):
            connection.close()
            raise UnsuitableDatabaseError(problem)
        connection.rollback()
    except psycopg.Error as error:
        raise DBAPIError.instance(_SET_CONSOLE_ROLE, None, error, psycopg.Error, connection_invalidated=True) from error


def _missing_isolation(connection: Any) -> str | None:
    """Return why PostgreSQL does not isolate companies on this connection, or None if it does."""
    try:
        connection.execute(_SET_CONSOLE_ROLE)
    except psycopg.Error as error:
        if error.sqlstate == _NO_SUCH_ROLE_STATE:
            return f"the role {CONSOLE_ROLE} does not exist: {_MIGRATE_HINT}"
        if error.sqlstate == _INSUFFICIENT_PRIVILEGE_STATE:
            user = connection.info.user
            return f"role {user} may not become {CONSOLE_ROLE}: {grant_statement(user, connection.info.server_version)}"
        raise
    if not connection.execute(_MAY_READ_TABLES_QUERY).fetchone()[0]:
        return f"the role {CONSOLE_ROLE} may not read the tables: {_MIGRATE_HINT}"
    found = connection.execute(_UNPROTECTED_TABLE_QUERY).fetchone()
    return (
        f"row-level security does not limit {CONSOLE_ROLE} on the table {found[0]}: {_MIGRATE_HINT}" if found else None
    )


def grant_statement(user: str, server_version: int) -> str:
    """Return the GRANT statement by which a user may become CONSOLE_ROLE.

    `server_version` is a number such as 180006.
    """
    options = " WITH INHERIT FALSE, SET TRUE" if server_version >= 16_00_00 else ""
    return f"GRANT {CONSOLE_ROLE} TO {user}{options}"
