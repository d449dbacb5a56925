"""The Claims Feed, the Patient Payment Log, the timeline and the count of waiting payments."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from console.reports.timeline import timeline_records
from payments import wording
from payments.contract.event import ChargeType
from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter, FeedSum, GroupBy, PaymentLogFilter, PaymentLogSum
from payments.journeys.requeueing import requeue
from tests.builders.events import (
    NOW,
    deleted_payment,
    event_body,
    next_version,
    payment_fields,
    saved_patient,
    saved_payment,
)
from tests.builders.ledger import PAYMENT_KEY, create_clinic, feed_rows, import_chunk, retry_due, settings_with_types

FAILED, SUCCESSFUL, NOT_SENT = "Validation Failed", "Transmission Successful", "Not Sent"
INVALID_FIELDS = {"amount_paid": "a lot"}


def payment_keys(rows):
    return [row.payment for row in rows]


def test_claims_feed_shows_one_row_a_line_at_its_newest_version(tx):
    create_clinic(tx)
    first = saved_payment("25.00")
    import_chunk(
        tx,
        first,
        next_version(first, amount_paid="35.00", saved_at="2026-06-06T09:00:00Z"),
        next_version(first, amount_paid="35.00"),
    )

    (row,) = feed_rows(tx).values()

    assert (row.version, row.amount, row.status, row.charge_type) == (2, Decimal("35.00"), SUCCESSFUL, "Copay")


def test_newer_dead_letter_replaces_the_row_of_the_line_until_a_valid_version(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"))
    import_chunk(tx, event_body(payment_fields(version=2, **INVALID_FIELDS)))
    row = feed_rows(tx)[PAYMENT_KEY]
    assert (row.version, row.status, row.reason, row.amount) == (2, FAILED, "invalid_event", None)
    assert row.detail.startswith("amount_paid: expected dollars as text")

    import_chunk(tx, saved_payment("30.00", version=3))
    row = feed_rows(tx)[PAYMENT_KEY]
    assert (row.version, row.status, row.amount, row.refused) == (3, SUCCESSFUL, Decimal("30.00"), None)


def test_older_dead_letter_does_not_replace_the_row_of_the_line(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00", version=3))
    import_chunk(tx, event_body(payment_fields(version=2, **INVALID_FIELDS)))

    assert feed_rows(tx)[PAYMENT_KEY].status == SUCCESSFUL


def test_each_unreadable_event_has_a_row_and_each_key_only_one(tx):
    invalid = [event_body(payment_fields(version=version, **INVALID_FIELDS)) for version in (1, 2)]
    import_chunk(tx, b"one", b"two", *invalid)

    rows = list(reporting.claims_feed(tx, FeedFilter()))

    assert [(row.payment, row.version, row.status) for row in rows] == [
        (PAYMENT_KEY, 2, FAILED),
        (None, None, FAILED),
        (None, None, FAILED),
    ]
    assert len({row.refused for row in rows}) == 3


def test_dead_letters_with_equal_printed_keys_are_both_shown(tx):
    import_chunk(
        tx,
        event_body(payment_fields(payment_id="a/b", line_id="c", **INVALID_FIELDS)),
        event_body(payment_fields(payment_id="a", line_id="b/c", **INVALID_FIELDS)),
    )

    assert payment_keys(reporting.claims_feed(tx, FeedFilter())) == ["clinic/a/b/c"] * 2


def test_unpaid_line_has_no_feed_row_unless_sent_before(tx):
    create_clinic(tx)
    first = saved_payment("25.00", payment_id="sent")
    import_chunk(tx, saved_payment(paid=False), first, next_version(first, paid=False))

    assert payment_keys(feed_rows(tx).values()) == ["clinic/sent/1"]
    assert feed_rows(tx)["clinic/sent/1"].application == "removed"


@pytest.mark.parametrize(
    ("query", "payments"),
    [
        (FeedFilter(), ["clinic/a/1", "other/b/1", "clinic/c/1"]),
        (FeedFilter(since=date(2026, 6, 5)), ["other/b/1", "clinic/c/1"]),
        (FeedFilter(until=date(2026, 6, 5)), ["clinic/a/1", "other/b/1"]),
        (FeedFilter(since=date(2026, 6, 5), until=date(2026, 6, 5)), ["other/b/1"]),
        (FeedFilter(status=NOT_SENT), ["other/b/1"]),
        (FeedFilter(scope=Scope.of_clinics("clinic")), ["clinic/a/1", "clinic/c/1"]),
        (FeedFilter(status=NOT_SENT, scope=Scope.of_clinics("clinic")), []),
    ],
    ids=["all", "from", "to", "one day", "status", "clinic", "status and clinic"],
)
def test_claims_feed_filters_by_save_date_in_the_clinics_time_zone(tx, query, payments):
    create_clinic(tx)
    import_chunk(
        tx,
        saved_payment(payment_id="c", saved_at="2026-06-06T08:00:00Z"),
        saved_payment(payment_id="a", saved_at="2026-06-04T08:00:00Z"),
        saved_payment(payment_id="b", clinic_id="other", saved_at="2026-06-05T23:00:00-07:00"),
    )

    assert payment_keys(reporting.claims_feed(tx, query)) == payments


def test_claims_feed_is_summed_by_status_and_reason(tx):
    create_clinic(tx)
    import_chunk(
        tx,
        saved_payment("25.00"),
        saved_payment("10.00", payment_id="b"),
        saved_payment("7.00", payment_id="c", charge_type="Supplies"),
        deleted_payment(payment_id="d"),
        b"garbage",
    )

    assert reporting.claims_feed_sums(tx, FeedFilter()) == [
        FeedSum(SUCCESSFUL, None, 3, Decimal("35.00")),
        FeedSum(NOT_SENT, "type_not_selected", 1, Decimal("7.00")),
        FeedSum(FAILED, "invalid_event", 1, Decimal("0.00")),
    ]


def import_some_payments(tx):
    create_clinic(tx, settings_with_types(*ChargeType))
    import_chunk(
        tx,
        saved_patient("b"),
        saved_payment("25.00", payment_id="1"),
        saved_payment("10.00", payment_id="2", method="Check", transaction_date="2026-06-08"),
        saved_payment("5.00", payment_id="3", charge_type="Supplies", patient_id="b", transaction_date="2026-06-02"),
        saved_payment("-5.00", payment_id="4", refund_of="clinic/1/1"),
    )


def test_payment_log_is_sorted_by_deposit_date_type_and_amount_with_both_dates(tx):
    import_some_payments(tx)
    import_chunk(tx, saved_payment("1.00", payment_id="5", charge_type="Supplies"))

    rows = list(reporting.payment_log(tx, PaymentLogFilter()))

    assert [(row.payment, str(row.amount), str(row.deposit_date)) for row in rows] == [
        ("clinic/3/1", "5.00", "2026-06-02"),
        ("clinic/4/1", "-5.00", "2026-06-05"),
        ("clinic/1/1", "25.00", "2026-06-05"),
        ("clinic/5/1", "1.00", "2026-06-05"),
        ("clinic/2/1", "10.00", "2026-06-08"),
    ]
    assert {row.posting_date for row in rows} == {NOW.date()}


@pytest.mark.parametrize(
    ("query", "payments"),
    [
        (PaymentLogFilter(patient_id="b"), ["clinic/3/1"]),
        (PaymentLogFilter(since=date(2026, 6, 5)), ["clinic/4/1", "clinic/1/1", "clinic/2/1"]),
        (PaymentLogFilter(until=date(2026, 6, 2)), ["clinic/3/1"]),
        (PaymentLogFilter(patient_id="nobody"), []),
    ],
    ids=["patient", "from", "to", "nobody"],
)
def test_payment_log_returns_only_matching_entries(tx, query, payments):
    import_some_payments(tx)

    assert payment_keys(reporting.payment_log(tx, query)) == payments


@pytest.mark.parametrize(
    ("group_by", "sums"),
    [
        (GroupBy.CHARGE_TYPE, [("Copay", 3, "30.00"), ("Supplies", 1, "5.00")]),
        (GroupBy.DEPOSIT_DATE, [("2026-06-02", 1, "5.00"), ("2026-06-05", 2, "20.00"), ("2026-06-08", 1, "10.00")]),
        (GroupBy.METHOD, [("Cash", 3, "25.00"), ("Check", 1, "10.00")]),
        (GroupBy.CLINIC, [("clinic", 4, "35.00")]),
        (GroupBy.USER, [("Integration Import, Not mapped to a user", 4, "35.00")]),
    ],
)
def test_payment_log_is_grouped(tx, group_by, sums):
    import_some_payments(tx)

    assert reporting.payment_log_sums(tx, PaymentLogFilter(), group_by) == [
        PaymentLogSum(key, count, Decimal(total)) for key, count, total in sums
    ]


def test_timeline_lists_every_event_in_order(tx):
    create_clinic(tx)
    first = saved_payment("25.00", patient_id="stranger")
    import_chunk(tx, first)
    import_chunk(tx, event_body(payment_fields(version=2, **INVALID_FIELDS)), now=NOW + timedelta(seconds=1))
    import_chunk(tx, saved_patient("stranger"), now=NOW + timedelta(seconds=2))
    retry_due(tx, NOW + timedelta(seconds=3))
    import_chunk(tx, first, now=NOW + timedelta(seconds=4))

    rows = reporting.timeline(tx, PAYMENT_KEY)

    assert [(wording.history(row.code), row.version) for row in rows] == [
        ("Held", 1),
        (FAILED, 2),
        ("Imported", 1),
        ("Received", 1),
    ]
    assert rows[1].error.startswith("amount_paid: expected")
    assert timeline_records(rows)[2]["detail"] == "25.00 Cash Copay, deposit date 2026-06-05. Total in Billing: 25.00"


@pytest.mark.parametrize(
    "key",
    ["clinic/unknown/1", "nonsense", "", "refused:99", "refused:x", pytest.param("refused:" + "9" * 5000, id="long")],
)
def test_unknown_payment_has_no_timeline(tx, key):
    assert reporting.timeline(tx, key) == []


def test_waiting_lines_are_counted_by_due_time(tx):
    create_clinic(tx)
    import_chunk(
        tx, saved_payment(patient_id="stranger"), saved_payment(payment_id="b", charge_type="Supplies"), b"garbage"
    )
    (unreadable,) = (row.refused for row in reporting.claims_feed(tx, FeedFilter()) if row.refused)
    assert reporting.load_backlog(tx, NOW)[:2] == (0, 1)

    requeue(tx, ["clinic/b/1", unreadable], NOW, "user:support")

    assert reporting.load_backlog(tx, NOW)[:2] == (2, 1)
    assert reporting.load_backlog(tx, NOW + timedelta(seconds=10))[:2] == (3, 0)
