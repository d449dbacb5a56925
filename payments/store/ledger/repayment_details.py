"""Refunds and returned payments, with the keys of their payments and of the EMR's refunds that may be the same."""

from collections.abc import Iterable
from typing import NamedTuple

from payments.core.repayment import RepaymentKind, RepaymentState, same_refunds
from payments.core.scope import Scope
from payments.core.sorting import Window
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page, PositionedRow, read_window
from payments.store.ledger import emr_refunds, lines, stored_repayments
from payments.store.ledger.stored_repayments import RepaymentFilter, StoredRepayment


class Repayment(NamedTuple):
    """A refund or a returned payment, with the printed key of the payment that is paid back, if it is one.

    `same_in_emr` is the printed key of a refund of the EMR that may be the same. `was_done_before` is True if an
    earlier call made the change; then nothing changed.
    """

    stored: StoredRepayment
    payment: str | None = None
    same_in_emr: str | None = None
    was_done_before: bool = False


def load(tx: Transaction, found: Iterable[StoredRepayment], scope: Scope) -> list[Repayment]:
    """Return refunds with their payments, and with the refunds of the EMR that may be the same."""
    rows = list(found)
    accounts = {(each.place.company_id, each.place.patient_id) for each in rows}
    own = [
        each.as_refund
        for each in stored_repayments.of_accounts(tx, accounts)
        if each.draft.kind is RepaymentKind.REFUND and each.decisions.state is not RepaymentState.VOIDED
    ]
    same = same_refunds(own, emr_refunds.of_accounts(tx, accounts, scope))
    refs = [each.source for each in rows if isinstance(each.source, int)]
    keys = lines.printed_keys(tx, [*refs, *same.values()], scope)
    return [
        Repayment(
            each,
            keys.get(each.source) if isinstance(each.source, int) else None,
            keys.get(same[each.id]) if each.id in same else None,
        )
        for each in rows
    ]


def read_page(tx: Transaction, chosen: RepaymentFilter, window: Window) -> Page[Repayment]:
    """Return a page of the refunds and returned payments that a filter selects, newest first."""
    page = read_window(window, lambda each: stored_repayments.read_page(tx, chosen, each))
    rows = load(tx, [each.row for each in page.rows], chosen.scope)
    positioned = [PositionedRow(each.position, row) for each, row in zip(page.rows, rows, strict=True)]
    return Page(positioned, page.has_more, page.has_previous)
