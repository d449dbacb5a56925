"""Manual entries under concurrent requests, with real commits."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType, Method
from payments.contract.money import dollars
from payments.core.repayment import RepaymentError
from payments.core.transfer import TransferError
from payments.journeys import linking, manual_entries
from payments.journeys.linking import LinkRequest
from payments.journeys.manual_entries import (
    EntryDraft,
    EntryError,
    EntryPurpose,
    EntryRequest,
    LinkTarget,
    ReversalRequest,
)
from payments.store.db.connection import Database, transaction
from tests.builders.office import BILLER
from tests.journeys.test_concurrent_exceptions import NOW, ClosedAprilLedger
from tests.journeys.test_concurrent_workers import run_concurrently

pytestmark = pytest.mark.slow

CLICKS = 6


def draft(ledger: ClosedAprilLedger, amount: str = "10.00") -> EntryDraft:
    place = (ledger.company, ledger.company, "patient")
    return EntryDraft(EntryPurpose.PAYMENT, dollars(amount), Method.CASH, *place, charge_type=ChargeType.COPAY)


def click_concurrently(ledger: ClosedAprilLedger, act: Callable[[Any], object]) -> list[Any]:
    """Call `act` in several concurrent transactions. Return each result, or the text of the error."""
    results: list[Any] = []

    def click() -> None:
        try:
            with transaction(ledger.database) as tx:
                found: object = act(tx)
        except (EntryError, RepaymentError, TransferError) as error:
            found = str(error)
        results.append(found)

    run_concurrently(*[click] * CLICKS)
    return results


def amounts(ledger: ClosedAprilLedger) -> list[str]:
    query = text("SELECT amount::text FROM entries WHERE company_id = :company AND kind = 'manual' ORDER BY id")
    with transaction(ledger.database) as tx:
        return list(tx.execute(query, {"company": ledger.company}).scalars())


def test_clicks_at_the_same_time_post_and_reverse_once(shared_database: Database) -> None:
    ledger = ClosedAprilLedger(shared_database, 1)
    request = EntryRequest("click", draft(ledger))

    posted = click_concurrently(ledger, lambda tx: manual_entries.post(tx, request, NOW, BILLER))

    assert amounts(ledger) == ["10.00"]
    assert sorted(each.was_posted_before for each in posted) == [False] + [True] * (CLICKS - 1)
    reversal = ReversalRequest(posted[0].entry.id, "typed twice")
    click_concurrently(ledger, lambda tx: manual_entries.reverse(tx, reversal, NOW, BILLER))
    assert amounts(ledger) == ["10.00", "-10.00"]


def test_entry_is_linked_to_one_of_two_payments(shared_database: Database) -> None:
    ledger = ClosedAprilLedger(shared_database, 2)
    ledger.import_events(ledger.version_of("p0", "35.00", 2), ledger.version_of("p1", "35.00", 2))
    ledger.detect_all()
    with transaction(ledger.database) as tx:
        entry = manual_entries.post(tx, EntryRequest("one", draft(ledger)), NOW, BILLER).entry
    targets = [LinkTarget(finding_id=each.id) for each in ledger.exceptions(only_open=True)]
    chosen = iter(targets * CLICKS)

    results = click_concurrently(ledger, lambda tx: linking.link(tx, LinkRequest(entry.id, next(chosen)), NOW, BILLER))

    assert len(targets) == 2
    refused = [each for each in results if isinstance(each, str)]
    assert refused == [f"entry {entry.id} is linked to another payment; unlink it first"] * (CLICKS // 2)
    assert len(ledger.exceptions(only_open=True)) == 1
