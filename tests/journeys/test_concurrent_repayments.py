"""Refunds of one account that are requested and issued at the same time, with real commits."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.repayment import RepaymentDraft, RepaymentKind
from payments.journeys import repaying
from payments.journeys.repaying import Issue, RepaymentRequest, RepaymentTarget
from payments.store.db.connection import Database, transaction
from tests.builders.office import BILLER
from tests.journeys.test_concurrent_entries import click_concurrently
from tests.journeys.test_concurrent_exceptions import NOW, ClosedAprilLedger

pytestmark = pytest.mark.slow


def test_refunds_at_the_same_time_pay_back_no_more_than_there_is(shared_database: Database) -> None:
    ledger = ClosedAprilLedger(shared_database, 1)
    target = RepaymentTarget(company_id=ledger.company, clinic_id=ledger.company, patient_id="patient")
    with transaction(ledger.database) as tx:
        there_is = repaying.find_available(tx, target, NOW)
    draft = RepaymentDraft(RepaymentKind.REFUND, there_is / 2, "paid twice", Method.CHECK)
    keys = count()

    def request(tx: Any) -> int:
        return repaying.request(tx, RepaymentRequest(f"key-{next(keys)}", draft, target), NOW, BILLER).stored.id

    results = click_concurrently(ledger, request)

    requested = [each for each in results if isinstance(each, int)]
    assert len(requested) == 2
    assert all("at most 0.00" in each for each in results if isinstance(each, str))
    for each in requested:
        with transaction(ledger.database) as tx:
            repaying.approve(tx, each, NOW, "user:approver")
    issued = click_concurrently(ledger, lambda tx: repaying.issue(tx, Issue(requested[0], "check 9"), NOW, BILLER))
    assert sum(isinstance(each, str) for each in issued) == len(issued) - 1
    query = text("SELECT sum(amount) FROM entries WHERE company_id = :company AND kind = 'manual'")
    with transaction(ledger.database) as tx:
        assert tx.execute(query, {"company": ledger.company}).scalar_one() == -dollars(str(there_is / 2))
