"""What finds a fault has to be seen to find one: each of the five facts is broken by hand, and noticed."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest
from sqlalchemy import text

from payments.core.month import Month
from payments.journeys import closing, importing, retrying
from payments.store.db.connection import Database, Transaction
from tests.faults import facts
from tests.faults.facts import Facts
from tests.faults.oracle import Oracle
from tests.faults.workload import CLOSED, hear_all, open_clinics, september
from tests.make import arrived, run

ENTRY = (
    "line_ref, version, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date, "
    "posting_date, posted_at, entered_by"
)


class Told(NamedTuple):
    """A ledger of a fortnight with two closed months, and the oracle that heard the same."""

    tx: Transaction
    oracle: Oracle
    closed: dict[str, Decimal]

    def look(self) -> Facts:
        return facts.look(*self)

    def hear(self, bodies: list[bytes]) -> None:
        importing.import_events(self.tx, arrived(bodies), run(datetime.now(UTC)))
        while retrying.retry_due(self.tx, run(datetime.now(UTC)), 500).evaluated:
            pass
        hear_all(self.oracle, bodies)

    def close(self, month: str) -> None:
        for company in sorted({clinic.company for clinic in self.oracle.clinics.values()}):
            closing.begin_close(self.tx, company, Month.parse(month), datetime.now(UTC), "user:biller")
            closing.finish_close(self.tx, company, Month.parse(month), datetime.now(UTC))
        self.oracle.close(month)


@pytest.fixture(scope="module")
def fortnight(database: Database) -> Iterator[Told]:
    with database.connect() as tx:
        told = Told(tx, open_clinics(tx), {})
        before, after = september()
        told.hear(before)
        for month in CLOSED:
            told.close(month)
        told.closed.update(facts.closed_totals(tx, told.oracle))
        told.hear(after)
        told.look().check()
        # Here the tables are free for all; the product's own guards are tried elsewhere.
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        yield told
        tx.rollback()


@pytest.fixture
def told(fortnight: Told) -> Iterator[Told]:
    """The same as at its beginning for each test."""
    with fortnight.tx.begin_nested() as undo:
        yield fortnight._replace(oracle=copy.deepcopy(fortnight.oracle))
        undo.rollback()


@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        ("DELETE FROM events WHERE event_id = (SELECT event_id FROM events LIMIT 1)", "lost"),
        ("UPDATE patients SET known_at = NULL WHERE patient_id = (SELECT patient_id FROM lines LIMIT 1)", "lost"),
        ("UPDATE lines SET status = 'Not Sent' WHERE id = (SELECT line_ref FROM entries LIMIT 1)", "feed"),
        ("UPDATE lines SET version = 77 WHERE id = (SELECT line_ref FROM entries LIMIT 1)", "feed"),
        ("DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)", "ledger"),
        ("UPDATE entries SET amount = amount + 0.01 WHERE id = (SELECT max(id) FROM entries)", "ledger"),
        ("UPDATE entries SET deposit_date = '2026-10-31' WHERE id = (SELECT max(id) FROM entries)", "ledger"),
        (f"INSERT INTO entries ({ENTRY}, part) SELECT {ENTRY}, 99 FROM entries ORDER BY id DESC LIMIT 1", "doubled"),
        ("UPDATE entries SET amount = amount + 1 WHERE id = (SELECT min(id) FROM entries)", "closed"),
        ("DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)", "unexplained"),
    ],
)
def test_each_harm_is_noticed_as_what_it_is(told: Told, harm: str, seen: str) -> None:
    assert told.tx.execute(text(harm)).rowcount == 1

    found = told.look()

    kinds = {name.partition(" ")[0] for name in found.wrong}
    kinds |= {name for name in ("lost", "doubled") if getattr(found, name)}
    assert seen in kinds
    with pytest.raises(AssertionError):
        found.check()


def test_a_payment_that_was_never_published_is_noticed(told: Told) -> None:
    forgotten = next(key for key, row in told.oracle.feed().items() if row.status == "Transmission Successful")
    del told.oracle.newest[forgotten]
    told.oracle.ledger.pop(forgotten, None)

    assert f"feed {forgotten}" in told.look().wrong
