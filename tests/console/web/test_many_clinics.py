"""Settings can be copied to any number of clinics, although the web framework by default accepts 1,000 form fields."""

import pytest
from fastapi.routing import APIRoute

from console.web.app import PAGES
from console.web.large_forms import LargeFormRoute
from console.web.strictness import read_names
from payments.journeys import configuring
from payments.store.db.connection import transaction
from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import LoggedIn, flash_message

PAGE_ROUTES = [route for page in PAGES for route in page.router.routes if isinstance(route, APIRoute)]


@pytest.mark.slow
def test_settings_are_copied_to_more_than_a_thousand_clinics(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ledger.set_clinic("many")
    with transaction(ledger.database) as tx:
        tx.exec_driver_sql(
            "INSERT INTO clinics (company_id, clinic_id) SELECT 'company', 'many-' || n FROM generate_series(1, 1001) n"
        )
    support = logged_in("support")

    answer = support.post("/clinic/copy", clinic="many", to=[f"many-{number}" for number in range(1, 1002)])

    assert answer.status_code == 303, answer.text
    assert flash_message(support) == "Settings of clinic many copied to 1,001 clinics."
    with transaction(ledger.database) as tx:
        rows = configuring.list_clinic_settings(tx, ledger.now())
    assert len({tuple(row.types) for row in rows if row.clinic.startswith("many")}) == 1


@pytest.mark.parametrize("route", PAGE_ROUTES, ids=lambda route: f"{next(iter(route.methods))} {route.path}")
def test_form_with_a_list_may_have_any_number_of_fields(route: APIRoute) -> None:
    has_list = any(read_names(route.dependant, "body_params").values())

    assert not has_list or route.path.startswith("/api/") or isinstance(route, LargeFormRoute)
