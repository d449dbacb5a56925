"""Exceptions of requeued, acknowledged and excluded payments."""

from datetime import timedelta

import pytest

from payments.contract.event import ChargeType
from payments.core.finding import DecisionError
from payments.journeys import adjusting, configuring, detecting, importing, requeueing
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Transaction
from tests.builders.events import BACKOFF, next_version, paid, run_context, saved_patient, saved_payment, stream_entries
from tests.builders.office import BILLER, Office, office_with_closed_april

pytestmark = pytest.mark.slow

PAYMENT_KEY = "clinic/payment/1"
FIRST_SAVE = saved_payment(**paid("25.00", "2020-04-08"))
INTERNAL_SAVE = next_version(FIRST_SAVE, internal_payment=True)
SUPPLIES_SAVE = next_version(FIRST_SAVE, charge_type="Supplies", saved_at="2020-06-12T10:00:00-07:00")


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed. After the close, its clinic sends only Copays."""
    office = office_with_closed_april(tx, FIRST_SAVE)
    select_types(office, ChargeType.COPAY)
    return office


def select_types(office: Office, *types: ChargeType) -> None:
    update = SettingsUpdate("clinic", "company", charge_types=list(types))
    configuring.set_clinic(office.tx, update, now=office.now, who="user:admin")


def open_exceptions(office: Office) -> list[tuple[str | None, str]]:
    """Return the open exceptions as (case, difference in dollars)."""
    return [(each.case, str(each.difference)) for each in office.open_exceptions()]


def test_requeue_under_concurrent_sweeps_keeps_the_exception(office: Office) -> None:
    office.publish(INTERNAL_SAVE)
    assert open_exceptions(office) == [("deleted", "-25.00")]

    requeueing.requeue(office.tx, [PAYMENT_KEY], office.now, "user:support")
    detecting.detect(office.tx, office.now, "tests-1", 500)  # before the line is re-evaluated
    office.run_sweeps()

    assert open_exceptions(office) == [("deleted", "-25.00")]
    office.accept_all()
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00"]


def test_exception_of_a_requeued_payment_is_neither_closed_nor_accepted(office: Office) -> None:
    office.publish(INTERNAL_SAVE)
    (open_one,) = office.open_exceptions()
    requeueing.requeue(office.tx, [PAYMENT_KEY], office.now, "user:support")

    with pytest.raises(DecisionError, match="is being re-evaluated; look at the exception again afterwards"):
        adjusting.accept(office.tx, open_one.id, None, office.now, BILLER)
    detecting.detect(office.tx, office.now, "tests-1", 500)

    assert [each.id for each in office.open_exceptions()] == [open_one.id]
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00"]


def test_acknowledged_exception_reopens_if_a_requeue_has_another_outcome(office: Office) -> None:
    office.publish(SUPPLIES_SAVE)
    assert open_exceptions(office) == [("deleted", "-25.00")]
    office.acknowledge_only_exception()

    select_types(office, ChargeType.COPAY, ChargeType.SUPPLIES)
    office.requeue([PAYMENT_KEY])

    assert open_exceptions(office) == [("edited", "0.00")]
    office.accept_all()
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00", "25.00"]


@pytest.mark.parametrize("again", ["saved with another memo", "same version repeated", "requeued"])
def test_line_changed_to_an_unselected_type_stays_excluded_after_it_was_posted_in_a_closed_month(
    office: Office, again: str
) -> None:
    office.publish(SUPPLIES_SAVE)
    match again:
        case "saved with another memo":
            office.publish(next_version(SUPPLIES_SAVE, memo="a word more"))
        case "same version repeated":
            office.publish(SUPPLIES_SAVE)
        case "requeued":
            office.requeue([PAYMENT_KEY])

    assert open_exceptions(office) == [("deleted", "-25.00")]
    office.accept_all()
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00"]


def test_change_back_to_the_posted_charge_type_restores_the_line(office: Office) -> None:
    select_types(office)  # no charge type
    office.publish(SUPPLIES_SAVE)
    assert open_exceptions(office) == [("deleted", "-25.00")]

    office.publish(next_version(SUPPLIES_SAVE, charge_type="Copay"))

    assert open_exceptions(office) == []
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00"]


def test_requeue_after_an_accepted_exclusion_opens_an_exception_that_posts_again(office: Office) -> None:
    office.publish(SUPPLIES_SAVE)
    office.accept_all()
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00"]

    select_types(office, ChargeType.COPAY, ChargeType.SUPPLIES)
    office.requeue([PAYMENT_KEY])

    assert open_exceptions(office) == [("added", "25.00")]
    office.accept_all()
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00", "25.00"]
    assert open_exceptions(office) == []


def test_patient_still_unknown_after_a_requeue_reopens_the_exception(office: Office) -> None:
    office.publish(saved_payment(patient_id="nobody", payment_id="stranger", transaction_date="2020-06-05"))
    for _ in range(2):
        for _ in BACKOFF:
            office.now += max(BACKOFF)
            office.run_sweeps()
        assert [each.reason for each in office.open_exceptions()] == ["patient_not_found"]
        office.acknowledge_only_exception()
        office.requeue(["clinic/stranger/1"])
    office.publish(saved_patient("nobody"))
    assert office.ledger_entries()[-1] == ("2020-06-05", "25.00", "Cash")


def test_acknowledged_exception_survives_repeats_and_reopens_for_a_newer_version(office: Office) -> None:
    changed = next_version(FIRST_SAVE, amount_due="35.00", amount_paid="35.00")
    office.publish(changed)
    office.acknowledge_only_exception()

    office.publish(changed, FIRST_SAVE)
    office.now += timedelta(days=1)
    office.run_sweeps()
    assert open_exceptions(office) == []

    office.publish(next_version(changed, amount_due="36.00", amount_paid="36.00"))
    assert open_exceptions(office) == [("edited", "11.00")]


def test_line_saved_again_after_its_closed_deletion_is_added(office: Office) -> None:
    gone = next_version(FIRST_SAVE, paid=False)
    office.publish(gone)
    office.accept_all()

    office.publish(next_version(gone, paid=True, amount_due="20.00", amount_paid="20.00"))
    assert open_exceptions(office) == [("added", "20.00")]
    office.accept_all()

    office.publish(next_version(gone, version=4, paid=True, amount_paid="20.00", transaction_date="2020-06-11"))
    assert open_exceptions(office) == [("edited", "0.00")]  # only the date differs
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00", "20.00"]


def test_line_removed_from_a_closed_month_and_paid_again_is_imported_into_the_open_month(office: Office) -> None:
    gone = next_version(FIRST_SAVE, paid=False)
    office.publish(gone)
    office.accept_all()

    office.publish(next_version(gone, paid=True, transaction_date="2020-06-11"))

    assert (open_exceptions(office), office.ledger_entries()[-1]) == ([], ("2020-06-11", "25.00", "Cash"))


def test_line_moved_out_of_a_closed_month_and_back_posts_nothing(office: Office) -> None:
    moved = next_version(FIRST_SAVE, transaction_date="2020-06-11")
    office.publish(moved)
    assert open_exceptions(office) == [("edited", "0.00")]

    office.publish(next_version(moved, transaction_date="2020-04-08"))

    assert (open_exceptions(office), [amount for _, amount, _ in office.ledger_entries()]) == ([], ["25.00"])


def test_back_dated_refund_becomes_an_adjustment_of_the_current_month(office: Office) -> None:
    refund = saved_payment(payment_id="back", refund_of=PAYMENT_KEY, **paid("-25.00", "2020-04-20"))
    office.publish(refund)
    assert open_exceptions(office) == [("added", "-25.00")]
    office.accept_all()
    assert office.ledger_entries()[-1] == ("2020-06-12", "-25.00", "Cash")

    office.publish(next_version(refund, amount_due="-20.00", amount_paid="-20.00"))

    assert open_exceptions(office) == [("edited", "5.00")]


def test_accept_is_rejected_if_the_payment_was_saved_again_meanwhile(office: Office) -> None:
    changed = next_version(FIRST_SAVE, amount_due="35.00", amount_paid="35.00")
    office.publish(changed)
    (open_one,) = office.open_exceptions()
    importing.import_events(
        office.tx, stream_entries([next_version(changed, amount_paid="45.00")]), run_context(office.now)
    )

    with pytest.raises(DecisionError, match=r"was saved again \(version 3\)"):
        adjusting.accept(office.tx, open_one.id, None, office.now, BILLER)
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00"]


def test_acknowledged_memo_change_is_settled_for_later_versions(office: Office) -> None:
    noted = next_version(FIRST_SAVE, memo="window seat")
    office.publish(noted)
    office.acknowledge_only_exception()

    office.publish(next_version(noted))
    assert open_exceptions(office) == []
    office.publish(next_version(noted, version=4, memo="aisle seat"))
    assert open_exceptions(office) == [("edited", "0.00")]


def test_acknowledged_amount_is_an_exception_again_in_a_later_version(office: Office) -> None:
    changed = next_version(FIRST_SAVE, memo="window seat", amount_due="35.00", amount_paid="35.00")
    office.publish(changed)
    office.acknowledge_only_exception()

    office.publish(next_version(changed))

    assert open_exceptions(office) == [("edited", "10.00")]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"amount_due": "35.00", "amount_paid": "35.00"}, "late_arrival:2020-04"),
        ({"paid": False}, "late_arrival:2020-04"),
        (
            {"memo": "x"},
            "late_arrival:2020-04;nothing_to_post",
        ),
        ({"saved_at": "2020-06-11T10:00:00Z", "paid": False}, ""),
    ],
)
def test_edit_or_deletion_saved_before_the_close_is_a_late_arrival(
    office: Office, changes: dict[str, object], note: str
) -> None:
    office.publish(next_version(FIRST_SAVE, **({"saved_at": "2020-04-30T17:00:00-07:00"} | changes)))

    assert [each.note for each in office.open_exceptions()] == [note]
