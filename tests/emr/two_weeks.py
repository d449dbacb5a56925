"""Simulate two weeks of five clinics, import the events, and write the EMR's Payment Log."""

import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache

from emr.payment_log import write_payment_log
from emr.simulator import SimulatedEvent, clinics_of, simulate
from payments.contract.event import Event
from payments.core.due_selection import DueSelection
from payments.journeys import configuring, detecting, importing, retrying
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Transaction
from tests.builders.events import run_context, stream_entries

SEED, FIRST_DAY, CLINICS = 7, date(2026, 9, 24), 5
HALFWAY, AFTERWARDS = datetime(2026, 10, 3, 12, tzinfo=UTC), datetime(2026, 10, 12, 12, tzinfo=UTC)
FIRST_CLINIC_IDS = {"clinic_id": "clinic-001", "company_id": "company-1"}
WHOLE_BALANCE_FILTER = BalanceFilter()


@cache
def simulated_events() -> list[SimulatedEvent]:
    return list(simulate(CLINICS, 14, SEED, FIRST_DAY))


def configure_clinics(tx: Transaction) -> set[str]:
    """Configure the simulated clinics, and return their companies."""
    roster = clinics_of(CLINICS, SEED)
    for each in roster:
        update = SettingsUpdate(each.clinic_id, each.company_id, each.integration, each.types)
        configuring.set_clinic(tx, update, now=datetime(2026, 9, 1, tzinfo=UTC), who="simulator")
    return {each.company_id for each in roster}


def import_and_detect(tx: Transaction, events: Sequence[Event | bytes], now: datetime) -> None:
    """Import events in order, retry due lines and detect exceptions."""
    for first in range(0, len(events), 500):
        importing.import_events(tx, stream_entries(events[first : first + 500]), run_context(now))
    while retrying.retry_due(tx, run_context(now), DueSelection(500)).evaluated:
        now += timedelta(microseconds=1)
    while detecting.detect(tx, now, "tests-1", 500).examined:
        pass


def payment_log_after(events: Sequence[Event]) -> io.BytesIO:
    """Return the CSV file of the EMR's Payment Log after these events."""
    file = io.StringIO()
    write_payment_log(events, file)
    return io.BytesIO(file.getvalue().encode())
