"""A migration of the database while a worker is running."""

from sqlalchemy import create_engine, text

from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import transaction
from tasks.feed import import_attempt
from tests.builders.events import event_body, saved_patient, saved_payment


def migrate(url, change):
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("lines", "lines_was"):
            connection.execute(text(f"ALTER TABLE {table} {change}"))
    engine.dispose()


def test_migration_under_a_running_worker_fails_no_payment(resources, clinic_id, engines, log_entries):
    def import_events(*events):
        for event in events:
            resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
        return import_attempt.import_new(resources, "no-reply")

    def next_save(amount):
        version = int(amount)
        return saved_payment(f"{amount}.00", clinic_id=clinic_id, patient_id=clinic_id, version=version)

    import_events(saved_patient(clinic_id))
    before = [
        import_events(next_save(amount)) for amount in range(1, 11)
    ]  # enough for the driver to prepare its statements
    migrate(engines.database_url, "ADD COLUMN tip text")
    after = import_events(next_save(11))
    migrate(engines.database_url, "DROP COLUMN tip")

    assert [(stats.evaluated, stats.failed) for stats in (*before, after)] == [(1, 0)] * 11
    assert [entry["event"] for entry in log_entries if entry["log_level"] != "debug"] == ["transaction_repeated"]
    with transaction(resources.database) as tx:
        log = list(reporting.payment_log(tx, PaymentLogFilter(scope=Scope.of_clinics(clinic_id))))
    assert sum(row.amount for row in log) == 11
    assert resources.feed.xlen(resources.settings.stream) == 0
