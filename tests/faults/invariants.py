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
    """Return the differences between Billing and the oracle. The stack must be idle.

    `closed` are the earlier totals of closed months, from `closed_month_totals`. A changed total is a difference too.
    """
    oracle.post_newest_versions()
    violations = Violations()
    _check_events(tx, oracle, violations)
    _check_ledger(tx, oracle, violations)
    _check_duplicates(tx, violations)
    now = closed_month_totals(tx, oracle)
    violations.wrong |= {f"closed {key}": (now[key], closed[key]) for key in closed if now[key] != closed[key]}
    # Line by line: what is too much in one may make up for what is missing in another.
    balance = balancing.balance(tx, BalanceFilter())
    violations.wrong |= {f"unexplained {line.payment}": (line.unexplained, 0) for line in balance.unbalanced_lines}
    return violations


def has_event(database: Database, event_id: str) -> bool:
    """Return whether the ledger has recorded an event."""
    with transaction(database) as tx:
        found = tx.execute(text("SELECT 1 FROM events WHERE event_id = CAST(:id AS uuid)"), {"id": event_id})
        return found.first() is not None


def closed_month_totals(tx: Transaction, oracle: Oracle) -> dict[str, Decimal]:
    """Add up every closed month again. Return the totals in dollars by company and month, as in `acme 2026-08`.

    The total is NaN if the month differs from the totals or the hash that its close has stored.
    """
    totals = {}
    for company in sorted({clinic.company for clinic in oracle.clinics.values()}):
        for month in sorted(oracle.closed):
            verified = closing.verify(tx, company, Month.parse(month))
            total = verified.snapshot.payments_total
            totals[f"{company} {month}"] = total if verified.matches else Decimal("NaN")
    return totals


def _check_events(tx: Transaction, oracle: Oracle, violations: Violations) -> None:
    actual = {str(event_id) for event_id in tx.execute(text("SELECT event_id FROM events")).scalars()}
    violations.lost |= oracle.event_ids - actual
    known = tx.execute(text("SELECT company_id, patient_id FROM patients WHERE known_at IS NOT NULL"))
    violations.lost |= {"/".join(key) for key in oracle.patients - {tuple(row) for row in known}}
    rows = {
        row.payment: ExpectedFeedRow(row.version, row.status, row.reason)
        for row in reporting.claims_feed(tx, FeedFilter())
    }
    violations.wrong |= {f"feed {key}": difference for key, difference in _differences(rows, oracle.claims_feed())}
    violations.lost |= set(oracle.claims_feed()) - {str(key) for key in rows}


def _check_ledger(tx: Transaction, oracle: Oracle, violations: Violations) -> None:
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
    all_expected = {key: money for key, money in oracle.ledger.items() if money}
    for key, (actual, expected) in _differences(ledger, all_expected):
        violations.wrong[f"ledger {key}"] = (actual, expected)
        is_more = abs(sum((actual or {}).values())) > abs(sum((expected or {}).values()))
        (violations.doubled if is_more else violations.lost).add(key)


def _check_duplicates(tx: Transaction, violations: Violations) -> None:
    """Find lines with two entries of one version that have the same amount, deposit date, method and kind."""
    found = tx.execute(
        text(
            "SELECT line_ref FROM entries GROUP BY line_ref, version, amount, method, deposit_date, kind "
            "HAVING count(*) > 1"
        )
    )
    violations.doubled |= {f"line {line_ref}" for line_ref in found.scalars()}


def _differences(actual: dict[str, object], expected: dict[str, object]) -> Iterable[tuple[str, Difference]]:
    for key in actual.keys() | expected.keys():
        if actual.get(key) != expected.get(key):
            yield str(key), (actual.get(key), expected.get(key))
