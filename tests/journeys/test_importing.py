"""Each event of a chunk has its own outcome."""

from decimal import Decimal

from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.core.line import IMPORT_USER
from payments.core.outcome import ClosedCase
from payments.journeys import reporting
from payments.journeys.reporting import PaymentLogFilter
from tests.builders.events import (
    deleted_payment,
    event_body,
    next_version,
    payment_fields,
    saved_payment,
)
from tests.builders.ledger import (
    PAYMENT_KEY,
    add_earlier_clinic_key,
    create_clinic,
    feed_rows,
    import_chunk,
    ledger_entries,
    set_month_state,
    settings_with_types,
    transmission_of,
)

SUCCESSFUL, FAILED, NOT_SENT = "Transmission Successful", "Validation Failed", "Not Sent"
INVALID_BODY = event_body(payment_fields(amount_paid="a lot"))
UNREADABLE_BODIES = [b"", b"\xff\x00\xfe", b"not json", b"[]", b'{"type": "payment.saved"}', INVALID_BODY]
FIRST_SAVE = saved_payment("25.00", version=2)


def dead_letter_by_body(tx):
    return {
        bytes(row.body): (row.status, row.reason, row.attempts) for row in tx.execute(text("SELECT * FROM set_aside"))
    }


def test_chunk_gives_each_payment_its_own_outcome(tx):
    create_clinic(tx)
    stats = import_chunk(
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
    rows = feed_rows(tx) | feed_rows(tx, "unheard-of")
    assert {payment: (row.status, row.reason, row.application) for payment, row in rows.items()} == {
        PAYMENT_KEY: (SUCCESSFUL, None, "imported"),
        "clinic/supplies/1": (NOT_SENT, "type_not_selected", "none"),
        "clinic/internal/1": (NOT_SENT, "internal_payment", "none"),
        "clinic/zero/1": (SUCCESSFUL, None, "exception"),
        "unheard-of/elsewhere/1": (NOT_SENT, "integration_off", "none"),
        "clinic/stranger/1": ("Transmission Pending", None, "held"),
        "clinic/never-seen/1": (SUCCESSFUL, None, "none"),
    }


def test_imported_payment_shows_the_import_user(tx):
    create_clinic(tx)
    import_chunk(tx, event_body(payment_fields(entered_by="K. Front Desk")))

    (row,) = reporting.payment_log(tx, PaymentLogFilter(patient_id="patient"))

    assert (row.user, row.amount, row.kind, row.unassigned) == (IMPORT_USER, Decimal("25.00"), "import", row.amount)
    kept = tx.execute(
        text("SELECT row_to_json(lines)::text FROM lines UNION ALL SELECT coalesce(params::text, '') FROM history")
    )
    assert "Front Desk" not in "".join(kept.scalars())


def test_unreadable_event_is_kept_byte_for_byte_with_its_error(tx):
    stats = import_chunk(tx, *UNREADABLE_BODIES)

    assert stats.refused == len(UNREADABLE_BODIES)
    assert dead_letter_by_body(tx) == dict.fromkeys(UNREADABLE_BODIES, (FAILED, "invalid_event", 1))
    import_chunk(tx, *UNREADABLE_BODIES)
    assert dead_letter_by_body(tx) == dict.fromkeys(UNREADABLE_BODIES, (FAILED, "invalid_event", 2))


def test_invalid_events_do_not_stop_valid_ones(tx):
    create_clinic(tx)
    good = [saved_payment(payment_id=str(number)) for number in range(20)]

    stats = import_chunk(tx, *(each for pair in zip(good, UNREADABLE_BODIES * 4, strict=False) for each in pair))

    assert (stats.imported, stats.refused) == (20, 20)


def test_deletion_reverses_the_payment_and_keeps_the_entries(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"))
    import_chunk(tx, deleted_payment(version=2))

    assert ledger_entries(tx) == [("25.00", "2026-06-05"), ("-25.00", "2026-06-05")]
    assert transmission_of(tx) == (SUCCESSFUL, None, "removed")


def test_refund_is_a_separate_line_and_the_deposit_stays(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("80.00"))
    import_chunk(
        tx, saved_payment("-80.00", payment_id="refund", refund_of="clinic/payment/1", transaction_date="2026-06-20")
    )

    assert (ledger_entries(tx), ledger_entries(tx, "refund")) == ([("80.00", "2026-06-05")], [("-80.00", "2026-06-20")])


def test_event_for_a_clinic_of_another_company_is_rejected(tx):
    add_earlier_clinic_key(tx)
    create_clinic(tx)
    stats = import_chunk(tx, saved_payment(payment_id="foreign", company_id="intruder"))

    assert stats.refused == 1
    assert transmission_of(tx, "intruder:clinic/foreign/1") == (FAILED, "invalid_event", "none")
    assert "belongs to another company" in feed_rows(tx)["intruder:clinic/foreign/1"].detail


def test_payment_of_a_closed_month_becomes_an_exception_and_posts_nothing(tx):
    create_clinic(tx)
    set_month_state(tx, "2026-05", "CLOSED")
    import_chunk(tx, saved_payment("25.00", transaction_date="2026-05-31"), saved_payment("5.00", payment_id="june"))

    assert ledger_entries(tx) == []
    assert ledger_entries(tx, "june") == [("5.00", "2026-06-05")]
    assert transmission_of(tx) == (SUCCESSFUL, None, "exception")
    assert feed_rows(tx)[PAYMENT_KEY].detail == ClosedCase.ADDED


def test_correction_of_a_month_that_closes_becomes_an_exception(tx):
    create_clinic(tx)
    first = saved_payment("25.00")
    import_chunk(tx, first)
    set_month_state(tx, "2026-06", "CLOSED")

    import_chunk(tx, next_version(first, amount_due="35.00", amount_paid="35.00"))

    assert ledger_entries(tx) == [("25.00", "2026-06-05")]
    assert transmission_of(tx) == (SUCCESSFUL, None, "exception")


def test_resent_not_sent_payment_is_evaluated_again(tx):
    create_clinic(tx)
    event = saved_payment("25.00", charge_type="Supplies")
    import_chunk(tx, event)
    import_chunk(tx, event.model_copy(update={"event_id": saved_payment().event_id}))

    assert (transmission_of(tx), feed_rows(tx)[PAYMENT_KEY].attempts) == ((NOT_SENT, "type_not_selected", "none"), 2)


def test_every_selected_charge_type_is_imported(tx):
    create_clinic(tx, settings_with_types(*ChargeType))
    stats = import_chunk(tx, *(saved_payment(payment_id=kind, charge_type=kind) for kind in ChargeType))

    assert stats.imported == len(ChargeType)
