"""Rules of transfers: what a request may contain, how much is moved, and when a transfer can be undone (rule D8)."""

import pytest

from payments.contract.money import dollars
from payments.core.transfer import TransferDraft, TransferError, amount_to_move, check_draft, check_undo

DRAFT = TransferDraft("sister", "wrong patient", dollars("20.00"))


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (DRAFT._replace(to_patient_id="patient"), "belongs to patient patient already"),
        (DRAFT._replace(reason=" "), "a reason of 1 to 500 characters"),
        (DRAFT._replace(reason="x" * 501), "a reason of 1 to 500 characters"),
        (DRAFT._replace(amount=dollars("0.00")), r"above 0\.00"),
    ],
)
def test_invalid_draft_is_refused(draft: TransferDraft, why: str) -> None:
    with pytest.raises(TransferError, match=why):
        check_draft(draft, "patient")


def test_available_amount_limits_what_is_moved() -> None:
    everything = DRAFT._replace(amount=None)
    check_draft(everything, "patient")
    assert amount_to_move(DRAFT, dollars("20.00"), is_credit=True) == dollars("20.00")
    assert amount_to_move(everything, dollars("7.50"), is_credit=True) == dollars("7.50")
    with pytest.raises(TransferError, match=r"at most 19\.99 of the payment can be moved; 20\.00 is more"):
        amount_to_move(DRAFT, dollars("19.99"), is_credit=False)
    with pytest.raises(TransferError, match="no money of the account's credit can be moved"):
        amount_to_move(everything, dollars("0.00"), is_credit=True)


def test_transfer_is_undone_only_while_the_receiver_has_the_money() -> None:
    check_undo(dollars("20.00"), dollars("20.00"), "sister")
    with pytest.raises(TransferError, match=r"patient sister has only 5\.00 of the moved money"):
        check_undo(dollars("20.00"), dollars("5.00"), "sister")
