"""Warnings before a month is closed."""

from datetime import UTC, date, datetime

from console.reports.months import warning_records
from payments.core.month import Month
from payments.journeys import closing
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics
from tests.builders.events import BACKOFF, next_version, paid, saved_patient, saved_payment
from tests.builders.office import Office

APRIL, MAY = Month(2026, 4), Month(2026, 5)
TODAY = date(2026, 6, 20)


def close_warnings(office: Office, month: Month) -> list[tuple[str, str, str]]:
    """Return the warnings before a month closes, as (kind of warning, payment, amount)."""
    _, found = closing.preview_close(office.tx, office.company_id, month, office.now)
    return [
        (each["what"], each["payment"].split("/")[1] if "/" in each["payment"] else "?", str(each["amount"]))
        for each in warning_records(found)
    ]


def test_each_close_warning_is_listed_for_its_month_only(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(
        saved_payment(payment_id="fine", **paid("1.00", "2026-05-05")),
        saved_payment(payment_id="gone", patient_id="nobody", **paid("2.00", "2026-05-06")),
    )
    for _ in BACKOFF:
        office.now += max(BACKOFF)
        office.run_sweeps()
    office.publish(
        saved_payment(payment_id="held", patient_id="stranger", **paid("3.00", "2026-05-07")),
        saved_payment(payment_id="free", **(paid("4.00", "2026-05-08") | {"amount_due": "0.00"})),
        saved_payment(payment_id="fine", **paid("5.00", "2026-05-05")),  # a conflict
        saved_payment(payment_id="june", patient_id="stranger", **paid("6.00", "2026-06-07")),
        b'{"type": "payment.saved", "company_id": "company", "clinic_id": "clinic", "payment_id": "torn", '
        b'"line_id": "1", "saved_at": "2026-06-01T10:00:00Z", "transaction_date": "2026-05-31", "amount_paid": "7.00"}',
        b'{"type": "payment.saved", "company_id": "other", "clinic_id": "x", "payment_id": "theirs", "line_id": "1", '
        b'"saved_at": "2026-05-01T10:00:00Z", "transaction_date": "2026-05-31", "amount_paid": "8.00"}',
    )

    assert close_warnings(office, MAY) == [
        ("Exception: Amount Due is 0.00", "free", "4.00"),
        ("Exception: Patient not found", "gone", "2.00"),
        ("Exception: Version conflict", "fine", "1.00"),
        ("Transmission Pending", "held", "3.00"),
        ("Validation Failed", "torn", "7.00"),
    ]
    assert close_warnings(office, APRIL) == []


def test_dead_letter_causes_no_warning_once_a_newer_version_is_imported(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    first = saved_payment(**paid("25.00", "2026-05-05"))
    office.publish(first, saved_payment(**paid("26.00", "2026-05-05")))
    assert [what for what, *_ in close_warnings(office, MAY)] == ["Exception: Version conflict"]

    office.publish(next_version(first, amount_due="26.00", amount_paid="26.00"))

    assert close_warnings(office, MAY) == []


def test_exception_of_a_payment_moved_to_a_closed_month_warns_in_its_posted_month(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    first = saved_payment(**paid("25.00", "2026-05-05"))
    office.publish(first)
    office.close_months("2026-04")
    office.publish(next_version(first, transaction_date="2026-04-05"))

    assert [what for what, *_ in close_warnings(office, MAY)] == [
        "Exception: Payment added/edited/deleted when month is closed"
    ]


def test_payments_held_while_their_month_closes_become_exceptions_when_released(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(saved_payment("12.00", patient_id="stranger", transaction_date="2026-05-07"))
    assert [what for what, *_ in close_warnings(office, MAY)] == ["Transmission Pending"]
    office.close_months("2026-05")
    kept = office.month_total("2026-05")

    office.publish(saved_patient("stranger"))

    (found,) = office.open_exceptions()
    assert (found.case, str(found.difference), str(kept)) == ("added", "12.00", "0.00")
    office.accept_all()
    assert office.ledger_entries() == [("2026-06-20", "12.00", "Cash")]
    assert closing.verify(tx, "company", MAY).matches


def test_dead_letter_of_no_company_warns_only_if_there_is_one_company(tx: Transaction) -> None:
    office = Office(tx, date(2026, 5, 20))
    office.publish(b"{")
    office.now = datetime(2026, 6, 20, 12, tzinfo=UTC)
    assert [what for what, *_ in close_warnings(office, MAY)] == ["Validation Failed"]

    clinics.create_companies(tx, ["other"], "UTC")

    assert close_warnings(office, MAY) == []
