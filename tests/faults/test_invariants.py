"""The checks of the invariants detect violations. The tests violate each of the five invariants."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest
from sqlalchemy import text

from payments.core.due_selection import DueSelection
from payments.core.month import Month
from payments.journeys import closing, importing, retrying
from payments.store.db.connection import Database, Transaction
from tests.builders.events import run_context, stream_entries
from tests.faults import invariants
from tests.faults.invariants import Violations
from tests.faults.oracle import Oracle
from tests.faults.workload import CLOSED_MONTHS, configure_clinics, record_all, september_events

COLUMNS = (
    "line_ref, version, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date, "
    "posting_date, posted_at, entered_by"
)


class LedgerWithOracle(NamedTuple):
    """A ledger of two weeks with two closed months, and the oracle of the same events."""

    tx: Transaction
    oracle: Oracle
    closed: dict[str, Decimal]

    def find_violations(self) -> Violations:
        return invariants.find_violations(*self)

    def record(self, bodies: list[bytes]) -> None:
        importing.import_events(self.tx, stream_entries(bodies), run_context(datetime.now(UTC)))
        while retrying.retry_due(self.tx, run_context(datetime.now(UTC)), DueSelection(500)).evaluated:
            pass
        record_all(self.oracle, bodies)

    def close(self, month: str) -> None:
        for company in sorted({clinic.company for clinic in self.oracle.clinics.values()}):
            closing.begin_close(self.tx, company, Month.parse(month), datetime.now(UTC), "user:biller")
            closing.finish_close(self.tx, company, Month.parse(month), datetime.now(UTC))
        self.oracle.close(month)


@pytest.fixture(scope="module")
def fortnight(database: Database) -> Iterator[LedgerWithOracle]:
    with database.connect() as tx:
        ledger = LedgerWithOracle(tx, configure_clinics(tx), {})
        before, after = september_events()
        ledger.record(before)
        for month in CLOSED_MONTHS:
            ledger.close(month)
        ledger.closed.update(invariants.closed_month_totals(tx, ledger.oracle))
        ledger.record(after)
        ledger.find_violations().check()
        # Disable the triggers, which other tests cover.
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        yield ledger
        tx.rollback()


@pytest.fixture
def ledger(fortnight: LedgerWithOracle) -> Iterator[LedgerWithOracle]:
    """The ledger of two weeks with its oracle. Each test's changes are rolled back."""
    with fortnight.tx.begin_nested() as undo:
        yield fortnight._replace(oracle=copy.deepcopy(fortnight.oracle))
        undo.rollback()


@pytest.mark.parametrize(
    ("violation", "invariant"),
    [
        ("DELETE FROM events WHERE event_id = (SELECT event_id FROM events LIMIT 1)", "lost"),
        ("UPDATE patients SET known_at = NULL WHERE patient_id = (SELECT patient_id FROM lines LIMIT 1)", "lost"),
        ("UPDATE lines SET status = 'Not Sent' WHERE id = (SELECT line_ref FROM entries LIMIT 1)", "feed"),
        ("UPDATE lines SET version = 77 WHERE id = (SELECT line_ref FROM entries LIMIT 1)", "feed"),
        ("DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)", "ledger"),
        ("UPDATE entries SET amount = amount + 0.01 WHERE id = (SELECT max(id) FROM entries)", "ledger"),
        ("UPDATE entries SET deposit_date = '2026-10-31' WHERE id = (SELECT max(id) FROM entries)", "ledger"),
        (
            f"INSERT INTO entries ({COLUMNS}, part) SELECT {COLUMNS}, 99 FROM entries ORDER BY id DESC LIMIT 1",
            "doubled",
        ),
        ("UPDATE entries SET amount = amount + 1 WHERE id = (SELECT min(id) FROM entries)", "closed"),
        ("DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)", "unexplained"),
    ],
)
def test_each_violation_is_detected_by_its_invariant(ledger: LedgerWithOracle, violation: str, invariant: str) -> None:
    assert ledger.tx.execute(text(violation)).rowcount == 1

    found = ledger.find_violations()

    kinds = {name.partition(" ")[0] for name in found.wrong}
    kinds |= {name for name in ("lost", "doubled") if getattr(found, name)}
    assert invariant in kinds
    with pytest.raises(AssertionError):
        found.check()


def test_unpublished_payment_is_detected(ledger: LedgerWithOracle) -> None:
    forgotten = next(key for key, row in ledger.oracle.claims_feed().items() if row.status == "Transmission Successful")
    del ledger.oracle.newest[forgotten]
    ledger.oracle.ledger.pop(forgotten, None)

    assert f"feed {forgotten}" in ledger.find_violations().wrong
