"""Payments are counted by hour of a day in any time zone, even if PostgreSQL does not know the zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from payments.core.history import HistoryCode
from payments.core.scope import EVERYTHING
from payments.core.timezone import known_timezones
from payments.store.db.connection import Transaction
from payments.store.ledger import history
from payments.store.ledger.history import HistoryEvent
from payments.store.reports import dashboard
from payments.store.reports.dashboard import DayHours, HourlyFlow
from payments.store.reports.posted_sums import day_by_status
from tests.builders.events import NOW, saved_payment
from tests.builders.ledger import create_clinic, import_chunk


def hourly_flow(tx: Transaction, day: date, zone: str) -> list[HourlyFlow]:
    hours = DayHours.of(day, ZoneInfo(zone))
    return dashboard.hourly_flow(tx, hours, EVERYTHING, day_by_status(tx, day, hours.hours, EVERYTHING))


@pytest.mark.parametrize(
    ("zone", "day", "count", "hours"),
    [
        ("UTC", date(2026, 6, 5), 24, range(24)),
        ("Asia/Kolkata", date(2026, 6, 5), 24, range(24)),
        ("Asia/Kathmandu", date(2026, 6, 5), 24, range(24)),
        ("America/Denver", date(2026, 3, 8), 23, [0, 1, *range(3, 24)]),
        ("America/Denver", date(2026, 11, 1), 25, [0, 1, 1, *range(2, 24)]),
        ("America/Havana", date(2026, 3, 8), 23, range(1, 24)),  # midnight is skipped
    ],
)
def test_day_has_the_hours_of_its_time_zone(zone: str, day: date, count: int, hours: list[int]) -> None:
    found = DayHours.of(day, ZoneInfo(zone))

    assert (len(found.hours), [each.hour for each in found.hours]) == (count, list(hours))
    assert found.end - timedelta(days=2) < found.hours[0] < found.end


@pytest.mark.parametrize("zone", ["UTC", "US/Michigan", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_payment_counts_in_the_hour_of_the_zone(tx, zone: str) -> None:
    create_clinic(tx)
    local = datetime(2026, 6, 5, 16, 40, tzinfo=UTC).astimezone(ZoneInfo(zone))
    import_chunk(tx, saved_payment("25.00", saved_at=local.isoformat()))

    flow = hourly_flow(tx, local.date(), zone)

    assert [row.hour for row in flow] == list(range(24))
    assert {row.hour: row.saved for row in flow if row.saved} == {local.hour: 1}


def test_repeated_hour_is_counted_once(tx) -> None:
    create_clinic(tx)
    for number, moment in enumerate(("2026-11-01T01:30:00-06:00", "2026-11-01T01:30:00-07:00")):
        import_chunk(tx, saved_payment("25.00", payment_id=f"p{number}", saved_at=moment))

    flow = hourly_flow(tx, date(2026, 11, 1), "America/Denver")
    assert {row.hour: row.saved for row in flow if row.saved} == {1: 2}


def test_hourly_flow_has_24_rows_in_any_time_zone(tx) -> None:
    for zone in sorted(known_timezones())[::40]:
        assert len(hourly_flow(tx, date(2026, 6, 5), zone)) == 24


@pytest.mark.parametrize(
    ("saved_at", "hour"),
    [("2026-06-05T23:30:00-07:00", 23), ("2026-06-05T01:00:00+05:30", 0), ("2026-06-05T12:30:00+00:00", 12)],
)
def test_payment_of_a_clinic_in_another_zone_counts_on_its_own_day(tx, saved_at: str, hour: int) -> None:
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00", saved_at=saved_at))

    flow = hourly_flow(tx, date(2026, 6, 5), "UTC")
    assert {row.hour: row.saved for row in flow if row.saved} == {hour: 1}


def test_only_attempts_that_failed_are_retries(tx) -> None:
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00", patient_id="nobody"))
    (ref, company) = tx.execute(text("SELECT id, company_id FROM lines")).one()
    for code, params in (("held", {"detail": "too slow"}), ("failed", {}), ("held", {"detail": "month_closing"})):
        history.add(tx, [HistoryEvent(NOW, HistoryCode(code), "importer", company, params, line_ref=ref)])

    flow = hourly_flow(tx, NOW.date(), "UTC")
    assert sum(row.retried for row in flow) == 2
    assert dashboard.retry_count(tx, NOW - timedelta(minutes=1)) == 2
