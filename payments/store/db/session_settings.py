"""The settings of PostgreSQL sessions. They are start-up options or, behind PgBouncer, set in each transaction.

PgBouncer in transaction mode runs each transaction in any of its server sessions. Settings and prepared statements
therefore do not last beyond a transaction. PgBouncer also drops start-up options.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, make_url

LOCK_TIMEOUT_SECONDS = 15
IDLE_IN_TRANSACTION_SECONDS_MAX = 12
"""The time after which PostgreSQL ends a worker's idle transaction. Otherwise a frozen worker would keep its locks
forever. The value is below the lock timeout, so that waiting transactions get the lock without a retry."""

_POOLER_OPTION = "pgbouncer"
_KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
}
"""With these settings, PostgreSQL soon detects that a client's machine is gone, and releases the locks of the session.
By default, the first probe is sent after two hours. Behind PgBouncer, the client of PostgreSQL is PgBouncer."""


def session_settings(*, idle_in_transaction_seconds: int | None, allow_seqscan: bool) -> dict[str, str]:
    """Return the settings of a process's transactions, by name. The arguments are those of `connection.connect`."""
    # Compiling a query that PostgreSQL takes for an expensive one takes longer than our queries, most of all in tables
    # without statistics.
    settings = {"lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s", "timezone": "UTC", "jit": "off"}
    if idle_in_transaction_seconds is not None:
        settings["idle_in_transaction_session_timeout"] = f"{idle_in_transaction_seconds}s"
    if not allow_seqscan:
        # PostgreSQL caches the plans of prepared statements, including those of foreign-key checks. A plan that was
        # made while a table was empty scans the whole table for every row until the next ANALYZE (decision 0020).
        settings["enable_seqscan"] = "off"
    return settings


def startup_options(settings: dict[str, str], given: str | tuple[str, ...] | None) -> dict[str, str]:
    """Return psycopg's argument `options` for these settings. `given` are the options of the URL.

    The settings come after the options of the URL, because the last value counts.
    """
    before = [given] if isinstance(given, str) else list(given or ())
    return {"options": " ".join([*before, *(f"-c {name}={value}" for name, value in (settings | _KEEPALIVES).items())])}


def transaction_settings(settings: Mapping[str, str]) -> str:
    """Return the statement that applies these settings until the end of the transaction."""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())


def split_pooler(database_url: str) -> tuple[URL, bool]:
    """Return the URL without the option `pgbouncer`, and whether this option is `true`."""
    url = make_url(database_url)
    return url.difference_update_query([_POOLER_OPTION]), url.query.get(_POOLER_OPTION) == "true"


class TransactionSettings:
    """The settings of each transaction of an engine. It handles SQLAlchemy's event `begin`."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._statement = transaction_settings(settings)

    def __call__(self, connection: Connection) -> None:
        """Execute the statement that applies the settings. Raises DBAPIError."""
        connection.exec_driver_sql(self._statement)


NO_PREPARED_STATEMENTS: dict[str, Any] = {"prepare_threshold": None}
"""The argument of psycopg's connections that disables prepared statements, for connections behind PgBouncer."""
