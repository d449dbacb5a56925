"""The outcome of each event of a chunk."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from console.reports.timeline import timeline_records
from payments.contract.event import ChargeType
from payments.core.line import IMPORT_USER
from payments.core.outcome import ClosedCase
from payments.journeys import reporting
from payments.journeys.reporting import LogFilter
from tests.builders.events import (
    deleted_payment,
    event_body,
    next_version,
    payment_fields,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.journeys.billing import PAYMENT, feed, ledger, open_clinic, sends, set_month, stand, take

SUCCESSFUL, FAILED, NOT_SENT = "Transmission Successful", "Validation Failed", "Not Sent"
INVALID = event_body(payment_fields(amount_paid="a lot"))
GARBAGE = [b"", b"\xff\x00\xfe", b"not json", b"[]", b'{"type": "payment.saved"}', INVALID]
FIRST = saved_payment("25.00", version=2)


def dead_letters(tx):
    return {
        bytes(row.body): (row.status, row.reason, row.attempts) for row in tx.execute(text("SELECT * FROM set_aside"))
    }


def test_chunk_gives_each_payment_its_own_outcome(tx):
    open_clinic(tx)
    stats = take(
        tx,
        saved_payment("25.00"),
        saved_payment("10.00", payment_id="supplies", charge_type="Supplies"),
        saved_payment(payment_id="internal", internal_payment=True),
        saved_payment(payment_id="unpaid", paid=False),
        saved_payment(payment_id="zero", amount_due="0.00"),
        saved_payment(payment_id="elsewhere", clinic_id="unheard-of"),
        saved_payment(payment_id="stranger", patient_id="stranger"),
        deleted_payment(payment_id="never-seen"),
        b"garbage",
    )

    assert str(stats) == "imported 1, updated 0, held 1, not sent 3, exceptions 1, refused 1, unchanged 2"
    assert stats.evaluated == 9
    rows = feed(tx) | feed(tx, "unheard-of")
    assert {payment: (row.status, row.reason, row.application) for payment, row in rows.items()} == {
        PAYMENT: (SUCCESSFUL, None, "imported"),
        "clinic/supplies/1": (NOT_SENT, "type_not_selected", "none"),
        "clinic/internal/1": (NOT_SENT, "internal_payment", "none"),
        "clinic/zero/1": (SUCCESSFUL, None, "exception"),
        "unheard-of/elsewhere/1": (NOT_SENT, "integration_off", "none"),
        "clinic/stranger/1": ("Transmission Pending", None, "held"),
        "clinic/never-seen/1": (SUCCESSFUL, None, "none"),
    }


def test_imported_payment_shows_the_import_user(tx):
    open_clinic(tx)
    take(tx, event_body(payment_fields(entered_by="K. Front Desk")))

    (row,) = reporting.payment_log(tx, LogFilter(patient_id="patient"))

    assert (row.user, row.amount, row.kind, row.unassigned) == (IMPORT_USER, Decimal("25.00"), "import", row.amount)
    kept = tx.execute(text("SELECT row_to_json(lines)::text FROM lines UNION ALL SELECT params::text FROM history"))
    assert "Front Desk" not in "".join(kept.scalars())


def test_unreadable_event_is_kept_byte_for_byte_with_its_error(tx):
    stats = take(tx, *GARBAGE)

    assert stats.refused == len(GARBAGE)
    assert dead_letters(tx) == dict.fromkeys(GARBAGE, (FAILED, "invalid_event", 1))
    take(tx, *GARBAGE)
    assert dead_letters(tx) == dict.fromkeys(GARBAGE, (FAILED, "invalid_event", 2))


def test_invalid_events_do_not_stop_valid_ones(tx):
    open_clinic(tx)
    good = [saved_payment(payment_id=str(number)) for number in range(20)]

    stats = take(tx, *(each for pair in zip(good, GARBAGE * 4, strict=False) for each in pair))

    assert (stats.imported, stats.refused) == (20, 20)


@pytest.mark.parametrize(
    ("again", "detail"),
    [
        (FIRST, "Duplicate event ignored"),
        (saved_payment("25.00", version=2), "Version 2 repeated; ignored"),
        (saved_payment("99.00", version=1), "Version 1 ignored; Billing has version 2"),
    ],
    ids=["same event", "same version", "older version"],
)
def test_known_version_changes_nothing_and_is_recorded(tx, again, detail):
    open_clinic(tx)
    take(tx, FIRST)

    stats = take(tx, again)

    assert (stats.unchanged, stats.evaluated) == (1, 1)
    assert ledger(tx) == [("25.00", "2026-06-05")]
    assert timeline_records(reporting.timeline(tx, PAYMENT))[-1]["detail"] == detail
    assert feed(tx)[PAYMENT].attempts == 1


def test_version_conflict_lasts_until_the_next_save(tx):
    open_clinic(tx)
    take(tx, saved_payment("25.00"))

    take(tx, saved_payment("99.00"))
    assert stand(tx) == (FAILED, "version_conflict", "none")
    assert ledger(tx) == [("25.00", "2026-06-05")]

    take(tx, saved_payment("30.00", version=2))
    assert stand(tx) == (SUCCESSFUL, None, "updated")


def test_same_event_id_with_other_content_is_a_conflict(tx):
    open_clinic(tx)
    first = saved_payment("25.00")
    take(tx, first)

    stats = take(tx, saved_payment("99.00", version=2, event_id=str(first.event_id)))

    assert stats.refused == 1
    assert stand(tx) == (FAILED, "version_conflict", "none")
    assert ledger(tx) == [("25.00", "2026-06-05")]


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "two chunks"])
def test_first_of_two_events_with_one_id_counts(tx, together):
    open_clinic(tx)
    first, second = saved_payment("25.00", payment_id="z"), saved_payment("99.00", payment_id="a")
    second = second.model_copy(update={"event_id": first.event_id})

    for chunk in [[first, second]] if together else [[first], [second]]:
        take(tx, *chunk)

    assert {payment: row.status for payment, row in feed(tx).items()} == {
        "clinic/z/1": SUCCESSFUL,
        "clinic/a/1": FAILED,
    }


def test_versions_of_a_line_in_one_chunk_are_applied_in_order(tx):
    open_clinic(tx)
    first = saved_payment("25.00")
    second = next_version(first, amount_due="35.00", amount_paid="35.00")

    take(tx, next_version(second, transaction_date="2026-06-08"), first, second, second)

    assert ledger(tx) == [
        ("25.00", "2026-06-05"),
        ("10.00", "2026-06-05"),
        ("-35.00", "2026-06-05"),
        ("35.00", "2026-06-08"),
    ]


def test_deletion_arriving_before_its_payment_wins(tx):
    open_clinic(tx)
    take(tx, deleted_payment(version=2))
    take(tx, saved_payment("25.00"))

    assert ledger(tx) == []
    assert (stand(tx), feed(tx)[PAYMENT].amount) == ((SUCCESSFUL, None, "none"), Decimal("0.00"))


def test_deletion_reverses_the_payment_and_keeps_the_entries(tx):
    open_clinic(tx)
    take(tx, saved_payment("25.00"))
    take(tx, deleted_payment(version=2))

    assert ledger(tx) == [("25.00", "2026-06-05"), ("-25.00", "2026-06-05")]
    assert stand(tx) == (SUCCESSFUL, None, "removed")


def test_refund_is_a_separate_line_and_the_deposit_stays(tx):
    open_clinic(tx)
    take(tx, saved_payment("80.00"))
    take(tx, saved_payment("-80.00", payment_id="refund", refund_of="payment", transaction_date="2026-06-20"))

    assert (ledger(tx), ledger(tx, "refund")) == ([("80.00", "2026-06-05")], [("-80.00", "2026-06-20")])


def test_event_for_a_clinic_of_another_company_is_rejected(tx):
    open_clinic(tx)
    stats = take(tx, saved_payment(payment_id="foreign", company_id="intruder"))

    assert stats.refused == 1
    assert stand(tx, "clinic/foreign/1") == (FAILED, "invalid_event", "none")
    assert "belongs to company company" in feed(tx)["clinic/foreign/1"].detail


def test_payment_of_a_closed_month_becomes_an_exception_and_posts_nothing(tx):
    open_clinic(tx)
    set_month(tx, "2026-05", "CLOSED")
    take(tx, saved_payment("25.00", transaction_date="2026-05-31"), saved_payment("5.00", payment_id="june"))

    assert ledger(tx) == []
    assert ledger(tx, "june") == [("5.00", "2026-06-05")]
    assert stand(tx) == (SUCCESSFUL, None, "exception")
    assert feed(tx)[PAYMENT].detail == ClosedCase.ADDED


def test_correction_of_a_month_that_closes_becomes_an_exception(tx):
    open_clinic(tx)
    first = saved_payment("25.00")
    take(tx, first)
    set_month(tx, "2026-06", "CLOSED")

    take(tx, next_version(first, amount_due="35.00", amount_paid="35.00"))

    assert ledger(tx) == [("25.00", "2026-06-05")]
    assert stand(tx) == (SUCCESSFUL, None, "exception")


def test_resent_not_sent_payment_is_evaluated_again(tx):
    open_clinic(tx)
    event = saved_payment("25.00", charge_type="Supplies")
    take(tx, event)
    take(tx, event.model_copy(update={"event_id": saved_payment().event_id}))

    assert (stand(tx), feed(tx)[PAYMENT].attempts) == ((NOT_SENT, "type_not_selected", "none"), 2)


def test_newest_version_of_patient_and_charge_wins(tx):
    charges = [saved_charge("c", f"{v}.00", version=v) for v in (2, 3, 1)]
    stats = take(tx, saved_patient(version=2, name="B."), saved_patient(version=1, name="A."), *charges)

    assert stats.noted == 5
    assert tx.execute(text("SELECT name, version FROM patients")).all() == [("B.", 2)]
    assert tx.execute(text("SELECT patient_balance::text FROM charges")).all() == [("3.00",)]


def test_every_selected_charge_type_is_imported(tx):
    open_clinic(tx, sends(*ChargeType))
    stats = take(tx, *(saved_payment(payment_id=kind, charge_type=kind) for kind in ChargeType))

    assert stats.imported == len(ChargeType)
