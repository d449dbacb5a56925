"""Events that contain the ids of another company do not change the payments of that company."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import Event
from payments.core.ambiguity import AmbiguousIdError
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import balancing, closing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import ExceptionFilter, FeedFilter, FeedRow
from payments.store.db.connection import Transaction
from payments.store.tables import metadata
from tests.builders.events import event_body, next_version, payment_fields, saved_charge, saved_payment
from tests.builders.ledger import add_earlier_clinic_key
from tests.builders.office import Office

PAYMENT_KEY = "clinic/payment/1"
COUNTED_TABLES = [table.name for table in metadata.sorted_tables if not table.name.endswith("_was")]
FOREIGN_FIELDS = {"company_id": "other", "amount_due": "99.00", "amount_paid": "99.00"}


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office of `company` with one imported payment. Clinic ids are unique across companies."""
    add_earlier_clinic_key(tx)
    office = Office(tx, date(2026, 6, 10))
    office.publish(saved_payment())
    return office


def own_rows(office: Office) -> list[FeedRow]:
    """Return the rows of the Claims Feed that the office's own users see."""
    return list(reporting.claims_feed(office.tx, FeedFilter(scope=Scope.of_companies("company"))))


def count_rows(office: Office, table: str) -> int:
    return int(office.tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def history_codes(office: Office, key: str = f"company:{PAYMENT_KEY}") -> list[str]:
    return [row.code for row in reporting.timeline(office.tx, key)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"version": 2}, {"payment_id": "payment", "memo": "again", "version": 7}, {"charge_type": "wrong"}],
    ids=["same version", "next version", "later version", "invalid"],
)
def test_event_of_another_company_does_not_change_the_line_with_its_ids(
    office: Office, changes: dict[str, Any]
) -> None:
    before = own_rows(office), history_codes(office)

    office.publish(event_body(payment_fields(**(FOREIGN_FIELDS | changes))))

    assert (own_rows(office), history_codes(office)) == before
    assert list(reporting.exceptions(office.tx, ExceptionFilter())) == []
    assert [row.status for row in before[0]] == ["Transmission Successful"]


def test_conflict_between_events_of_another_company_opens_no_exception(office: Office) -> None:
    first = saved_payment(**FOREIGN_FIELDS)
    office.publish(first)

    office.publish(next_version(first, amount_paid="98.00", version=1, event_id=str(first.event_id)))

    assert list(reporting.exceptions(office.tx, ExceptionFilter())) == []
    assert len(own_rows(office)) == 1


def test_event_without_a_company_does_not_replace_the_line(office: Office) -> None:
    office.publish(event_body(payment_fields(company_id=..., version=2, amount_paid="99.00")))

    assert [row.status for row in own_rows(office)] == ["Transmission Successful"]
    refused = [row for row in reporting.claims_feed(office.tx, FeedFilter()) if row.refused]
    assert [(row.payment, row.status) for row in refused] == [(PAYMENT_KEY, "Validation Failed")]


@pytest.mark.parametrize(
    "event",
    [
        saved_payment(**FOREIGN_FIELDS, patient_id="ada", transaction_date="2025-01-05"),
        saved_charge("c", "5.00", company_id="other", patient_id="ada"),
    ],
    ids=["payment", "charge"],
)
def test_refused_event_leaves_only_its_dead_letter(office: Office, event: Event) -> None:
    before = {name: count_rows(office, name) for name in COUNTED_TABLES}

    office.publish(event)

    after = {name: count_rows(office, name) for name in COUNTED_TABLES}
    assert {name for name in COUNTED_TABLES if after[name] != before[name]} == {"set_aside", "history"}
    (row,) = [row for row in reporting.claims_feed(office.tx, FeedFilter()) if row.refused]
    assert (row.reason, row.detail) == ("invalid_event", "company_id: clinic clinic belongs to another company")


def test_clinic_belongs_to_the_company_whose_event_names_it_first(office: Office) -> None:
    office.publish(
        saved_payment(clinic_id="new"),
        saved_payment(clinic_id="new", company_id="other", patient_id="ada"),
    )

    rows = {row.patient: row.status for row in reporting.claims_feed(office.tx, FeedFilter()) if row.clinic == "new"}
    assert rows == {"patient": "Not Sent", "ada": "Validation Failed"}
    assert count_rows(office, "companies") == 1


def test_requeue_by_key_does_not_requeue_events_of_another_company(office: Office) -> None:
    office.set_types()
    office.publish(saved_payment(version=2), saved_payment(**FOREIGN_FIELDS))

    office.requeue([f"company:{PAYMENT_KEY}"])

    assert [row.attempts for row in reporting.claims_feed(office.tx, FeedFilter()) if row.refused] == [1]


def printed_keys(office: Office) -> set[str | None]:
    return {row.payment for row in reporting.claims_feed(office.tx, FeedFilter())}


def test_key_of_a_line_and_of_another_companys_dead_letter_is_ambiguous(office: Office) -> None:
    office.set_types()
    office.publish(saved_payment(version=2), saved_payment(**FOREIGN_FIELDS))

    for act in (history_codes, lambda office, key: office.requeue([key])):
        with pytest.raises(AmbiguousIdError, match=f"{PAYMENT_KEY} exists in several companies: company, other"):
            act(office, PAYMENT_KEY)
    office.requeue([f"other:{PAYMENT_KEY}"])

    assert {row.company: row.attempts for row in reporting.claims_feed(office.tx, FeedFilter())} == {
        "company": 1,
        "other": 2,
    }


def test_clinic_that_another_companys_dead_letter_names_is_printed_with_its_company(office: Office) -> None:
    assert printed_keys(office) == {PAYMENT_KEY}
    office.publish(event_body(payment_fields(**(FOREIGN_FIELDS | {"method": "wrong"}))))

    assert printed_keys(office) == {f"company:{PAYMENT_KEY}", f"other:{PAYMENT_KEY}"}
    lines = balancing.balance(office.tx, BalanceFilter()).lines
    assert {line.payment for line in lines} >= {f"other:{PAYMENT_KEY}"}
    assert {row.payment for row in own_rows(office)} == {PAYMENT_KEY}

    office.tx.execute(text("UPDATE set_aside SET closed_at = now(), due_at = NULL"))
    assert printed_keys(office) == {PAYMENT_KEY}
    assert history_codes(office, PAYMENT_KEY) == history_codes(office)


def test_close_warnings_list_no_event_of_another_company(office: Office) -> None:
    office.publish(event_body(payment_fields(**(FOREIGN_FIELDS | {"method": "wrong"}))))

    assert closing.close_warnings(office.tx, "company", Month(2026, 6)) == []


def publish_of_two_companies(office: Office) -> None:
    """Publish two invalid events with the same key. The second names a company that does not own the clinic."""
    fields = {"payment_id": "shared", "method": "wrong"}
    office.publish(event_body(payment_fields(**fields)), event_body(payment_fields(**fields, company_id="other")))


def test_key_of_two_companies_is_ambiguous_until_one_is_chosen(office: Office) -> None:
    publish_of_two_companies(office)

    for act in (history_codes, lambda office, key: office.requeue([key])):
        with pytest.raises(AmbiguousIdError, match="clinic/shared/1 exists in several companies: company, other"):
            act(office, "clinic/shared/1")
    assert len(history_codes(office, "other:clinic/shared/1")) == 1
    own = reporting.timeline(office.tx, "clinic/shared/1", Scope.of_companies("company"))
    assert [row.code for row in own] == ["validation_failed"]
    assert reporting.timeline(office.tx, "other:clinic/shared/1", Scope.of_companies("company")) == []


def test_requeue_by_key_and_company_does_not_requeue_the_other_company(office: Office) -> None:
    publish_of_two_companies(office)

    office.requeue(["other:clinic/shared/1"])

    found = office.tx.execute(text("SELECT company_id, attempts FROM set_aside ORDER BY 1"))
    assert [tuple(row) for row in found] == [("company", 1), ("other", 2)]


def test_payment_is_found_by_a_key_with_colons_in_its_ids(office: Office) -> None:
    office.publish(saved_payment(payment_id="a:b/c"))

    assert history_codes(office, "clinic/a:b/c/1") == history_codes(office, "company:clinic/a:b/c/1") == ["imported"]


def test_companies_use_the_same_ids_independently(tx: Transaction) -> None:
    own, other = Office(tx, date(2026, 6, 10)), Office(tx, date(2026, 6, 10), "other")
    first = saved_payment()
    own.publish(first, saved_charge("c", "5.00"))
    other.publish(
        saved_payment(**FOREIGN_FIELDS, event_id=str(first.event_id)), saved_charge("c", "7.00", company_id="other")
    )

    own.publish(next_version(first, amount_paid="26.00"))

    lines = tx.execute(text("SELECT company_id, amount_paid::text, application FROM lines ORDER BY 1")).all()
    assert lines == [("company", "26.00", "updated"), ("other", "99.00", "imported")]
    entries = tx.execute(text("SELECT company_id, sum(amount)::text FROM entries GROUP BY 1 ORDER BY 1")).all()
    assert entries == [("company", "26.00"), ("other", "99.00")]
    charges = tx.execute(text("SELECT company_id, patient_balance::text FROM charges ORDER BY 1")).all()
    assert charges == [("company", "5.00"), ("other", "7.00")]
    assert list(reporting.exceptions(tx, ExceptionFilter())) == []
