"""`payments report account` shows refunds to be checked, and shows credit on charges apart from the patient balance."""

from payments.store.db.connection import Database
from tests.builders.committed import Company
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.console.conftest import Terminal


def test_refund_above_its_payment_and_credit_of_a_charge_are_shown(
    terminal: Terminal, ledger_database: Database
) -> None:
    company = Company(ledger_database)
    payment = f"{company.id}/visit/1"
    company.import_events(
        saved_patient(company.patient_id, company_id=company.id),
        saved_charge("april", "-3.00", date_of_service="2020-04-08", **company.ids),
        saved_charge("march", "30.00", date_of_service="2020-03-02", **company.ids),
        saved_payment(payment_id="visit", **paid("25.00", "2020-04-08"), **company.ids),
        saved_payment(payment_id="back", refund_of=payment, **paid("-40.00", "2020-05-04"), **company.ids),
    )
    company.distribute_queued()

    (row,) = terminal.run("report", "account", company.patient_id, "--format", "json").rows
    table = terminal.run("report", "account", company.patient_id).out

    assert (row["balance"], row["credit"], row["unassigned"]) == ("30.00", "3.00", "-15.00")
    refund = {"payment": f"{company.id}/back/1", "refund_of": payment, "amount": "-40.00", "uncovered": "15.00"}
    assert row["refunds_to_check"] == [refund | {"problem": "More was refunded than was paid."}]
    assert "Refunds to check" in table
