"""Events of a company that name another company's ids never reach that company's payments."""

from datetime import date
from typing import Any

import pytest

from payments.core.month import Month
from payments.journeys import closing, reporting
from payments.journeys.reporting import ExceptionFilter, FeedFilter, FeedRow
from payments.store.db.connection import Transaction
from tests.builders.events import event_body, next_version, payment_fields, saved_payment
from tests.builders.office import Office

KEY = "clinic/payment/1"
FOREIGN = {"company_id": "other", "amount_due": "99.00", "amount_paid": "99.00"}


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office of `company` with one imported payment."""
    office = Office(tx, date(2026, 6, 10))
    office.publish(saved_payment())
    return office


def own_rows(office: Office) -> list[FeedRow]:
    """Return the rows of the Claims Feed that show the office's own amount."""
    return [row for row in reporting.claims_feed(office.tx, FeedFilter()) if str(row.amount) == "25.00"]


def codes(office: Office, key: str = KEY) -> list[str]:
    return [row.code for row in reporting.timeline(office.tx, key)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"version": 2}, {"payment_id": "payment", "memo": "again", "version": 7}, {"charge_type": "wrong"}],
    ids=["same version", "next version", "later version", "invalid"],
)
def test_event_of_another_company_does_not_reach_the_line(office: Office, changes: dict[str, Any]) -> None:
    before = own_rows(office), codes(office)

    office.publish(event_body(payment_fields(**(FOREIGN | changes))))

    assert (own_rows(office), codes(office)) == before
    assert list(reporting.exceptions(office.tx, ExceptionFilter())) == []
    assert [row.status for row in before[0]] == ["Transmission Successful"]


def test_other_content_of_another_companys_event_opens_no_exception(office: Office) -> None:
    first = saved_payment(**FOREIGN)
    office.publish(first)

    office.publish(next_version(first, amount_paid="98.00", version=1, event_id=str(first.event_id)))

    assert list(reporting.exceptions(office.tx, ExceptionFilter())) == []
    assert len(own_rows(office)) == 1


def test_event_without_a_company_does_not_replace_the_line(office: Office) -> None:
    office.publish(event_body(payment_fields(company_id=..., version=2, amount_paid="99.00")))

    assert [row.status for row in own_rows(office)] == ["Transmission Successful"]
    refused = [row for row in reporting.claims_feed(office.tx, FeedFilter()) if row.refused]
    assert [(row.payment, row.status) for row in refused] == [(KEY, "Validation Failed")]


def test_requeue_by_key_leaves_the_events_of_another_company(office: Office) -> None:
    office.set_types()
    office.publish(saved_payment(version=2), saved_payment(**FOREIGN))

    office.requeue([KEY])

    assert [row.attempts for row in reporting.claims_feed(office.tx, FeedFilter()) if row.refused] == [1]


def test_close_warnings_list_no_event_of_another_company(office: Office) -> None:
    office.publish(event_body(payment_fields(**(FOREIGN | {"method": "wrong"}))))

    assert closing.close_warnings(office.tx, "company", Month(2026, 6)) == []
