"""What only grows lies in months: where a row goes, what is made ahead, what is dropped, and that no repeat gets by."""

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
from tests.journeys.billing import ledger, open_clinic, take
from tests.make import edited, saved

TODAY = date(2026, 6, 10)
BY_MONTH = (*partitions.EVENTS, *partitions.HISTORY, *partitions.AUDIT)


def parts(tx, table):
    """Return how many rows lie in each part of a table that has any."""
    found = tx.execute(text(f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1")).all()
    return {name.removeprefix(f"{table}_"): count for name, count in found}


def all_parts(tx, table):
    asked = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass) ORDER BY 1"
    return [name.removeprefix(f"{table}_") for name in tx.execute(text(asked), {"table": table}).scalars()]


def told(tx):
    return [wording.history(row.code) for row in reporting.timeline(tx, "clinic/payment/1")]


def test_room_is_made_for_the_months_to_come_and_once(tx):
    assert retention.create_partitions(tx, TODAY) == 5 * len(BY_MONTH)
    assert retention.create_partitions(tx, TODAY) == 0

    months = ["2026_05", "2026_06", "2026_07", "2026_08", "2026_09"]
    assert {tuple(all_parts(tx, table)) for table in BY_MONTH} == {(*months, "before", "default")}
    assert retention.create_partitions(tx, date(2026, 7, 1)) == len(BY_MONTH)


def test_months_in_which_nobody_asked_are_made_up_for(tx):
    retention.create_partitions(tx, TODAY)
    retention.create_partitions(tx, date(2027, 2, 1))

    assert all_parts(tx, "events")[5:-2] == [f"2026_{n}" for n in (10, 11, 12)] + [f"2027_{n:02}" for n in range(1, 6)]


def test_what_came_before_its_month_had_a_part_finds_its_place(tx):
    open_clinic(tx)
    take(tx, saved("25.00"), saved("30.00", payment_id="old", saved_at="2019-02-01T10:00:00Z"))
    take(tx, saved("30.00", payment_id="ahead", saved_at="2031-02-01T10:00:00Z"))
    assert parts(tx, "events") == {"default": 3}
    before = told(tx)

    retention.create_partitions(tx, TODAY)

    assert parts(tx, "events") == {"2026_06": 1, "before": 1, "default": 1}
    assert parts(tx, "history") == {"2026_06": 3}
    assert told(tx) == before
    assert retention.create_partitions(tx, TODAY) == 0


def test_a_row_goes_to_the_month_of_its_moment_in_utc(tx):
    retention.create_partitions(tx, TODAY)
    open_clinic(tx)
    # At the clinic it is still May.
    take(tx, saved("25.00", saved_at="2026-05-31T20:00:00-07:00"))

    assert parts(tx, "events") == {"2026_06": 1}


@pytest.mark.parametrize("divided", ["before the first", "between the two", "before both, and again"])
def test_an_event_that_is_repeated_counts_once_wherever_it_lies(tx, divided):
    open_clinic(tx)
    event = saved("25.00")
    if divided.startswith("before"):
        retention.create_partitions(tx, TODAY)
    take(tx, event)
    retention.create_partitions(tx, date(2026, 9, 1) if divided.endswith("again") else TODAY)
    take(tx, event)

    assert ledger(tx) == [("25.00", "2026-06-05")]
    assert told(tx) == ["Imported", "Received"]
    assert sum(parts(tx, "events").values()) == 1


def test_the_same_id_with_other_content_is_a_conflict_wherever_it_lies(tx):
    retention.create_partitions(tx, TODAY)
    open_clinic(tx)
    event = saved("25.00")
    take(tx, event)
    take(tx, edited(event, event_id=str(event.event_id), amount_paid="26.00", amount_due="26.00"))

    assert ledger(tx) == [("25.00", "2026-06-05")]
    assert "version_conflict" in [row.reason for row in reporting.claims_feed(tx, reporting.FeedFilter())]


def test_months_that_are_no_longer_kept_are_dropped_and_the_ledger_stays(tx):
    retention.create_partitions(tx, TODAY)
    open_clinic(tx)
    event = saved("25.00")
    take(tx, event)
    retention.create_partitions(tx, date(2027, 7, 1))

    assert retention.drop_expired(tx, date(2027, 6, 30), Retention(events=2, history=12)) == 11 + 5
    assert all_parts(tx, "events")[:2] == ["2027_04", "2027_05"]
    assert (parts(tx, "events"), told(tx)) == ({}, ["Imported"])
    assert all_parts(tx, "history")[0] == "2026_06"

    assert retention.drop_expired(tx, date(2027, 7, 1), Retention(history=12)) == 5
    assert told(tx) == []
    # What is remembered of the line itself still knows the event.
    take(tx, event)
    assert ledger(tx) == [("25.00", "2026-06-05")]


def test_nothing_is_dropped_where_nothing_is_said(tx):
    retention.create_partitions(tx, TODAY)

    assert retention.drop_expired(tx, date(2036, 6, 30), Retention()) == 0


def test_what_is_older_than_all_months_goes_with_the_oldest(tx):
    retention.create_partitions(tx, TODAY)
    open_clinic(tx)
    take(tx, saved("25.00", saved_at="2019-02-01T10:00:00Z"))
    retention.drop_expired(tx, TODAY, Retention(events=1))
    assert parts(tx, "events") == {"before": 1}

    retention.drop_expired(tx, date(2026, 8, 1), Retention(events=2))

    assert parts(tx, "events") == {}
    assert "before" in all_parts(tx, "events")


def test_the_audit_history_refuses_a_change_in_every_part_of_it(tx):
    retention.create_partitions(tx, TODAY)
    for year in (2019, 2026, 2031):
        audit.add(tx, AuditEntry(datetime(year, 6, 10, tzinfo=UTC), "user:ada", "logged in", "ada"))
    assert parts(tx, "audit") == {"before": 1, "2026_06": 1, "default": 1}

    for table in ("audit", "audit_before", "audit_2026_06", "audit_default"):
        for statement in (f"UPDATE {table} SET who = 'nobody'", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="append-only"), tx.begin_nested():
                tx.execute(text(statement))
    with pytest.raises(DBAPIError, match="append-only"), tx.begin_nested():
        tx.execute(text("TRUNCATE audit"))


def test_a_span_without_end_is_refused(tx):
    with pytest.raises(DBAPIError, match="no more than 1000 days"), tx.begin_nested():
        partitions.create(tx, TODAY, date(2126, 1, 1))


@pytest.mark.parametrize(("months", "then"), [(1, "2026-07"), (7, "2027-01"), (-6, "2025-12"), (0, "2026-06")])
def test_a_month_so_many_later(months, then):
    assert str(Month.of(TODAY).plus(months)) == then
