"""A replay imports again the payments whose commits a failover has lost. It changes no other payment."""

import threading
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from emr.client import body_of
from payments.core.month import Month
from payments.journeys import closing, detecting
from payments.store.db.connection import transaction
from tasks.feed import retry_attempt
from tests.builders.digests import table_digests
from tests.builders.events import saved_payment
from tests.faults.workload import events_of_days
from tests.tasks.replaying import import_all, publish, run_replay, with_standby_ledger

pytestmark = pytest.mark.slow

# What an import of the same events stores again. Ids of rows and times of the import differ.
STORED_COLUMNS = {
    "lines": "company_id, clinic_id, payment_id, line_id, version, content_hash, status, reason, application, target",
    "entries": "company_id, clinic_id, patient_id, version, part, kind, amount, method, deposit_date, entered_by",
    "events": "company_id, event_id, content_hash",
    "set_aside": "company_id, body_hash, status, reason, error, attempts",
    "patients": "company_id, patient_id, version, name",
    "charges": "company_id, clinic_id, charge_id, version, patient_balance",
    "findings": "company_id, version, reason, amount_before, amount_now, status",
    "company_months": "company_id, month, state, payments_total, snapshot_hash",
    # A repetition of an event is not recorded again if the event is there. Whether a version is stale depends on the
    # chunk that it is in.
    "history WHERE coalesce(params->>'cause', '') <> 'same_event'": "company_id, entry_id",
}


def close_september(database):
    with transaction(database) as tx:
        companies = list(tx.execute(text("SELECT company_id FROM companies ORDER BY 1")).scalars())
    for company in companies:
        for month in ("2026-08", "2026-09"):
            with transaction(database) as tx:
                closing.begin_close(tx, company, Month.parse(month), datetime.now(UTC), "user:biller")
                closing.finish_close(tx, company, Month.parse(month), datetime.now(UTC))


def detect_exceptions(database):
    with transaction(database) as tx:
        detecting.detect(tx, datetime.now(UTC), "tests-1", 100_000)


def stored_rows(database):
    with transaction(database) as tx:
        return {
            table: sorted(map(repr, tx.execute(text(f"SELECT {columns} FROM {table}"))))
            for table, columns in STORED_COLUMNS.items()
        }


def net_amounts(database):
    """Return the sum of each line's entries. The single entries depend on the order in which versions were imported."""
    with transaction(database) as tx:
        found = tx.execute(
            text(
                "SELECT lines.clinic_id, payment_id, line_id, sum(amount) FROM entries "
                "JOIN lines ON lines.company_id = entries.company_id AND lines.id = line_ref "
                "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            )
        )
        return [tuple(row) for row in found]


def bodies_with_faults():
    """Return two lists of bodies to publish one after the other, with corrections, repetitions and rejected events."""
    events = [body for _, body in events_of_days(7, date(2026, 9, 24), 10)][:360]
    conflict = body_of(saved_payment("99.00", clinic_id="c", patient_id="p", payment_id="conflict"))
    other = body_of(saved_payment("98.00", clinic_id="c", patient_id="p", payment_id="conflict"))
    first = [*events[:200], b"{}", conflict, other, events[10]]
    return first, [*events[200:], b"not an event", events[20], events[205]]


def test_replay_restores_exactly_the_payments_that_a_failover_has_lost(keeping_importer):
    first, lost = bodies_with_faults()
    publish(keeping_importer, first)
    import_all(keeping_importer)
    close_september(keeping_importer.database)
    with with_standby_ledger(keeping_importer) as standby:
        publish(keeping_importer, lost)
        import_all(keeping_importer)
        detect_exceptions(keeping_importer.database)
        everything = stored_rows(keeping_importer.database)
        assert stored_rows(standby.database) != everything

        stats = run_replay(standby)
        detect_exceptions(standby.database)

        assert stored_rows(standby.database) == everything
        assert (stats.read, stats.failed, stats.pending) == (len(first) + len(lost), [], 0)
        assert 0 < stats.changed <= len(lost)
        before = table_digests(standby.database)
        assert run_replay(standby).changed == 0
        assert table_digests(standby.database) == before


def test_replay_of_everything_changes_nothing(keeping_importer):
    first, more = bodies_with_faults()
    publish(keeping_importer, [*first, *more])
    import_all(keeping_importer)
    close_september(keeping_importer.database)
    detect_exceptions(keeping_importer.database)
    before = table_digests(keeping_importer.database)

    stats = run_replay(keeping_importer)

    assert (stats.read, stats.changed) == (len(first) + len(more), 0)
    assert table_digests(keeping_importer.database) == before
    assert before["entries"][0] > 50
    assert before["set_aside"][0] == 3


def test_dry_run_counts_and_changes_nothing(keeping_importer):
    first, _ = bodies_with_faults()
    with with_standby_ledger(keeping_importer) as standby:
        publish(keeping_importer, first[:100])
        import_all(keeping_importer)
        before = table_digests(standby.database)

        stats = run_replay(standby, dry_run=True)

        assert (stats.read, stats.changed) == (100, 100)
        assert table_digests(standby.database) == before


def test_replay_during_running_imports_duplicates_nothing(keeping_importer):
    first, lost = bodies_with_faults()
    publish(keeping_importer, first)
    import_all(keeping_importer)
    with with_standby_ledger(keeping_importer) as standby:
        publish(keeping_importer, lost[:80])
        import_all(keeping_importer)
        publish(keeping_importer, lost[80:])
        work = [threading.Thread(target=each, args=[standby]) for each in 2 * (import_all, run_replay)]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        publish(keeping_importer, lost[80:])
        import_all(keeping_importer)
        for each in (keeping_importer, standby):
            retry_attempt.retry_due(each, 500)  # what was imported before its patient was held

        assert keeping_importer.streams.waiting_count() == 0
        assert net_amounts(standby.database) == net_amounts(keeping_importer.database)
        expected, found = stored_rows(keeping_importer.database), stored_rows(standby.database)
        for name in ("events", "patients", "charges"):
            assert found[name] == expected[name]
