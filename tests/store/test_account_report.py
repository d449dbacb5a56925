"""The account report: the unassigned amount of each entry, and the amounts applied by payment and charge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pytest

from payments.contract.money import Money, dollars, total
from payments.core.sorting import Window
from payments.journeys.importing import import_events
from payments.store.db.connection import Transaction
from payments.store.reports import account, payment_log
from payments.store.reports.account import AccountRow
from payments.store.reports.applied_amounts import AppliedRow
from payments.store.reports.payment_log import PaymentLogFilter
from tests.builders.events import (
    deleted_payment,
    paid,
    run_context,
    saved_charge,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.builders.office import Office

TODAY = date(2020, 6, 10)
VISIT_DATE = "2020-06-05"


@dataclass(frozen=True)
class AccountCase:
    """A test case: changes to one patient's account, and the expected unassigned amount of each entry."""

    name: str
    act: Callable[[Office], object]
    unassigned: list[str]


def charge_and_distribute(office: Office, amount: str) -> None:
    """Publish a charge of this amount for the visit, and distribute the accounts."""
    office.publish(saved_charge("visit", amount, date_of_service=VISIT_DATE))
    office.distribute_all()


def visit_payment(version: int, amount: str, **more: object) -> object:
    return saved_payment(version=version, **(paid(amount, VISIT_DATE) | more))


def publish_corrections(office: Office, *amounts: str) -> None:
    """Publish one payment with several versions, one for each amount."""
    for version, amount in enumerate(amounts, 1):
        office.publish(visit_payment(version, amount))


def delete_before_unapplying(office: Office) -> None:
    publish_corrections(office, "25.00")
    charge_and_distribute(office, "25.00")
    import_events(office.tx, stream_entries([deleted_payment(version=2)]), run_context(office.now))


def refund_part(office: Office) -> None:
    """Apply 60.00 of 80.00, then refund 30.00."""
    publish_corrections(office, "80.00")
    charge_and_distribute(office, "60.00")
    office.publish(
        saved_payment("-30.00", payment_id="refund", refund_of="clinic/payment/1", transaction_date=VISIT_DATE)
    )


def adjust_in_closed_month(office: Office) -> None:
    """Apply 50.00 of a 60.00 payment, close the month, lower the payment to 45.00, and accept the exception."""
    office.publish(
        saved_payment(version=1, **paid("60.00", "2020-04-08")),
        saved_charge("c", "50.00", date_of_service="2020-04-08"),
    )
    office.distribute_all()
    office.close_months("2020-04")
    office.publish(saved_payment(version=2, **paid("45.00", "2020-04-08")))
    office.accept_all()


def change_the_method(office: Office) -> None:
    publish_corrections(office, "40.00")
    charge_and_distribute(office, "25.00")
    office.publish(visit_payment(2, "40.00", method="Check"))


def change_the_patient(office: Office) -> None:
    office.publish(saved_patient("other"))
    publish_corrections(office, "40.00")
    charge_and_distribute(office, "25.00")
    office.publish(visit_payment(2, "40.00", patient_id="other"))


def in_sequence(*steps: Callable[[Office], object]) -> Callable[[Office], object]:
    return lambda office: [step(office) for step in steps]


ACCOUNT_CASES = [
    AccountCase("no charge", lambda office: publish_corrections(office, "25.00"), ["25.00"]),
    AccountCase(
        "partly applied",
        in_sequence(lambda each: publish_corrections(each, "25.00"), lambda each: charge_and_distribute(each, "10.00")),
        ["15.00"],
    ),
    AccountCase(
        "fully applied",
        in_sequence(lambda each: publish_corrections(each, "25.00"), lambda each: charge_and_distribute(each, "90.00")),
        ["0.00"],
    ),
    AccountCase(
        "raised: the oldest entry is applied first",
        in_sequence(
            lambda each: publish_corrections(each, "25.00", "35.00"), lambda each: charge_and_distribute(each, "30.00")
        ),
        ["0.00", "5.00"],
    ),
    AccountCase(
        "lowered",
        in_sequence(
            lambda each: publish_corrections(each, "25.00", "10.00"), lambda each: charge_and_distribute(each, "5.00")
        ),
        ["5.00", "0.00"],
    ),
    AccountCase(
        "raised, lowered and raised again",
        in_sequence(
            lambda each: publish_corrections(each, "25.00", "35.00", "15.00", "20.00"),
            lambda each: charge_and_distribute(each, "12.00"),
        ),
        ["0.00", "3.00", "0.00", "5.00"],
    ),
    AccountCase(
        "deleted and unapplied",
        in_sequence(
            lambda each: publish_corrections(each, "25.00"),
            lambda each: charge_and_distribute(each, "25.00"),
            lambda each: each.publish(deleted_payment(version=2)),
        ),
        ["0.00", "0.00"],
    ),
    AccountCase("deleted and not yet unapplied", delete_before_unapplying, ["0.00", "-25.00"]),
    AccountCase("refunded in part", refund_part, ["30.00", "-30.00"]),
    AccountCase("adjusted after its month was closed", adjust_in_closed_month, ["0.00", "0.00"]),
    AccountCase("moved to another method", change_the_method, ["0.00", "0.00", "15.00"]),
    AccountCase("moved to another patient", change_the_patient, ["0.00", "0.00", "40.00"]),
    AccountCase(
        "charge reduced to zero",
        in_sequence(
            lambda each: publish_corrections(each, "25.00"),
            lambda each: charge_and_distribute(each, "25.00"),
            lambda each: each.publish(
                saved_charge("visit", "0.00", patient_paid="0.00", date_of_service=VISIT_DATE, version=2)
            ),
        ),
        ["25.00"],
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", ACCOUNT_CASES, ids=lambda case: case.name)
def test_unassigned_amounts_of_entries_add_up_to_the_account(tx: Transaction, case: AccountCase) -> None:
    office = Office(tx, TODAY)

    case.act(office)

    by_id = sorted(payment_log.read_page(tx, PaymentLogFilter(), Window(100)), key=lambda each: each.position[-1])
    assert [str(each.row.unassigned) for each in by_id] == case.unassigned
    for patient_id in ("patient", "other"):
        for summary in account.summaries(tx, patient_id):
            rows = list(payment_log.stream(tx, PaymentLogFilter(patient_id)))
            assert summary.unassigned == total(row.unassigned for row in rows)
            assert summary.payments_total == total(row.amount for row in rows)
            assert summary.unassigned == summary.payments_total - applied_total(tx, summary)


def test_applied_amounts_are_summed_by_payment_and_charge(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(
        saved_charge("new", "15.00", date_of_service="2020-06-05"),
        saved_charge("old", "30.00", date_of_service="2020-03-02"),
        saved_payment(payment_id="a", **paid("40.00", "2020-06-05")),
        saved_payment(payment_id="b", **paid("2.00", "2020-06-06")),
    )
    office.distribute_all()
    assert applied_by_payment(tx, "patient") == {
        "clinic/a/1": [
            AppliedRow("clinic/old", date(2020, 3, 2), dollars("25.00")),
            AppliedRow("clinic/new", date(2020, 6, 5), dollars("15.00")),
        ],
        "clinic/b/1": [AppliedRow("clinic/old", date(2020, 3, 2), dollars("2.00"))],
    }

    office.publish(saved_charge("new", "-15.00", date_of_service="2020-06-05", version=2))
    office.distribute_all()

    assert applied_by_payment(tx, None) == {
        "clinic/a/1": [AppliedRow("clinic/old", date(2020, 3, 2), dollars("28.00"))],
        "clinic/b/1": [AppliedRow("clinic/old", date(2020, 3, 2), dollars("2.00"))],
    }
    assert applied_by_payment(tx, "other") == {}


def applied_by_payment(tx: Transaction, patient_id: str | None) -> dict[str | None, Sequence[AppliedRow]]:
    """Return, for each payment, the charges that it pays and the applied amounts, from the expanded Payment Log."""
    return {row.payment: rows for row, rows in payment_log.stream_applied(tx, PaymentLogFilter(patient_id))}


def applied_total(tx: Transaction, row: AccountRow) -> Money:
    """Return the total that is applied to charges on the account `row`."""
    return total(row.amount for row in account.allocations(tx, row))
