"""The schema in its newest form, before anything works on it; knows no engine, for an image may have none."""

from datetime import UTC, datetime

import structlog

from config.settings import Settings

log = structlog.get_logger(__name__)


def upgrade_schema(database_url: str, settings: Settings) -> None:
    """Bring the tables up to date before anything works on them, and drop the months that are no longer kept."""
    # Imported here: only this process, and only now, needs what a migration needs.
    from payments.journeys import retention  # noqa: PLC0415 - as said above
    from payments.store.db.connection import connect, transaction  # noqa: PLC0415 - as said above
    from payments.store.migrations import upgrade  # noqa: PLC0415 - as said above

    upgrade(database_url)
    kept = retention.Retention(settings.keep_events_months, settings.keep_history_months, settings.keep_audit_months)
    today = datetime.now(UTC).date()
    database = connect(database_url, application_name="payments migrate", pool_size=1)
    try:
        with transaction(database) as tx:
            made, dropped = retention.create_partitions(tx, today), retention.drop_expired(tx, today, kept)
    finally:
        database.dispose()
    log.info("schema_is_current", made=made, dropped=dropped)
