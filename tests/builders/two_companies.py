"""Add two companies that use the same ids for a patient, payments and lines. Only their clinic ids differ."""

from datetime import date

from payments.store.db.connection import Transaction
from tests.builders.events import paid, saved_charge, saved_payment
from tests.builders.office import Office

TODAY, VISIT = date(2020, 6, 10), "2020-06-05"


def add_company(tx: Transaction, company_id: str = "company", clinic_id: str = "clinic") -> Office:
    """Add a company with two payments: 25.00, of which 10.00 is applied, and 30.00 with nothing due."""
    office = Office(tx, TODAY, company_id, clinic_id)
    ids = {"company_id": company_id, "clinic_id": clinic_id}
    office.publish(
        saved_charge("visit", "10.00", date_of_service=VISIT, **ids),
        saved_payment(payment_id="a", **paid("25.00", VISIT), **ids),
        saved_payment(payment_id="z", amount_due="0.00", amount_paid="30.00", transaction_date=VISIT, **ids),
    )
    office.distribute_all()
    return office


def add_second_company(tx: Transaction) -> Office:
    """Add another company that uses the same patient, payment and line ids."""
    return add_company(tx, "other-company", "other-clinic")
