"""Details of the pages: time zones, links, error pages, filters, the requeue preview and the months page."""

import html
import re
from datetime import UTC, datetime

import pytest

from console.web.pages import choices
from payments.contract.event import ChargeType
from payments.core.outcome import Reason
from payments.core.scope import EVERYTHING
from payments.journeys import choosing
from payments.store.db.connection import transaction
from payments.wording import REASONS
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, add_not_sent, edit_in_closed_month

STILL_NOT_SENT_RESULT = f"Still Not Sent. {REASONS[Reason.TYPE_NOT_SELECTED]}"


def cells(page: str) -> list[str]:
    """Return the text of each table cell of a page."""
    return [
        " ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    ]


def get_in_zone(browser: Browser, zone: str, path: str) -> str:
    """Return the page that a browser in this time zone receives."""
    cookies = {**browser.client.cookies, "payments_zone": zone}
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return browser.client.get(path, headers={"cookie": header}).text


def test_times_are_shown_in_the_browsers_time_zone_or_utc(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    payment = saved_payment(clinic_id="zones", saved_at="2026-06-05T23:30:00-07:00")
    ledger.publish("zones", saved_patient(), payment)
    path, billing = "/claims-feed?clinic=zones", logged_in("billing")

    for zone, shown_clinics in (
        ("America%2FLos_Angeles", "2026-06-05 23:30"),
        ("Asia%2FKolkata", "2026-06-06 12:00"),
        ("No%2FSuch_Zone", "2026-06-06 06:30"),
        ("localtime", "2026-06-06 06:30"),
        ("..%2F..%2Fetc%2Fpasswd", "2026-06-06 06:30"),
    ):
        assert shown_clinics in cells(get_in_zone(billing, zone, path))
    assert "2026-06-06 06:30" in cells(billing.get(path).text)


def test_days_are_those_of_the_clinics_in_any_time_zone_of_the_browser(logged_in: LoggedIn) -> None:
    admin, today = logged_in("admin"), datetime.now(UTC).date()
    admin.get("/claims-feed", find="looked-at-from-afar")
    day, other_day = (
        re.search(r"Payments by hour, ([\d-]+)", get_in_zone(logged_in("operator"), zone, "/"))
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12")
    )

    assert day
    assert other_day
    assert day[1] == other_day[1]
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        found = cells(get_in_zone(admin, zone, f"/audit?show=all&since={today}&until={today}"))
        assert "looked-at-from-afar" in found
        assert "looked-at-from-afar" not in cells(get_in_zone(admin, zone, "/audit?show=all&until=1900-01-01"))


def test_balancing_from_a_future_date_covers_that_date_only(logged_in: LoggedIn) -> None:
    page = logged_in("billing").get("/balancing", since="2999-01-01")

    assert page.status_code == 200
    assert '<span class="nowrap">2999-01-01</span> to <span class="nowrap">2999-01-01</span>' in page.text


@pytest.mark.parametrize(
    ("path", "days"),
    [
        ("/balancing", {"until": "2026-06-30"}),
        ("/balancing", {"until": "1900-01-03"}),
        ("/balancing", {"since": "1900-01-04", "until": "1900-01-10"}),
        ("/balancing", {"since": "2026-06-01"}),
        ("/balancing", {"since": "2999-12-25", "until": "2999-12-31"}),
        ("/", {"day": "1900-01-01"}),
        ("/", {"day": "2999-12-31"}),
    ],
)
def test_links_to_earlier_and_later_days_lead_to_pages(logged_in: LoggedIn, path: str, days: dict[str, str]) -> None:
    billing = logged_in("billing")
    navigation = re.search(r'<nav class="pages".*?</nav>', billing.get(path, **days).text, re.DOTALL)
    assert navigation

    for link in re.findall(r'href="([^"]+)"', navigation[0]):
        answer = billing.get(html.unescape(link))
        assert answer.status_code == 200, link


def test_week_before_an_open_start_keeps_the_open_start(logged_in: LoggedIn) -> None:
    page = logged_in("billing").get("/balancing", until="2026-06-30").text

    assert 'up to <span class="nowrap">2026-06-30</span>' in page
    assert 'type="date" name="since" value="">' in page
    assert 'href="/balancing?until=2026-06-23"' in page
    assert 'href="/balancing?until=2026-07-07"' in page


def test_error_page_shows_navigation_and_a_link_back(logged_in: LoggedIn, address: str) -> None:
    billing = logged_in("billing")
    came_from = {"referer": f"{address}/exceptions?case=added"}

    form = {"csrf": billing.csrf, "action": "accept"}
    refused = billing.client.post("/exceptions/decide", data=form, headers=came_from)
    assert refused.status_code == 422
    assert "No exceptions are selected." in refused.text
    assert 'aria-label="Pages"' in refused.text
    assert 'href="/exceptions?case=added">Back</a>' in refused.text

    admin, users = logged_in("admin"), {"referer": f"{address}/users"}
    refused = admin.client.post("/users", data={"csrf": admin.csrf, "role": "none"}, headers=users)
    assert 'href="/users">Back</a>' in refused.text
    assert ">Back</a>" not in admin.client.get("/users/x", headers={"referer": f"{address}/users/x"}).text

    elsewhere = {"referer": "https://elsewhere.example/claims-feed"}
    assert ">Back</a>" not in billing.client.get("/claims-feed?after=x", headers=elsewhere).text

    for no_address in ("http://[", "//[::1", "http://a]b"):
        odd = billing.client.get("/claims-feed?after=x", headers={"referer": no_address})
        assert (odd.status_code, ">Back</a>" in odd.text) == (422, False)


def test_requeue_preview_shows_expected_results(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    clinic, company = "requeue-preview", "company-requeue-preview"
    edit_in_closed_month(ledger, clinic, company)
    ledger.in_office(
        clinic, lambda office: office.publish(saved_patient(company_id=company)), ChargeType.COPAY, company_id=company
    )
    here = {"clinic_id": clinic, "company_id": company, "saved_at": datetime.now(UTC).isoformat()}
    ledger.import_events(
        saved_payment(payment_id="flows", charge_type="Supplies", **here, **paid("9.00", "2026-07-05")),
        saved_payment(payment_id="closed", charge_type="Supplies", **here, **paid("4.00", "2026-06-05")),
        saved_payment(payment_id="out", charge_type="Wellness", **here, **paid("2.00", "2026-07-05")),
        saved_payment(payment_id="internal", internal_payment=True, **here, **paid("1.00", "2026-07-06")),
    )
    support = logged_in("support")
    support.post("/clinic", clinic=clinic, integration="on", type=["Copay", "Supplies"])

    page = support.get("/requeue-runs/new", status="Not Sent", clinic=clinic).text

    texts = cells(page)
    rows = {tuple(texts[at : at + 4]) for at in range(0, len(texts), 4)}
    assert rows == {
        ("Imported.", "2026-07", "1", "$9.00"),
        ("Exception: the month is closed. A biller decides.", "2026-06", "1", "$4.00"),
        (STILL_NOT_SENT_RESULT, "2026-07", "1", "$2.00"),
        ("Still Not Sent. An Internal Payment stays in the EMR.", "2026-07", "1", "$1.00"),
    }
    assert "Requeue 4 payments" in page


def test_clinic_page_counts_not_sent_payments_that_would_be_sent_now(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    add_not_sent(ledger, "counting", "one", "two")
    support = logged_in("support")

    assert "they would still not be sent." in support.get("/clinic", clinic="counting").text
    support.post("/clinic", clinic="counting", integration="on", type=["Supplies"])
    assert "they would be sent." in support.get("/clinic", clinic="counting").text


def test_clinics_are_filtered_by_name_and_by_difference(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    for name, types in (("compared-a", ["Copay"]), ("compared-b", ["Copay"]), ("compared-c", ["Other"])):
        ledger.in_office(name, lambda office: None, *map(ChargeType, types))
    support = logged_in("support")

    def shown_clinics(**query: str) -> list[str]:
        return re.findall(r'href="/clinic\?clinic=([^"&]+)&', support.get("/clinics", **query).text)

    assert shown_clinics(find="compared") == ["compared-a", "compared-b", "compared-c"]
    assert shown_clinics(find="compared", like="compared-a", differing="true") == ["compared-a", "compared-c"]


def test_viewing_an_unknown_month_stores_nothing(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ledger.publish("months-seen", saved_patient(), saved_payment(clinic_id="months-seen"))
    billing = logged_in("billing")

    assert billing.get("/months", company="company", month="1999-01").status_code == 200

    assert "1999-01" not in {row["month"] for row in billing.get("/api/months", company="company").json()["rows"]}


def test_patient_id_of_two_companies_has_two_accounts(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    for name, amount in (("twin-a", "25.00"), ("twin-b", "9.00")):
        here = {"clinic_id": name, "company_id": f"company-{name}", "patient_id": "twin"}
        known = saved_patient("twin", company_id=f"company-{name}")
        ledger.in_office(
            name,
            lambda office, known=known, here=here, amount=amount: office.publish(known, saved_payment(amount, **here)),
            company_id=f"company-{name}",
        )

    page = logged_in("billing").get("/account", patient="twin").text

    first, second = page.split('<section class="tiles ')[1:]
    for part, own, other in ((first, "twin-a", "twin-b"), (second, "twin-b", "twin-a")):
        assert f"{own}/payment/1" in part
        assert f"{other}/payment/1" not in part


def test_overview_shows_today_by_default(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    with transaction(ledger.database) as tx:
        today = choosing.current_day(tx, EVERYTHING, datetime.now(UTC))
    page = logged_in("operator").get("/").text

    assert f"Payments by hour, {today}" in page
    assert "<svg" in page
    assert "Flower" in page
    assert "Flower" not in logged_in("billing").get("/").text


@pytest.mark.parametrize("path", ["/claims-feed", "/exceptions", "/payment-log", "/balancing"])
def test_clinic_is_chosen_from_a_list_or_typed_if_there_are_many(
    logged_in: LoggedIn, ledger: ClinicLedger, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    ledger.publish("zz-last", saved_patient())
    for name in ("OFFERED_MAX", "CHOSEN_MAX"):
        monkeypatch.setattr(choices, name, 10_000)  # other tests add clinics
    page = logged_in("billing").get(path).text
    offered = page.partition('<select name="clinic" class="form-control"')[2].partition("</select>")[0]
    assert '<option value="zz-last">' in offered

    monkeypatch.setattr(choices, "OFFERED_MAX", 1)
    page = logged_in("billing").get(path, clinic="zz-last").text

    assert (
        len(re.findall(r"<option", page.partition('<datalist id="clinic-names">')[2].partition("</datalist>")[0])) == 1
    )
    assert 'name="clinic" value="zz-last"' in page
