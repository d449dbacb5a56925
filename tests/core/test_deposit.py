"""Deposits (rule D11): which requests are refused."""

from datetime import date

import pytest

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.deposit import (
    ENTRIES_MAX,
    DepositDraft,
    DepositError,
    check_day,
    check_draft,
    check_entries,
)

DRAFT = DepositDraft("key", "clinic", Method.CHECK, "First Bank 1234", (1, 2))
TODAY = date(2020, 6, 12)


@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        (DRAFT, None),
        (DRAFT._replace(entries=tuple(range(ENTRIES_MAX))), None),
        (DRAFT._replace(key=" "), "a request key"),
        (DRAFT._replace(bank_account=" "), "a bank account"),
        (DRAFT._replace(bank_account="b" * 65), "a bank account"),
        (DRAFT._replace(entries=()), "select at least one"),
        (DRAFT._replace(entries=tuple(range(ENTRIES_MAX + 1))), "at most 5,000"),
        (DRAFT._replace(entries=(1, 2, 1)), "named twice"),
    ],
)
def test_request_is_refused_with_its_problem(draft: DepositDraft, problem: str | None) -> None:
    if problem is None:
        check_draft(draft)
        return
    with pytest.raises(DepositError, match=problem):
        check_draft(draft)


@pytest.mark.parametrize(("day", "problem"), [(date(2020, 6, 13), "in the future"), (date(20, 1, 1), "earliest year")])
def test_day_of_a_deposit_is_refused_with_its_problem(day: date, problem: str) -> None:
    check_day(TODAY, TODAY)
    with pytest.raises(DepositError, match=problem):
        check_day(day, TODAY)


def test_missing_entry_and_a_total_that_is_not_positive_are_refused() -> None:
    check_entries((1, 2), (2, 1), dollars("0.01"))
    with pytest.raises(DepositError, match="entry 2 and 1 more cannot be deposited"):
        check_entries((1, 2, 3), (1,), dollars("25.00"))
    with pytest.raises(DepositError, match=r"add up to -5\.00"):
        check_entries((1,), (1,), dollars("-5.00"))


def test_request_hash_depends_on_every_field() -> None:
    changed = [
        DRAFT._replace(clinic_id="other"),
        DRAFT._replace(method=Method.CASH),
        DRAFT._replace(bank_account="Second Bank"),
        DRAFT._replace(entries=(1,)),
        DRAFT._replace(day=TODAY),
    ]

    assert len({each.request_hash() for each in (DRAFT, *changed)}) == 6
