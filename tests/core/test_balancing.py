"""Every cent between the EMR's total and Billing's has one reason, worked out from facts of its own."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from payments.contract.money import ZERO, dollars
from payments.contract.payment_log import Details
from payments.core.balancing import Balance, BalancedLine, LineComparison, ReconcilingItem, explain, last_full_week
from payments.core.outcome import Application, Outcome, Reason, Status, not_sent

DAY = date(2026, 6, 5)
SUCCESS, PENDING, FAILED = Status.SUCCESSFUL, Status.PENDING, Status.VALIDATION_FAILED
IMPORTED, EXCEPTION, HELD = Application.IMPORTED, Application.EXCEPTION, Application.HELD


def facts(said: str, outcome: Outcome | None = None, **more: object) -> LineComparison:
    """Return a line dated in the days, of which nothing is in Billing; amounts may be given as text."""
    named = {name: dollars(value) if type(value) is str else value for name, value in more.items()}
    amount = dollars(said)
    whole = {"emr": amount, "heard": amount, "refused": None, "is_inside": True, "here": ZERO, **named}
    return LineComparison("c/p/1", "c", said=amount, outcome=outcome, **whole)  # type: ignore[arg-type]


def should_hold(target: str | None, application: Application = IMPORTED, status: Status | None = SUCCESS) -> Outcome:
    """Return what was decided of a line: that this amount should stand in Billing."""
    return Outcome(application, status, target=None if target is None else dollars(target))


EXPLAINED = [
    ("imported", facts("25.00", should_hold("25.00"), here="25.00"), {}),
    ("not paid", facts("0.00", should_hold("0.00", Application.NONE, None)), {}),
    ("internal", facts("25.00", not_sent(Reason.INTERNAL_PAYMENT)), {"internal": "25.00"}),
    ("type not selected", facts("25.00", not_sent(Reason.TYPE_NOT_SELECTED)), {"not_sent": "25.00"}),
    ("every try failed", facts("25.00", not_sent(Reason.RETRIES_EXHAUSTED, target=None)), {"not_sent": "25.00"}),
    ("patient unknown", facts("25.00", not_sent(Reason.PATIENT_NOT_FOUND, target=None)), {"not_sent": "25.00"}),
    ("held", facts("25.00", should_hold(None, HELD, PENDING)), {"pending": "25.00"}),
    ("an edit held", facts("35.00", should_hold(None, HELD, PENDING), here="25.00"), {"pending": "10.00"}),
    ("a deletion held", facts("0.00", should_hold(None, HELD, PENDING), here="25.00"), {"pending": "-25.00"}),
    ("requeued", facts("25.00", should_hold("0.00", HELD, PENDING)), {"pending": "25.00"}),
    ("requeued, and in Billing", facts("25.00", should_hold("0.00", HELD, PENDING), here="25.00"), {}),
    ("zero due", facts("25.00", should_hold(None, EXCEPTION)), {"zero_due": "25.00"}),
    ("zero due after import", facts("0.00", should_hold(None, EXCEPTION), here="25.00"), {"zero_due": "-25.00"}),
    (
        "a newer version is refused",
        facts("40.00", should_hold("25.00"), heard="25.00", here="25.00", refused=FAILED),
        {"invalid": "15.00"},
    ),
    (
        "an event failed in every try",
        facts("40.00", should_hold("0.00", Application.NONE, None), heard="0.00", refused=Status.NOT_SENT),
        {"not_sent": "40.00"},
    ),
    ("added", facts("50.00", should_hold("50.00", EXCEPTION)), {"closed_month": "50.00"}),
    ("edited", facts("45.00", should_hold("45.00", EXCEPTION), here="60.00"), {"closed_month": "-15.00"}),
    ("deleted", facts("0.00", should_hold("0.00", EXCEPTION), here="60.00"), {"closed_month": "-60.00"}),
    (
        "internal after its month closed",
        facts("60.00", not_sent(Reason.INTERNAL_PAYMENT)._replace(application=EXCEPTION), here="60.00"),
        {"internal": "60.00", "closed_month": "-60.00"},
    ),
    ("adjusted", facts("45.00", should_hold("45.00"), here="60.00", added="-15.00"), {"prior_period": "-15.00"}),
    ("dated into the days", facts("25.00", should_hold("25.00"), elsewhere="25.00"), {"date_differences": "25.00"}),
    (
        "dated out of the days",
        facts("25.00", should_hold("25.00"), is_inside=False, emr="0.00", here="25.00"),
        {"date_differences": "-25.00"},
    ),
    (
        "moved, edited and adjusted",
        facts("35.00", should_hold("40.00", EXCEPTION), heard="40.00", refused=FAILED, elsewhere="20.00", added="5.00"),
        {"invalid": "-5.00", "closed_month": "15.00", "prior_period": "5.00", "date_differences": "20.00"},
    ),
    ("a refund", facts("-25.00", not_sent(Reason.TYPE_NOT_SELECTED)), {"not_sent": "-25.00"}),
]


@pytest.mark.parametrize(("line", "terms"), [row[1:] for row in EXPLAINED], ids=[row[0] for row in EXPLAINED])
def test_a_line_is_explained_by_the_terms_that_are_its_own(line: LineComparison, terms: dict[str, str]) -> None:
    explained = explain(line)

    assert {term.value: str(amount) for term, amount in explained.terms.items()} == terms
    assert (explained.unexplained, explained.note) == (ZERO, "")


WRONG = [
    ("never posted", facts("25.00", should_hold("25.00")), "25.00"),
    ("posted twice", facts("25.00", should_hold("25.00"), here="50.00"), "-25.00"),
    ("not posted right", facts("25.00", should_hold("30.00"), here="30.00"), "-5.00"),
    ("internal, and posted", facts("25.00", not_sent(Reason.INTERNAL_PAYMENT), here="25.00"), "-25.00"),
    ("imported for 20.00", facts("25.00", should_hold("20.00"), here="20.00"), "5.00"),
    ("never paid, and posted", facts("0.00", should_hold("0.00", Application.NONE, None), here="9.00"), "-9.00"),
]


@pytest.mark.parametrize(("line", "amount"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_not_explained_away(line: LineComparison, amount: str) -> None:
    explained = explain(line)

    assert str(explained.unexplained) == amount
    assert explained.note == "the rules of import do not account for what stands in Billing"


FEED = Details(DAY, "Copay", internal_payment=False, version=1)
KNOWN = facts("25.00", should_hold("25.00"), here="25.00", feed=FEED, log=FEED)
COMPARED = [
    ("the same", KNOWN, "0.00", ""),
    ("lost", facts("0.00", None, emr="25.00", log=FEED), "25.00", "only the EMR knows it"),
    ("not in the log", replace(KNOWN, emr=ZERO, log=None), "-25.00", "only Billing knows it"),
    ("amount", replace(KNOWN, emr=Decimal("30.00")), "5.00", "amount is 30.00 in the EMR and 25.00 in Billing"),
    (
        "day",
        replace(KNOWN, is_inside=False, here=ZERO, log=FEED._replace(day=date(2026, 6, 6))),
        "25.00",
        "day is 2026-06-06 in the EMR and 2026-06-05 in Billing",
    ),
    (
        "all else",
        replace(KNOWN, log=Details(DAY, "Other", internal_payment=False, version=2)),
        "0.00",
        "charge type is Other in the EMR and Copay in Billing; version is 2 in the EMR and 1 in Billing",
    ),
    ("no version given", replace(KNOWN, log=FEED._replace(version=None)), "0.00", ""),
]


@pytest.mark.parametrize(("line", "amount", "note"), [row[1:] for row in COMPARED], ids=[row[0] for row in COMPARED])
def test_against_the_emrs_own_log_each_disagreement_is_named(line: LineComparison, amount: str, note: str) -> None:
    explained = explain(line)

    assert (str(explained.unexplained), explained.note) == (amount, note)


def test_a_balance_is_the_sum_of_its_lines_and_keeps_those_that_differ() -> None:
    balance = Balance()
    balance.add(BalancedLine(None, "c", Decimal("75.00"), Decimal("75.00"), count=3))
    for _, line, _ in [*EXPLAINED, *WRONG]:
        balance.add(explain(line))

    assert balance.equal == 3 + 3  # imported, not paid, requeued and in Billing
    assert balance.unexplained == sum(line.unexplained for line in balance.lines) == Decimal("-34.00")
    assert [len(balance.unexplained_lines), len(balance.lines)] == [len(WRONG), len(EXPLAINED) - 3 + len(WRONG)]
    assert balance.emr_total == balance.billing_total + sum(balance.terms.values()) + balance.unexplained


@pytest.mark.parametrize("day", range(5, 12))
def test_the_last_full_week_ends_on_the_sunday_before_this_week(day: int) -> None:
    assert last_full_week(date(2026, 10, day)) == (date(2026, 9, 28), date(2026, 10, 4))


def test_each_term_has_a_sentence() -> None:
    assert all(term.sentence for term in ReconcilingItem)
