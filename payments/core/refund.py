"""Find the line that each refund refunds, and the refunds that a biller should check (rules D2 and D8)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from payments.contract.money import ZERO, Money


class RefundProblem(StrEnum):
    """The reason to check a refund: the refunded payment is not on the account, or is smaller than the refund."""

    NOT_FOUND = "refunded_payment_not_found"
    ABOVE_PAYMENT = "refund_above_payment"


class AccountLine(NamedTuple):
    """A line on a patient's account.

    `line_ref` is its row id, `key` its printed key, `refund_of` the printed key of the line that it refunds, and
    `amount` the sum of its entries in dollars.
    """

    line_ref: int
    key: str
    refund_of: str | None
    amount: Money


class RefundToCheck(NamedTuple):
    """A refund that a biller should check. `uncovered` is the part that exceeds the refunded payment, in dollars.

    If the payment is not on the account, `uncovered` is the whole refund.
    """

    refund: AccountLine
    problem: RefundProblem
    uncovered: Money


def refunded_lines(keys: Mapping[int, str], refunds: Mapping[int, str]) -> dict[int, int]:
    """Return a map from the row id of each refund to the row id of the line that it refunds.

    `keys` maps the row id of each line of one account to its printed key. `refunds` maps the row id of each refund to
    the key of the line that it refunds. A refund is omitted unless exactly one other line of the account has that key.
    """
    refs_by_key: dict[str, list[int]] = {}
    for ref, key in keys.items():
        refs_by_key.setdefault(key, []).append(ref)
    found = {ref: refs_by_key.get(refund_of, []) for ref, refund_of in refunds.items()}
    return {ref: targets[0] for ref, targets in found.items() if len(targets) == 1 and targets[0] != ref}


def refunds_to_check(lines: Sequence[AccountLine]) -> list[RefundToCheck]:
    """Return the refunds whose payment is not on the account, or is smaller than the refunded amounts.

    `lines` are the refunds of one account and the lines that they refund. The refunds are in the order of distribution.
    """
    targets = refunded_lines(
        {line.line_ref: line.key for line in lines},
        {line.line_ref: line.refund_of for line in lines if line.refund_of},
    )
    left = {line.line_ref: max(line.amount, ZERO) for line in lines}
    found = []
    for line in lines:
        if not line.refund_of or line.amount >= ZERO:
            continue
        target = targets.get(line.line_ref)
        covered = min(-line.amount, left[target]) if target is not None else ZERO
        if target is not None:
            left[target] -= covered
        if covered < -line.amount:
            problem = RefundProblem.NOT_FOUND if target is None else RefundProblem.ABOVE_PAYMENT
            found.append(RefundToCheck(line, problem, -line.amount - covered))
    return found
