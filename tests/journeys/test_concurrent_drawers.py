"""Drawers and deposits under concurrent requests, with real commits."""

import pytest
from sqlalchemy import text

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.deposit import DepositDraft, DepositError
from payments.core.drawer import CashCount, DrawerCount
from payments.core.scope import Scope
from payments.journeys import deposits, drawers
from payments.journeys.deposits import DepositReversal, UndepositedFilter
from payments.journeys.drawers import OpeningRequest, Stamp
from payments.store.db.connection import Database, transaction
from tests.builders.office import BILLER
from tests.journeys.test_concurrent_exceptions import NOW, ClosedAprilLedger
from tests.journeys.test_concurrent_workers import run_concurrently

pytestmark = pytest.mark.slow

CLICKS = 6


def test_drawer_that_several_users_open_and_count_takes_each_payment_once(shared_database: Database) -> None:
    ledger = ClosedAprilLedger(shared_database, 3)
    request = OpeningRequest(ledger.company, ledger.company, NOW.date().replace(month=4, day=8))
    counted = DrawerCount(CashCount(bills_20=1), {Method.CREDIT_CARD: dollars("75.00")}, "as agreed")

    def open_and_count() -> None:
        with transaction(ledger.database) as tx:
            opened = drawers.open_drawer(tx, request, NOW, BILLER)
            drawers.count(tx, opened.drawer.id, counted, Stamp(NOW, BILLER))

    run_concurrently(*[open_and_count] * CLICKS)

    query = "SELECT count(*), count(DISTINCT line_ref) FROM drawer_lines WHERE company_id = :company"
    with transaction(ledger.database) as tx:
        assert tuple(tx.execute(text(query), {"company": ledger.company}).one()) == (3, 3)


def test_entry_is_on_one_of_several_deposits(shared_database: Database) -> None:
    ledger = ClosedAprilLedger(shared_database, 2)
    chosen = UndepositedFilter(scope=Scope.of_companies(ledger.company))
    with transaction(ledger.database) as tx:
        found = deposits.list_undeposited(tx, chosen, 10)
        method = Method(
            tx.execute(text("SELECT min(method) FROM entries WHERE id = :id"), {"id": found[0].id}).scalar()
        )
    keys, results = iter("abcdef"), []

    def make() -> None:
        place = (ledger.company, method, "bank", tuple(each.id for each in found), None, ledger.company)
        try:
            with transaction(ledger.database) as tx:
                results.append(deposits.make(tx, DepositDraft(next(keys), *place), NOW, BILLER).deposit.id)
        except DepositError as error:
            results.append(str(error))

    run_concurrently(*[make] * CLICKS)

    (made,) = [each for each in results if isinstance(each, int)]
    assert len(results) == CLICKS

    def reverse() -> None:
        with transaction(ledger.database) as tx:
            deposits.reverse(tx, DepositReversal(made, "a mistake"), NOW, BILLER)

    run_concurrently(*[reverse] * CLICKS)
    with transaction(ledger.database) as tx:
        assert [each.id for each in deposits.list_undeposited(tx, chosen, 10)] == [each.id for each in found]
