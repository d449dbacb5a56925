"""Transfers and refunds of the same accounts at the same time, with real commits."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.repayment import RepaymentDraft, RepaymentKind
from payments.core.transfer import TransferDraft
from payments.journeys import repaying, transferring
from payments.journeys.repaying import RepaymentRequest
from payments.journeys.transferring import RepaymentTarget, Transfer, TransferRequest, Undo
from payments.store.db.connection import Database, transaction
from tests.builders.events import saved_patient
from tests.builders.office import BILLER, Office
from tests.journeys.test_concurrent_entries import click_concurrently
from tests.journeys.test_concurrent_exceptions import NOW, ClosedAprilLedger

pytestmark = pytest.mark.slow

SISTER = "sister"


@pytest.fixture
def ledger(shared_database: Database) -> ClosedAprilLedger:
    """A company with 25.00 of a patient, and the patient's sister."""
    ledger = ClosedAprilLedger(shared_database, 1)
    with transaction(shared_database) as tx:
        office = Office(tx, NOW.date(), ledger.company, ledger.company)
        office.publish(saved_patient(SISTER, company_id=ledger.company))
    return ledger


def credit(ledger: ClosedAprilLedger, patient: str) -> RepaymentTarget:
    return RepaymentTarget(company_id=ledger.company, clinic_id=ledger.company, patient_id=patient)


def test_money_is_moved_or_paid_back_once(ledger: ClosedAprilLedger) -> None:
    keys = count()

    def take(tx: Any) -> object:
        number = next(keys)
        source = credit(ledger, "patient")
        if number % 2:
            draft = RepaymentDraft(RepaymentKind.REFUND, dollars("25.00"), "paid twice", Method.CHECK)
            return repaying.request(tx, RepaymentRequest(f"key-{number}", draft, source), NOW, BILLER)
        moved = TransferDraft(SISTER, "one family")
        return transferring.make(tx, TransferRequest(f"key-{number}", moved, source), NOW, BILLER)

    results = click_concurrently(ledger, take)

    assert sum(not isinstance(each, str) for each in results) == 1


def test_transfers_in_both_directions_and_their_undoing_do_not_block_each_other(ledger: ClosedAprilLedger) -> None:
    keys = count()
    one_family = TransferDraft(SISTER, "one family", dollars("12.00"))
    with transaction(ledger.database) as tx:
        first = transferring.make(tx, TransferRequest("first", one_family, credit(ledger, "patient")), NOW, BILLER)

    def move(tx: Any) -> Transfer:
        number = next(keys)
        giver, receiver = ("patient", SISTER) if number % 2 else (SISTER, "patient")
        draft = TransferDraft(receiver, "one family", dollars("1.00"))
        return transferring.make(tx, TransferRequest(f"key-{number}", draft, credit(ledger, giver)), NOW, BILLER)

    assert not [each for each in click_concurrently(ledger, move) if isinstance(each, str)]
    undone = click_concurrently(
        ledger, lambda tx: transferring.undo(tx, Undo(first.stored.id, "it was right"), NOW, BILLER)
    )
    assert sum(not each.was_done_before for each in undone if not isinstance(each, str)) <= 1
    query = text("SELECT sum(amount) FROM entries WHERE company_id = :company AND kind = 'manual'")
    with transaction(ledger.database) as tx:
        assert tx.execute(query, {"company": ledger.company}).scalar_one() == 0
