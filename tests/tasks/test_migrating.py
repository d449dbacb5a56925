"""A database that is migrated under a worker which goes on working."""

from sqlalchemy import create_engine, text

from payments.journeys import reporting
from payments.journeys.reporting import LogFilter
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, stream
from tests.make import body, patient, saved


def migrate(url, change):
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("lines", "lines_was"):
            connection.execute(text(f"ALTER TABLE {table} {change}"))
    engine.dispose()


def test_a_migration_under_a_running_worker_costs_no_payment_a_try(here, clinic_id, engines, logged):
    def imports(*events):
        for event in events:
            here.feed.xadd(here.settings.stream, {"event": body(event)})
        return import_attempt.import_new(here, "nobody")

    def saves(amount):
        version = int(amount)
        return saved(f"{amount}.00", clinic_id=clinic_id, patient_id=clinic_id, version=version)

    imports(patient(clinic_id))
    before = [imports(saves(amount)) for amount in range(1, 11)]  # by now the driver has prepared its statements
    migrate(engines.database_url, "ADD COLUMN tip text")
    after = imports(saves(11))
    migrate(engines.database_url, "DROP COLUMN tip")

    assert [(stats.evaluated, stats.failed) for stats in (*before, after)] == [(1, 0)] * 11
    assert [entry["event"] for entry in logged if entry["log_level"] != "debug"] == ["race lost"]
    with transaction(here.database) as tx:
        log = reporting.payment_log(tx, LogFilter(clinics=[clinic_id]))
    assert sum(row.amount for row in log) == 11
    assert stream.feed_length(here.feed, here.settings.stream) == 0
