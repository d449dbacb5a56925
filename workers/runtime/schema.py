"""Upgrade the database schema, and create and drop the partitions of its tables."""

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from config.database_urls import uses_pgbouncer
from config.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

_TRIES = 3  # of each table that others keep locked


def upgrade_schema(database_url: str, settings: Settings, *, finishing: bool = False) -> None:
    """Run the migrations, create the partitions of the coming months, and drop expired partitions.

    Then, while other processes work, set the company of earlier rows, and create the keys that begin with the company
    and the row-level security. With `finishing`, drop the earlier keys. Analyze tables without planner statistics. A
    table that stays locked is skipped: the services create its partitions within the hour, and the next upgrade drops
    expired ones. The user of `database_url` must own the tables.

    Raises SettingsError if the URL leads to PgBouncer, if PostgreSQL refuses it, if the database is not in UTF-8, or if
    the user lacks rights; UnreachableEngineError if PostgreSQL does not answer; and UnfinishedError if the earlier
    keys cannot be dropped yet.
    """
    _refuse_pgbouncer(database_url)
    # Imported here, because they are slow to load and `payments up` needs them only now.
    from payments.journeys import retention  # noqa: PLC0415 - see above
    from payments.store.db.connection import connect  # noqa: PLC0415 - see above
    from payments.store.migrations import upgrade  # noqa: PLC0415 - see above
    from tasks.engine_check import translate_database_errors  # noqa: PLC0415 - see above
    from tasks.table_by_table import analyze_stale_tables, change_tables  # noqa: PLC0415 - see above
    from workers.runtime.company_keys import adopt_keys  # noqa: PLC0415 - see above
    from workers.runtime.row_security import prepare_roles, protect_tables  # noqa: PLC0415 - see above

    months = retention.Retention(settings.keep_events_months, settings.keep_history_months, settings.keep_audit_months)
    today = datetime.now(UTC).date()
    database = connect(database_url, application_name="payments migrate", pool_size=1)
    try:
        with translate_database_errors(settings, database_url):
            prepare_roles(database)
            upgrade(database_url)
            created = change_tables(database, lambda tx, table: retention.create_partitions(tx, table, today), _TRIES)
            dropped = change_tables(
                database, lambda tx, table: retention.drop_expired(tx, table, today, months), _TRIES
            )
            adopt_keys(database, finishing=finishing)
            protect_tables(database)
            analyzed = analyze_stale_tables(database)
    finally:
        database.dispose()
    log.info("schema_upgraded", partitions_created=created.partitions, partitions_dropped=dropped.partitions)
    _log_analyzed_and_blocked(analyzed, sorted({*created.blocked, *dropped.blocked}))


def _refuse_pgbouncer(database_url: str) -> None:
    if uses_pgbouncer(database_url):
        raise SettingsError(
            "DATABASE_URL: migrations do not run through PgBouncer; give this command the URL of PostgreSQL itself"
        )


def _log_analyzed_and_blocked(analyzed: Sequence[str], blocked: Sequence[str]) -> None:
    if analyzed:
        log.info("tables_analyzed", tables=analyzed)
    if blocked:
        log.warning("partitions_postponed", tables=blocked)
