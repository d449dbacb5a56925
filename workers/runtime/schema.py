"""Upgrade the database schema, and create and drop the partitions of its tables."""

from datetime import UTC, datetime

import structlog

from config.settings import Settings

log = structlog.get_logger(__name__)


def upgrade_schema(database_url: str, settings: Settings) -> None:
    """Run the migrations, create the partitions of coming months, and drop those past their retention.

    The user of `database_url` must own the tables.
    """
    # Imported here, because they are slow to load and `payments up` needs them only now.
    from payments.journeys import retention  # noqa: PLC0415 - see above
    from payments.store.db.connection import connect, transaction  # noqa: PLC0415 - see above
    from payments.store.migrations import upgrade  # noqa: PLC0415 - see above

    upgrade(database_url)
    months = retention.Retention(settings.keep_events_months, settings.keep_history_months, settings.keep_audit_months)
    today = datetime.now(UTC).date()
    database = connect(database_url, application_name="payments migrate", pool_size=1)
    try:
        with transaction(database) as tx:
            created = retention.create_partitions(tx, today)
            dropped = retention.drop_expired(tx, today, months)
    finally:
        database.dispose()
    log.info("schema_upgraded", partitions_created=created, partitions_dropped=dropped)
