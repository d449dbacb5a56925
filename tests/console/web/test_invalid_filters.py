"""After an invalid filter value, the page still shows its form, with the message at the field."""

import html
import re

import pytest

from console.reports.account import AccountParameters
from console.reports.audit import AuditParameters
from console.reports.balancing import BalancingParameters
from console.reports.claims_feed import ClaimsFeedParameters
from console.reports.exceptions import ExceptionsParameters
from console.reports.parameters import ParameterKind, parameters_of
from console.reports.payment_log import PaymentLogParameters
from tests.console.web.scenarios import LoggedIn

PARAMETERS_BY_PAGE = {
    "/claims-feed": ClaimsFeedParameters,
    "/exceptions": ExceptionsParameters,
    "/payment-log": PaymentLogParameters,
    "/account": AccountParameters,
    "/balancing": BalancingParameters,
    "/audit": AuditParameters,
}
CHECKED_KINDS = {ParameterKind.DAY, ParameterKind.MOMENT, ParameterKind.AMOUNT, ParameterKind.CHOICE}
CHECKED_FIELDS = [
    (path, field.name)
    for path, filters in PARAMETERS_BY_PAGE.items()
    for field in parameters_of(filters).values()
    if field.kind in CHECKED_KINDS
]


def message_at(page: str, field: str) -> str:
    """Return the message at a field, found by the field's attribute `aria-describedby`."""
    assert re.search(rf'name="{field}"[^>]* aria-invalid="true" aria-describedby="wrong-{field}"', page)
    found = re.search(rf'<span class="form-error" id="wrong-{field}">(.*?)</span>', page)
    return html.unescape(found[1]) if found else ""


@pytest.mark.parametrize(("path", "field"), CHECKED_FIELDS)
def test_wrong_value_keeps_the_form_with_a_message_at_its_field(path: str, field: str, logged_in: LoggedIn) -> None:
    sent = {field: "wrong<value"} | ({"patient": "kept"} if path == "/account" else {})

    answer = logged_in("admin").get(path, **sent)

    assert answer.status_code == 422
    assert message_at(answer.text, field)
    assert f'action="{path}"' in answer.text
    assert "wrong<value" not in answer.text


def test_every_wrong_value_has_its_message_and_the_others_stay(logged_in: LoggedIn) -> None:
    answer = logged_in("admin").get("/claims-feed", since="2026-13-01", amount="25,00x", clinic="north", find="ada")

    assert message_at(answer.text, "since") == "'2026-13-01' is not a date such as 2026-10-05."
    assert message_at(answer.text, "amount")
    for kept in ("2026-13-01", "25,00x", "north", "ada"):
        assert f'value="{kept}"' in answer.text


def test_period_that_ends_before_it_begins_keeps_the_form(logged_in: LoggedIn) -> None:
    answer = logged_in("admin").get("/exceptions", since="2026-02-01", until="2026-01-01")

    assert "The last day (2026-01-01) is before the first day (2026-02-01)." in answer.text
    assert 'name="since" value="2026-02-01"' in answer.text


def test_clinic_outside_the_account_is_named_at_its_field(logged_in: LoggedIn) -> None:
    answer = logged_in("billing-of-north").get("/claims-feed", clinic="south")

    assert answer.status_code == 403
    assert message_at(answer.text, "clinic") == "Your account does not include clinic south."


def test_page_that_does_not_exist_keeps_the_navigation(logged_in: LoggedIn) -> None:
    answer = logged_in("billing").get("/no-such-page")

    assert answer.status_code == 404
    assert 'href="/claims-feed"' in answer.text


def test_page_that_does_not_exist_shows_no_navigation_without_login(anonymous_client) -> None:
    assert "/claims-feed" not in anonymous_client.get("/no-such-page").text
