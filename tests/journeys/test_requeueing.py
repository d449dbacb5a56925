"""Payments that were not imported are requeued, and evaluated with the current settings."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from payments import wording
from payments.contract.event import ChargeType
from payments.core.outcome import Reason, Status
from payments.core.scope import Scope
from payments.journeys import reporting, retrying
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import RequeueSummary, requeue
from tests.builders.events import (
    NOW,
    SAVED_AT,
    event_body,
    next_version,
    payment_fields,
    run_context,
    saved_payment,
    stream_entries,
)
from tests.builders.ledger import (
    PAYMENT_KEY,
    create_clinic,
    feed_rows,
    import_chunk,
    ledger_entries,
    requeue_matching,
    retry_due,
    set_clinic_settings,
    settings_with_types,
    transmission_of,
)

COPAYS_AND_SUPPLIES = settings_with_types(ChargeType.COPAY, ChargeType.SUPPLIES)
DAY_AFTER_SAVE = SAVED_AT + timedelta(days=1)
AUDIT_USER = "user:support"
IMPORTED_TRANSMISSION = ("Transmission Successful", None, "imported")


def supplies_payment(payment_id="payment", **changes):
    return saved_payment("25.00", payment_id=payment_id, charge_type="Supplies", **changes)


def exhaust_retries(tx, *events):
    entries = stream_entries(events)
    retrying.record_failure(tx, entries, "OperationalError: the disk is full", run_context())
    return retrying.dead_letter(tx, entries, run_context())


def dead_letters(tx):
    return [row for row in reporting.claims_feed(tx, FeedFilter()) if row.refused]


def test_requeue_uses_the_current_settings(tx):
    create_clinic(tx)
    import_chunk(tx, supplies_payment())
    assert transmission_of(tx) == ("Not Sent", "type_not_selected", "none")
    set_clinic_settings(tx, COPAYS_AND_SUPPLIES, since=DAY_AFTER_SAVE)

    assert requeue(tx, [PAYMENT_KEY], NOW, AUDIT_USER) == RequeueSummary(1)
    assert transmission_of(tx) == ("Transmission Pending", None, "held")
    retry_due(tx)

    assert (transmission_of(tx), ledger_entries(tx)) == (IMPORTED_TRANSMISSION, [("25.00", "2026-06-05")])
    assert [(wording.history(row.code), row.who) for row in reporting.timeline(tx, PAYMENT_KEY)] == [
        ("Not Sent", "importer-1"),
        ("Requeued", AUDIT_USER),
        ("Imported", "importer-1"),
    ]


def test_requeue_without_changed_settings_keeps_the_outcome(tx):
    create_clinic(tx)
    import_chunk(tx, supplies_payment())
    requeue(tx, [PAYMENT_KEY], NOW, AUDIT_USER)
    retry_due(tx)

    assert transmission_of(tx) == ("Not Sent", "type_not_selected", "none")
    assert feed_rows(tx)[PAYMENT_KEY].attempts == 2


def test_repeated_requeue_has_one_effect(tx):
    create_clinic(tx)
    import_chunk(tx, supplies_payment())
    set_clinic_settings(tx, COPAYS_AND_SUPPLIES, since=DAY_AFTER_SAVE)

    assert [requeue(tx, [PAYMENT_KEY, PAYMENT_KEY], NOW, AUDIT_USER).count for _ in range(2)] == [1, 1]
    retry_due(tx)
    assert requeue(tx, [PAYMENT_KEY], NOW, AUDIT_USER) == RequeueSummary(0, (PAYMENT_KEY,))
    assert ledger_entries(tx) == [("25.00", "2026-06-05")]


def test_requeue_restores_a_payment_removed_from_billing(tx):
    create_clinic(tx)
    first = saved_payment("25.00")
    import_chunk(tx, first)
    import_chunk(tx, next_version(first, charge_type="Supplies"))
    assert transmission_of(tx) == ("Not Sent", "type_not_selected", "removed")
    set_clinic_settings(tx, COPAYS_AND_SUPPLIES, since=DAY_AFTER_SAVE)
    requeue(tx, [PAYMENT_KEY], NOW, AUDIT_USER)
    retry_due(tx)

    assert transmission_of(tx) == IMPORTED_TRANSMISSION
    assert [amount for amount, _ in ledger_entries(tx)] == ["25.00", "-25.00", "25.00"]


def test_requeue_skips_imported_unknown_and_malformed_keys(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"))
    keys = [PAYMENT_KEY, "clinic/unknown/1", "nonsense", "refused:99", "refused:x", "refused:" + "9" * 5000, ""]

    assert requeue(tx, keys, NOW, AUDIT_USER) == RequeueSummary(0, tuple(keys))


def test_timeline_finds_a_key_whose_ids_contain_slashes(tx):
    create_clinic(tx)
    import_chunk(tx, supplies_payment("2026/06/1"))
    (payment,) = feed_rows(tx)

    assert payment == "clinic/2026/06/1/1"
    assert requeue(tx, [payment], NOW, AUDIT_USER) == RequeueSummary(1)
    assert {wording.history(row.code) for row in reporting.timeline(tx, payment)} == {"Not Sent", "Requeued"}


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (FeedFilter(status=Status.NOT_SENT), {"clinic/a/1", "clinic/b/1", "other/c/1"}),
        (FeedFilter(status=Status.NOT_SENT, reason=Reason.TYPE_NOT_SELECTED), {"clinic/a/1"}),
        (FeedFilter(status=Status.NOT_SENT, scope=Scope.of_clinics("other")), {"other/c/1"}),
        (FeedFilter(status=Status.NOT_SENT, reason=Reason.INTERNAL_PAYMENT, scope=Scope.of_clinics("other")), set()),
        (FeedFilter(status=Status.SUCCESSFUL), set()),
    ],
    ids=["status", "reason", "clinic", "both", "in Billing already"],
)
def test_requeue_matches_by_status_reason_and_clinic(tx, choice, chosen):
    create_clinic(tx)
    import_chunk(
        tx,
        saved_payment("25.00"),
        supplies_payment("a"),
        saved_payment(payment_id="b", internal_payment=True),
        saved_payment(payment_id="c", clinic_id="other"),
    )

    assert requeue_matching(tx, choice, NOW, AUDIT_USER) == len(chosen)
    pending = list(reporting.claims_feed(tx, FeedFilter(status="Transmission Pending")))
    assert {row.payment for row in pending} == chosen


def test_exhausted_event_is_kept_whole_with_its_error_and_can_be_requeued(tx):
    create_clinic(tx)
    exhaust_retries(tx, saved_payment("25.00"))

    row = feed_rows(tx)[PAYMENT_KEY]
    assert (row.status, row.reason, row.detail) == (
        "Not Sent",
        "retries_exhausted",
        "OperationalError: the disk is full",
    )
    assert [wording.history(each.code) for each in reporting.timeline(tx, PAYMENT_KEY)] == [
        "Attempt failed",
        "Not Sent",
    ]

    assert requeue(tx, [PAYMENT_KEY], NOW, AUDIT_USER) == RequeueSummary(1)
    retry_due(tx)
    assert (transmission_of(tx), ledger_entries(tx)) == (IMPORTED_TRANSMISSION, [("25.00", "2026-06-05")])
    assert dead_letters(tx) == []


def test_exhausted_event_without_a_known_error_shows_undetermined_reason(tx):
    retrying.dead_letter(tx, stream_entries([saved_payment("25.00")]), run_context())

    assert feed_rows(tx)[PAYMENT_KEY].detail == retrying.UNKNOWN_ERROR_MESSAGE


def test_requeued_dead_letter_uses_the_current_settings(tx):
    create_clinic(tx)
    exhaust_retries(tx, supplies_payment())
    set_clinic_settings(tx, COPAYS_AND_SUPPLIES, since=DAY_AFTER_SAVE)
    requeue_matching(tx, FeedFilter(status=Status.NOT_SENT, reason=Reason.RETRIES_EXHAUSTED), NOW, AUDIT_USER)
    retry_due(tx)

    assert transmission_of(tx) == IMPORTED_TRANSMISSION


@pytest.mark.parametrize(
    "garbage", [b"\xff\xfe", event_body(payment_fields(amount_paid="a lot"))], ids=["unreadable", "readable key"]
)
def test_dead_letter_is_requeued_by_its_id_and_stays_if_still_invalid(tx, garbage):
    import_chunk(tx, garbage)
    (row,) = dead_letters(tx)

    assert requeue(tx, [row.refused], NOW, AUDIT_USER) == RequeueSummary(1)
    retry_due(tx)

    (again,) = dead_letters(tx)
    assert (again.refused, again.status, again.attempts) == (row.refused, "Validation Failed", 2)
    assert [wording.history(each.code) for each in reporting.timeline(tx, row.refused)] == [
        "Validation Failed",
        "Requeued",
        "Validation Failed",
    ]


def test_dead_letters_are_requeued_by_status(tx):
    import_chunk(tx, b"one", b"two", saved_payment())

    assert (
        requeue_matching(tx, FeedFilter(status=Status.VALIDATION_FAILED, reason=Reason.INVALID_EVENT), NOW, AUDIT_USER)
        == 2
    )


def test_postponing_a_line_by_row_id_changes_no_other_line(tx):
    create_clinic(tx)
    import_chunk(tx, supplies_payment(), supplies_payment("other"))
    requeue(tx, [PAYMENT_KEY, "clinic/other/1"], NOW, AUDIT_USER)
    make_other_line_due_first(tx)

    retrying.postpone_line(tx, run_context(), row_id(tx, "payment"), "DataError: what the database said")

    assert transmission_of(tx) == ("Transmission Pending", None, "held")
    details = {key: row.detail for key, row in feed_rows(tx).items()}
    assert details == {PAYMENT_KEY: "DataError: what the database said", "clinic/other/1": "requeued"}


def test_line_that_is_no_longer_due_is_not_postponed(tx):
    create_clinic(tx)
    import_chunk(tx, supplies_payment())

    stats = retrying.postpone_line(tx, run_context(), row_id(tx, "payment"), "DataError: what the database said")

    assert (stats.evaluated, transmission_of(tx)) == (0, ("Not Sent", "type_not_selected", "none"))


def row_id(tx, payment_id):
    return tx.execute(text("SELECT id FROM lines WHERE payment_id = :id"), {"id": payment_id}).scalar_one()


def make_other_line_due_first(tx):
    tx.execute(text("UPDATE lines SET due_at = due_at - interval '1 day' WHERE payment_id = 'other'"))
