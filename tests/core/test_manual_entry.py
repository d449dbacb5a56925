"""Manual entries (rule D4): which are refused, and what a link changes on its payment."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import ChargeType, Method
from payments.contract.money import AMOUNT_MAX, dollars
from payments.core.finding import proposed_adjustments, required_finding
from payments.core.line import EntryDimensions, LedgerPosting, Line, nonmonetary_hash
from payments.core.manual_entry import EntryError, EntryPurpose, ManualEntry, check_entry, with_changed_links
from payments.core.outcome import ClosedCase, ClosedMonth, Held, HoldCause, Outcome, Posted, Removed
from tests.builders.events import paid, saved_payment

TODAY = date(2020, 6, 12)
SAVED = saved_payment(**paid("50.00", "2020-04-08"))
OWN = EntryDimensions.of(SAVED)


def entry(amount: str, purpose: str = "payment", **more: object) -> ManualEntry:
    given = {"deposit_date": TODAY, "method": Method.CASH, "charge_type": ChargeType.COPAY} | more
    return ManualEntry("company", "clinic", "patient", EntryPurpose(purpose), dollars(amount), **given)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (entry("25.00"), None),
        (entry("25.00", "adjustment", reason="r"), None),
        (entry("-25.00", "adjustment", reason="r"), None),
        (entry("-25.00", "error_correction", reason="r"), None),
        (entry("0.00"), "the amount is 0.00"),
        (entry("0.00", "adjustment", reason="r"), "the amount is 0.00"),
        (entry("-25.00"), "the amount of a payment must be more than 0.00"),
        (entry("25.00", "adjustment"), "needs a reason"),
        (entry("25.00", "error_correction", reason=" "), "needs a reason"),
        (entry("25.00", reason="r" * 501), "more than 500 characters"),
        (entry("25.00", reference="1" * 65), "more than 64 characters"),
        (entry("25.00")._replace(amount=AMOUNT_MAX + 1), "the amount is more than"),
        (entry("25.00", deposit_date=date(2020, 6, 13)), "in the future"),
        (entry("25.00", deposit_date=date(20, 6, 12)), "the earliest year"),
    ],
)
def test_entry_is_refused_with_its_problem(made: ManualEntry, problem: str | None) -> None:
    if problem is None:
        check_entry(made, TODAY)
        return
    with pytest.raises(EntryError, match=problem):
        check_entry(made, TODAY)


def line(outcome: Outcome, *postings: LedgerPosting, agreed: bytes | None = None) -> Line:
    return Line(
        SAVED.key,
        SAVED.patient_id,
        1,
        deleted=False,
        saved_at=SAVED.saved_at,
        saved_on=TODAY,
        content_hash=b"",
        content=SAVED,
        outcome=outcome,
        postings=postings,
        acknowledged_hash=agreed,
    )


def posting(amount: str, **more: object) -> LedgerPosting:
    return LedgerPosting(dollars(amount), OWN._replace(deposit_date=TODAY, **more))


ADDED = ClosedMonth(ClosedCase.ADDED, dollars("50.00"))
EDITED = ClosedMonth(ClosedCase.EDITED, dollars("50.00"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (line(ADDED, posting("50.00")), Posted(dollars("50.00"), is_update=True, is_accepted=True)),
        (line(ADDED, posting("20.00")), EDITED),
        (line(ADDED, posting("50.00", method=Method.CHECK)), EDITED),
        (line(EDITED), ADDED),
        (line(EDITED, posting("50.00"), agreed=b"another memo"), EDITED),
        (line(Posted(dollars("50.00"))), ADDED),
        (line(Posted(dollars("50.00")), posting("50.00")), Posted(dollars("50.00"))),
        (line(Removed(), posting("10.00")), ClosedMonth(ClosedCase.DELETED, dollars("0.00"))),
        (line(ClosedMonth(ClosedCase.DELETED, dollars("0.00"))), Removed(is_accepted=True)),
        (line(Held(None, 1, HoldCause.REQUEUED), posting("10.00")), Held(None, 1, HoldCause.REQUEUED)),
    ],
    ids=lambda each: str(each.outcome) if isinstance(each, Line) else "",
)
def test_changed_links_decide_the_outcome(before: Line, after: Outcome) -> None:
    found = with_changed_links(before)

    assert found.outcome == after
    if isinstance(before.outcome, ClosedMonth) and not isinstance(after, ClosedMonth):
        assert found.acknowledged_hash == nonmonetary_hash(SAVED)


amounts = st.integers(-60, 60).map(lambda whole: dollars(f"{whole}.00"))


@given(st.lists(st.builds(LedgerPosting, amounts, st.just(OWN)), max_size=4), st.sampled_from([ADDED, EDITED]))
def test_line_without_an_exception_has_its_target_posted(postings: list[LedgerPosting], outcome: ClosedMonth) -> None:
    found = with_changed_links(line(outcome, *postings))

    has_exception = required_finding(found) is not None
    assert has_exception == (found.posted != Decimal("50.00"))
    assert with_changed_links(found) == found
    if has_exception:
        assert sum(each.amount for each in proposed_adjustments(found)) == Decimal("50.00") - found.posted
