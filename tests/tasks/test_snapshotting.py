"""The nightly snapshot of a company's work queues by cause and clinic. A repeated snapshot replaces the first."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.core.scope import Scope
from payments.journeys import snapshotting
from payments.journeys.snapshotting import QueueSize
from payments.store.db.connection import Database, transaction
from tasks.snapshotting import take_snapshots
from tests.builders.committed import LONG_AGO, ClinicLedger
from tests.builders.events import event_body, payment_fields, saved_patient, saved_payment
from tests.console.web.scenarios import edit_in_closed_month

pytestmark = pytest.mark.slow

NIGHT = datetime(2026, 7, 10, 14, tzinfo=UTC)
DAY = date(2026, 7, 10)


@pytest.fixture
def ledger(database: Database) -> ClinicLedger:
    """A ledger in which no snapshot was taken yet."""
    with transaction(database) as tx:
        tx.execute(text("DELETE FROM job_runs"))
        tx.execute(text("DELETE FROM postponed_work"))
    return ClinicLedger(database)


def snapshot_sizes(database: Database, company: str, *clinics: str) -> list[QueueSize]:
    scope = Scope(frozenset({company}), frozenset(clinics) or None)
    with transaction(database) as tx:
        return snapshotting.queue_sizes(tx, DAY, DAY + timedelta(days=1), scope)


def publish_queues(ledger: ClinicLedger, company: str) -> None:
    ids = {"company_id": company, "clinic_id": f"{company}-a"}
    events = (
        saved_patient(company_id=company),
        saved_payment(**ids, payment_id="in"),
        saved_payment(**ids, payment_id="due", amount_due="0.00"),
        *(saved_payment("9.00", **ids, payment_id=f"out-{n}", charge_type="Supplies") for n in range(2)),
        event_body(payment_fields(**ids, payment_id="bad", method="Barter")),
    )
    ledger.set_clinic(f"{company}-a", ChargeType.COPAY, company_id=company, since=LONG_AGO)
    ledger.in_office(f"{company}-a", lambda office: office.publish(*events), company_id=company)
    edit_in_closed_month(ledger, f"{company}-b", company)


def test_snapshot_stores_number_and_amount_by_cause_and_clinic(ledger: ClinicLedger, database: Database) -> None:
    publish_queues(ledger, "snap")
    while take_snapshots(database, NIGHT)[1]:
        pass
    found = {
        (each.queue, each.cause, each.detail): (each.count, each.amount) for each in snapshot_sizes(database, "snap")
    }

    assert found == {
        ("not_in_billing", "closed_month", ""): (1, Decimal("10.00")),
        ("not_in_billing", "zero_due", ""): (1, Decimal("25.00")),
        ("not_in_billing", "not_sent", "type_not_selected"): (2, Decimal("18.00")),
        ("not_in_billing", "invalid", "invalid_event"): (1, Decimal("25.00")),
        ("exceptions", "closed_month", "edited"): (1, Decimal("10.00")),
        ("exceptions", "zero_due", ""): (1, Decimal("25.00")),
    }
    assert {each.cause for each in snapshot_sizes(database, "snap", "snap-b")} == {"closed_month"}


def test_snapshot_of_a_day_is_taken_once_and_can_be_repeated(ledger: ClinicLedger, database: Database) -> None:
    publish_queues(ledger, "again")
    while take_snapshots(database, NIGHT)[1]:
        pass
    first = snapshot_sizes(database, "again")
    ledger.in_office(
        "again-a",
        lambda office: office.publish(saved_payment(company_id="again", clinic_id="again-a", amount_due="0.00")),
        company_id="again",
    )
    assert take_snapshots(database, NIGHT + timedelta(hours=1)) == ("not due", False)
    assert snapshot_sizes(database, "again") == first

    with transaction(database) as tx:
        tx.execute(text("DELETE FROM job_runs"))
    while take_snapshots(database, NIGHT)[1]:
        pass
    assert sum(each.count for each in snapshot_sizes(database, "again")) == sum(each.count for each in first) + 2


def test_company_that_fails_stops_no_other(ledger: ClinicLedger, database: Database) -> None:
    for company in ("fails-1", "fails-2"):
        publish_queues(ledger, company)
    with transaction(database) as tx:
        tx.execute(text("ALTER TABLE daily_queues ADD CONSTRAINT refused CHECK (company_id <> 'fails-1')"))
    try:
        while take_snapshots(database, NIGHT)[1]:
            pass
    finally:
        with transaction(database) as tx:
            tx.execute(text("ALTER TABLE daily_queues DROP CONSTRAINT refused"))
    assert (snapshot_sizes(database, "fails-1"), len(snapshot_sizes(database, "fails-2"))) == ([], 6)
    take_snapshots(database, NIGHT + timedelta(minutes=2))
    assert len(snapshot_sizes(database, "fails-1")) == 6
