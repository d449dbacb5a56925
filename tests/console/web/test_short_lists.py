"""Lists that are read as a whole, not page by page, can be sorted by a heading and exported in the same order."""

import csv
import io
import re

import pytest

from console.web import exporting
from payments.contract.event import ChargeType
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, add_not_sent

pytestmark = pytest.mark.slow

SORTS_BY_PAGE = {
    "/users": ["name", "-role", "added_at", "-disabled_at"],
    "/clinics": ["-clinic", "company", "integration"],
    "/new-ids": ["-kind", "id", "payments"],
}


def exported_rows(browser: Browser, path: str, **query: str) -> list[dict[str, str]]:
    answer = browser.get(f"{path}/export", **query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


@pytest.mark.parametrize(("path", "sort"), [(path, sort) for path, sorts in SORTS_BY_PAGE.items() for sort in sorts])
def test_file_has_the_rows_in_the_chosen_order(logged_in: LoggedIn, ledger: ClinicLedger, path: str, sort: str) -> None:
    ledger.import_events(saved_payment(clinic_id="short-new", company_id="short-new"))
    admin = logged_in("admin")
    plain, found = exported_rows(admin, path), exported_rows(admin, path, sort=sort)
    values = [row[sort.removeprefix("-")] for row in found]
    valued = [int(value) if value.isdigit() else value for value in values if value]

    assert sorted(map(str, plain)) == sorted(map(str, found))
    assert valued == sorted(valued, reverse=sort.startswith("-"))
    assert values[len(valued) :] == [""] * (len(values) - len(valued))


@pytest.mark.parametrize("path", SORTS_BY_PAGE)
def test_page_of_a_list_links_to_its_sorts_and_its_file(logged_in: LoggedIn, path: str) -> None:
    page = logged_in("admin").get(path, sort=SORTS_BY_PAGE[path][0]).text

    assert 'class="sort"' in page
    assert f'href="{path}/export?sort={SORTS_BY_PAGE[path][0]}&amp;form=csv" download' in page
    assert "aria-sort=" in page


@pytest.mark.parametrize("path", SORTS_BY_PAGE)
def test_unknown_sort_is_refused(logged_in: LoggedIn, path: str) -> None:
    assert logged_in("admin").get(path, sort="password").status_code == 422


def test_months_are_exported_and_sorted(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ids = {"company_id": "short-months", "clinic_id": "short-months"}
    events = [
        saved_payment(payment_id=day, **paid(amount, day), **ids)
        for day, amount in (("2026-05-04", "9.00"), ("2026-06-04", "4.00"), ("2026-07-04", "7.00"))
    ]
    patient = saved_patient(company_id="short-months")
    ledger.in_office("short-months", lambda office: office.publish(patient, *events), company_id="short-months")
    billing = logged_in("billing")

    shown = exported_rows(billing, "/months", company="short-months", sort="-payments_total")
    assert [row["payments_total"] for row in shown] == ["9.00", "7.00", "4.00"]
    page = billing.get("/months", company="short-months", sort="-payments_total").text
    found = re.findall(r'href="/months\?company=short-months&amp;month=(2026-\d\d)"', page)
    assert found[:3] == ["2026-05", "2026-07", "2026-06"]


def test_timeline_and_requeue_preview_are_exported(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    add_not_sent(ledger, "short-preview", "shoes")
    ledger.set_clinic("short-preview", ChargeType.COPAY)
    billing = logged_in("billing")

    events = exported_rows(billing, "/timeline", payment="short-preview/shoes/1")
    (preview,) = exported_rows(billing, "/requeue-runs/new", clinic="short-preview", status="Not Sent")

    assert "Not Sent" in {row["what"] for row in events}
    assert (preview["count"], preview["total"]) == ("1", "9.00")


def test_list_that_is_too_long_for_a_spreadsheet_is_refused_with_the_next_step(
    logged_in: LoggedIn, ledger: ClinicLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.publish(
        "too-long", saved_patient("p-too-long"), saved_payment(clinic_id="too-long", patient_id="p-too-long")
    )
    monkeypatch.setattr(exporting, "ROWS_MAX", 0)
    billing = logged_in("billing")

    refused = billing.get("/claims-feed/export", form="xlsx", clinic="too-long")
    as_csv = billing.get("/claims-feed/export", form="csv", clinic="too-long")

    assert refused.status_code == 422
    assert "narrow the filter and export again" in refused.text
    assert "Decide" not in refused.text
    assert (as_csv.status_code, "too-long/payment/1" in as_csv.text) == (200, True)
