"""Payments per hour of a day, in any time zone, even if PostgreSQL does not know the zone."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from payments.core.scope import EVERYTHING
from payments.core.timezone import known_timezones
from payments.store.reports.dashboard import Day, hourly_flow
from tests.builders.events import saved_payment
from tests.builders.ledger import create_clinic, import_chunk


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
    found = Day.of(day, ZoneInfo(zone))

    assert (len(found.hours), [each.hour for each in found.hours]) == (count, list(hours))
    assert found.end - timedelta(days=2) < found.hours[0] < found.end


@pytest.mark.parametrize("zone", ["UTC", "US/Michigan", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_payment_counts_in_the_hour_of_the_zone(tx, zone: str) -> None:
    create_clinic(tx)
    payment = saved_payment("25.00", saved_at="2026-06-05T16:40:00+00:00")
    import_chunk(tx, payment)
    local = payment.saved_at.astimezone(ZoneInfo(zone))

    flow = hourly_flow(tx, Day.of(local.date(), ZoneInfo(zone)), EVERYTHING)

    assert [row.hour for row in flow] == list(range(24))
    assert {row.hour: row.saved for row in flow if row.saved} == {local.hour: 1}


def test_repeated_hour_is_counted_once(tx) -> None:
    create_clinic(tx)
    for number, moment in enumerate(("2026-11-01T07:30:00Z", "2026-11-01T08:30:00Z")):  # both 1:30 in Denver
        import_chunk(tx, saved_payment("25.00", payment_id=f"p{number}", saved_at=moment))

    flow = hourly_flow(tx, Day.of(date(2026, 11, 1), ZoneInfo("America/Denver")), EVERYTHING)
    assert {row.hour: row.saved for row in flow if row.saved} == {1: 2}


def test_hourly_flow_has_24_rows_in_any_time_zone(tx) -> None:
    for zone in sorted(known_timezones())[::40]:
        assert len(hourly_flow(tx, Day.of(date(2026, 6, 5), ZoneInfo(zone)), EVERYTHING)) == 24
