"""Refunds: the line that a refund names, and the refunds that a biller should check."""

import pytest

from payments.contract.money import dollars
from payments.core.refund import AccountLine, RefundProblem, refunded_lines, refunds_to_check


@pytest.mark.parametrize(
    ("keys", "refund_of", "target"),
    [
        (["a/1/1", "a/2/1"], "a/1/1", 1),
        (["a/1/1", "a/2/1"], "a/9/1", None),
        (["a/b/1/1", "a/2/1"], "a/b/1/1", 1),
        (["a/b/1/1", "a/b/1/1"], "a/b/1/1", None),  # clinic a/b, payment 1 and clinic a, payment b/1
        (["a/1/1", "a/1/1 "], "a/1/1", 1),
        (["a/1/1", "A/1/1"], "a/1/1", 1),
        ([], "refund/1/1", None),
    ],
)
def test_refund_is_linked_if_exactly_one_line_has_the_key_that_it_names(
    keys: list[str], refund_of: str, target: int | None
) -> None:
    account = dict(enumerate([*keys, "refund/1/1"], 1))
    refund = len(account)

    assert refunded_lines(account, {refund: refund_of}).get(refund) == target


PAYMENT, REFUND = ("a/1/1", None), ("a/r/1", "a/1/1")
REFUND_CASES = {
    "covered": ([(*PAYMENT, "80.00"), (*REFUND, "-30.00")], []),
    "covered whole": ([(*PAYMENT, "80.00"), (*REFUND, "-80.00")], []),
    "above its payment": ([(*PAYMENT, "80.00"), (*REFUND, "-80.01")], [("a/r/1", "above", "0.01")]),
    "twice": (
        [(*PAYMENT, "80.00"), (*REFUND, "-50.00"), ("a/s/1", "a/1/1", "-50.00")],
        [("a/s/1", "above", "20.00")],
    ),
    "payment deleted": ([(*PAYMENT, "0.00"), (*REFUND, "-30.00")], [("a/r/1", "above", "30.00")]),
    "payment unknown": ([(*REFUND, "-30.00")], [("a/r/1", "not_found", "30.00")]),
    "refund of a refund": (
        [(*PAYMENT, "80.00"), (*REFUND, "-30.00"), ("a/s/1", "a/r/1", "-10.00")],
        [("a/s/1", "above", "10.00")],
    ),
    "refund deleted": ([(*REFUND, "0.00")], []),
    "key of an earlier contract": (
        [(*PAYMENT, "80.00"), ("a/r/1", "1", "-30.00")],
        [("a/r/1", "not_found", "30.00")],
    ),
}
PROBLEM_BY_NAME = {"above": RefundProblem.ABOVE_PAYMENT, "not_found": RefundProblem.NOT_FOUND}


@pytest.mark.parametrize("case", REFUND_CASES)
def test_refund_is_to_be_checked_if_its_payment_is_missing_or_smaller(case: str) -> None:
    given, expected = REFUND_CASES[case]
    lines = [AccountLine(ref, key, refund_of, dollars(amount)) for ref, (key, refund_of, amount) in enumerate(given, 1)]

    assert [(each.key, problem, str(uncovered)) for each, problem, uncovered in refunds_to_check(lines)] == [
        (key, PROBLEM_BY_NAME[problem], uncovered) for key, problem, uncovered in expected
    ]
