"""Check the five invariants that must be true after every fault, in the ledger's tables and in the reports."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from payments.core.month import Month
from payments.journeys import balancing, closing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Database, Transaction, transaction
from tests.faults.oracle import ExpectedFeedRow, Oracle

Difference = tuple[Any, Any]


@dataclass
class Violations:
    """Differences between the actual and the expected state of the ledger and the reports."""

    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    wrong: dict[str, Difference] = field(default_factory=dict)

    def check(self) -> None:
        """Fail if there is a difference."""
        shown = dict(list(self.wrong.items())[:5])
        assert (len(self.lost), len(self.doubled), shown) == (0, 0, {}), f"{sorted(self.lost)[:5]}"


def find_violations(tx: Transaction, oracle: Oracle, closed: dict[str, Decimal]) -> Violations:
    """Return how Billing differs from the oracle and from the totals of months in `closed`. The stack must be idle."""
    oracle.post_newest_versions()
    invariants = Violations()
    _check_events(tx, oracle, invariants)
    _check_ledger(tx, oracle, invariants)
    _check_duplicates(tx, invariants)
    now = closed_month_totals(tx, oracle)
    invariants.wrong |= {f"closed {key}": (now[key], closed[key]) for key in closed if now[key] != closed[key]}
    # Line by line: what is too much in one may make up for what is missing in another.
    balance = balancing.balance(tx, BalanceFilter())
    invariants.wrong |= {f"unexplained {line.payment}": (line.unexplained, 0) for line in balance.unbalanced_lines}
    return invariants


def has_event(database: Database, event_id: str) -> bool:
    """Return whether the ledger has recorded an event."""
    with transaction(database) as tx:
        found = tx.execute(text("SELECT 1 FROM events WHERE event_id = CAST(:id AS uuid)"), {"id": event_id})
        return found.first() is not None


def closed_month_totals(tx: Transaction, oracle: Oracle) -> dict[str, Decimal]:
    """Compute the total of every closed month again. If the month does not match its stored hash, the total is NaN."""
    totals = {}
    for company in sorted({clinic.company for clinic in oracle.clinics.values()}):
        for month in sorted(oracle.closed):
            verified = closing.verify(tx, company, Month.parse(month))
            total = verified.snapshot.payments_total
            totals[f"{company} {month}"] = total if verified.matches else Decimal("NaN")
    return totals


def _check_events(tx: Transaction, oracle: Oracle, invariants: Violations) -> None:
    there = {str(event_id) for event_id in tx.execute(text("SELECT event_id FROM events")).scalars()}
    invariants.lost |= oracle.event_ids - there
    known = tx.execute(text("SELECT company_id, patient_id FROM patients WHERE known_at IS NOT NULL"))
    invariants.lost |= {"/".join(key) for key in oracle.patients - {tuple(row) for row in known}}
    rows = {
        row.payment: ExpectedFeedRow(row.version, row.status, row.reason)
        for row in reporting.claims_feed(tx, FeedFilter())
    }
    invariants.wrong |= {f"feed {key}": difference for key, difference in _differences(rows, oracle.feed())}
    invariants.lost |= set(oracle.feed()) - {str(key) for key in rows}


def _check_ledger(tx: Transaction, oracle: Oracle, invariants: Violations) -> None:
    found = tx.execute(
        text(
            "SELECT clinic_id || '/' || payment_id || '/' || line_id, deposit_date::text, method, sum(amount) FROM "
            "(SELECT lines.clinic_id, payment_id, line_id, deposit_date, entries.method, amount "
            "FROM entries JOIN lines ON lines.id = line_ref) AS posted GROUP BY 1, 2, 3 HAVING sum(amount) <> 0"
        )
    )
    ledger: dict[str, Any] = defaultdict(dict)
    for key, day, method, amount in found:
        ledger[key][day, method] = amount
    wanted = {key: money for key, money in oracle.ledger.items() if money}
    for key, (there, should) in _differences(ledger, wanted):
        invariants.wrong[f"ledger {key}"] = (there, should)
        is_more = abs(sum((there or {}).values())) > abs(sum((should or {}).values()))
        (invariants.doubled if is_more else invariants.lost).add(key)


def _check_duplicates(tx: Transaction, invariants: Violations) -> None:
    """Check that each version of a line posts an amount with the same deposit date, method and kind at most once."""
    found = tx.execute(
        text(
            "SELECT line_ref FROM entries GROUP BY line_ref, version, amount, method, deposit_date, kind "
            "HAVING count(*) > 1"
        )
    )
    invariants.doubled |= {f"line {line_ref}" for line_ref in found.scalars()}


def _differences(there: dict[str, object], wanted: dict[str, object]) -> Iterable[tuple[str, Difference]]:
    for key in there.keys() | wanted.keys():
        if there.get(key) != wanted.get(key):
            yield str(key), (there.get(key), wanted.get(key))
