"""Monthly partitions: creation in advance, placement of rows, retention, and deduplication of events across them."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments import wording
from payments.access import audit
from payments.access.audit import AuditEntry
from payments.core.month import Month
from payments.journeys import reporting, retention
from payments.journeys.retention import Retention
from payments.store.db import partitions
from tests.builders.events import next_version, saved_payment
from tests.builders.ledger import create_clinic, import_chunk, ledger_entries

pytestmark = pytest.mark.slow

TODAY = date(2026, 6, 10)
PARTITIONED_TABLES = retention.PARTITIONED_TABLES


def create_partitions(tx, today):
    return sum(retention.create_partitions(tx, table, today) for table in PARTITIONED_TABLES)


def drop_expired(tx, today, kept):
    return sum(retention.drop_expired(tx, table, today, kept) for table in PARTITIONED_TABLES)


def rows_by_partition(tx, table):
    """Return the number of rows of each partition that is not empty."""
    found = tx.execute(text(f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1")).all()
    return {name.removeprefix(f"{table}_"): count for name, count in found}


def partition_names(tx, table):
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass) ORDER BY 1"
    return [name.removeprefix(f"{table}_") for name in tx.execute(text(query), {"table": table}).scalars()]


def history_of_payment(tx):
    return [wording.history(row.code) for row in reporting.timeline(tx, "clinic/payment/1")]


def test_partitions_of_coming_months_are_created_once(tx):
    assert create_partitions(tx, TODAY) == 5 * len(PARTITIONED_TABLES)
    assert create_partitions(tx, TODAY) == 0

    months = ["2026_05", "2026_06", "2026_07", "2026_08", "2026_09"]
    assert {tuple(partition_names(tx, table)) for table in PARTITIONED_TABLES} == {(*months, "before", "default")}
    assert create_partitions(tx, date(2026, 7, 1)) == len(PARTITIONED_TABLES)


def test_partitions_of_missed_months_are_created_later(tx):
    create_partitions(tx, TODAY)
    create_partitions(tx, date(2027, 2, 1))

    assert partition_names(tx, "events")[5:-2] == [f"2026_{n}" for n in (10, 11, 12)] + [
        f"2027_{n:02}" for n in range(1, 6)
    ]


def test_rows_move_to_their_partition_when_it_is_created(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"), saved_payment("30.00", payment_id="old", saved_at="2019-02-01T10:00:00Z"))
    import_chunk(tx, saved_payment("30.00", payment_id="ahead", saved_at="2031-02-01T10:00:00Z"))
    assert rows_by_partition(tx, "events") == {"default": 3}
    before = history_of_payment(tx)

    create_partitions(tx, TODAY)

    assert rows_by_partition(tx, "events") == {"2026_06": 1, "before": 1, "default": 1}
    assert rows_by_partition(tx, "history") == {"2026_06": 3}
    assert history_of_payment(tx) == before
    assert create_partitions(tx, TODAY) == 0


def test_rows_are_partitioned_by_the_utc_month(tx):
    create_partitions(tx, TODAY)
    create_clinic(tx)
    # In the clinic's time zone it is still May.
    import_chunk(tx, saved_payment("25.00", saved_at="2026-05-31T20:00:00-07:00"))

    assert rows_by_partition(tx, "events") == {"2026_06": 1}


@pytest.mark.parametrize("partitioned", ["before the first", "between the two", "before both, and again"])
def test_repeated_event_counts_once_in_any_partition(tx, partitioned):
    create_clinic(tx)
    event = saved_payment("25.00")
    if partitioned.startswith("before"):
        create_partitions(tx, TODAY)
    import_chunk(tx, event)
    create_partitions(tx, date(2026, 9, 1) if partitioned.endswith("again") else TODAY)
    import_chunk(tx, event)

    assert ledger_entries(tx) == [("25.00", "2026-06-05")]
    assert history_of_payment(tx) == ["Imported", "Received"]
    assert sum(rows_by_partition(tx, "events").values()) == 1


def test_same_event_id_with_other_content_is_a_conflict(tx):
    create_partitions(tx, TODAY)
    create_clinic(tx)
    event = saved_payment("25.00")
    import_chunk(tx, event)
    import_chunk(tx, next_version(event, event_id=str(event.event_id), amount_paid="26.00", amount_due="26.00"))

    assert ledger_entries(tx) == [("25.00", "2026-06-05")]
    assert "version_conflict" in [row.reason for row in reporting.claims_feed(tx, reporting.FeedFilter())]


def test_expired_months_are_dropped_and_the_ledger_is_kept(tx):
    create_partitions(tx, TODAY)
    create_clinic(tx)
    event = saved_payment("25.00")
    import_chunk(tx, event)
    create_partitions(tx, date(2027, 7, 1))

    assert drop_expired(tx, date(2027, 6, 30), Retention(events=2, history=12)) == 11 + 5
    assert partition_names(tx, "events")[:2] == ["2027_04", "2027_05"]
    assert (rows_by_partition(tx, "events"), history_of_payment(tx)) == ({}, ["Imported"])
    assert partition_names(tx, "history")[0] == "2026_06"

    assert drop_expired(tx, date(2027, 7, 1), Retention(history=12)) == 5
    assert history_of_payment(tx) == []
    # The version of the line still identifies the repeated event.
    import_chunk(tx, event)
    assert ledger_entries(tx) == [("25.00", "2026-06-05")]


def test_nothing_is_dropped_without_a_retention_setting(tx):
    create_partitions(tx, TODAY)

    assert drop_expired(tx, date(2036, 6, 30), Retention()) == 0


def test_catch_all_partition_is_emptied_with_the_oldest_month(tx):
    create_partitions(tx, TODAY)
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00", saved_at="2019-02-01T10:00:00Z"))
    drop_expired(tx, TODAY, Retention(events=1))
    assert rows_by_partition(tx, "events") == {"before": 1}

    drop_expired(tx, date(2026, 8, 1), Retention(events=2))

    assert rows_by_partition(tx, "events") == {}
    assert "before" in partition_names(tx, "events")


def test_audit_history_is_append_only_in_every_partition(tx):
    create_partitions(tx, TODAY)
    for year in (2019, 2026, 2031):
        audit.add(tx, AuditEntry(datetime(year, 6, 10, tzinfo=UTC), "user:ada", "logged in", "ada"))
    assert rows_by_partition(tx, "audit") == {"before": 1, "2026_06": 1, "default": 1}

    for table in ("audit", "audit_before", "audit_2026_06", "audit_default"):
        for statement in (f"UPDATE {table} SET who = 'nobody'", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="append-only"), tx.begin_nested():
                tx.execute(text(statement))
    with pytest.raises(DBAPIError, match="append-only"), tx.begin_nested():
        tx.execute(text("TRUNCATE audit"))


def test_partitions_for_more_than_1000_days_are_refused(tx):
    with pytest.raises(DBAPIError, match="no more than 1000 days"), tx.begin_nested():
        partitions.create(tx, "events", TODAY, date(2126, 1, 1))


def test_only_the_partitioned_tables_get_partitions(tx):
    with pytest.raises(DBAPIError, match="table entries is not partitioned by month"), tx.begin_nested():
        partitions.create(tx, "entries", TODAY, TODAY)


def test_process_of_the_previous_release_creates_all_partitions(tx):
    created = tx.execute(text("SELECT make_partitions('2026-05-01', '2026-09-01')")).scalar_one()

    assert created == 5 * len(PARTITIONED_TABLES)
    assert create_partitions(tx, TODAY) == 0


@pytest.mark.parametrize(("months", "then"), [(1, "2026-07"), (7, "2027-01"), (-6, "2025-12"), (0, "2026-06")])
def test_months_are_added_and_subtracted(months, then):
    assert str(Month.of(TODAY).plus(months)) == then
