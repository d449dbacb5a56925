"""Pages and the API accept one format for each kind of value. An id must be exactly as stored."""

import html
from urllib.parse import quote, urlencode

import pytest

from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn

pytestmark = pytest.mark.slow

REPORT_NAMES = ("claims-feed", "exceptions", "payment-log", "balancing")
ODD_IDS = ("a/b", "a/b/c", "?", "#1", "50%", "%2F", "a b", "é\u4e2d", "a&b=c", "+1", "'quoted'", "a;b", "..")


@pytest.mark.parametrize(
    "text", ["20261005", "2026-W41-1", "2026-10-05T00:00:00", "1791212400", " 2026-10-05", "2026-10"]
)
@pytest.mark.parametrize("report", REPORT_NAMES)
@pytest.mark.parametrize("prefix", ["/", "/api/"])
def test_date_not_written_as_yyyy_mm_dd_is_refused(logged_in: LoggedIn, prefix: str, report: str, text: str) -> None:
    answer = logged_in("admin").get(f"{prefix}{report}", since=text)

    assert answer.status_code == 422
    assert "is not a date such as 2026-10-05" in answer.text


@pytest.mark.parametrize("text", ["20261102T090000Z", "2026-W45-1T09:00", "1791212400"])
@pytest.mark.parametrize("prefix", ["/", "/api/"])
def test_time_not_written_as_rfc_3339_is_refused(logged_in: LoggedIn, prefix: str, text: str) -> None:
    answer = logged_in("admin").get(f"{prefix}claims-feed", as_of=text)

    assert answer.status_code == 422
    assert "is not a time such as 2026-11-02T09:00:00Z" in answer.text


@pytest.mark.parametrize(
    "text", ["25,00", "1,250.00", "$25", "2_5", "4E1", "+25", " 25", "NaN", "\u221225", "25.005", "٢٥"]
)
@pytest.mark.parametrize("prefix", ["/", "/api/"])
def test_amount_that_is_not_plain_dollars_and_cents_is_refused(logged_in: LoggedIn, prefix: str, text: str) -> None:
    answer = logged_in("admin").get(f"{prefix}claims-feed", amount=text)

    assert answer.status_code == 422
    assert "mount: " in answer.text


@pytest.mark.parametrize("limit", ["1_0", " 10", "010", "10.0", "+10", "1e1", "\u0661\u0660"])
def test_limit_that_is_not_plain_digits_is_refused(logged_in: LoggedIn, limit: str) -> None:
    answer = logged_in("admin").get("/api/claims-feed", limit=limit)

    assert answer.status_code == 422
    assert answer.json()["error"].startswith("limit: ")


@pytest.mark.parametrize("number", ["1_7", "%2017", "017", "+17", "%D9%A1", "1.0"])
@pytest.mark.parametrize("path", ["/exceptions/{}/accept", "/exceptions/{}/acknowledge"])
def test_exception_id_that_is_not_plain_digits_is_refused(logged_in: LoggedIn, path: str, number: str) -> None:
    admin, filled = logged_in("admin"), path.format(number)

    assert admin.call(f"/api{filled}", {"version": 1, "reason": "seen"}).status_code == 422
    assert admin.post(filled, version="1", reason="seen").status_code == 422


@pytest.mark.parametrize("version", [True, 1.0, "1_0", " 1", None, [1]])
def test_non_integer_version_is_rejected(logged_in: LoggedIn, version: object) -> None:
    answer = logged_in("admin").call("/api/exceptions/17/accept", {"version": version})

    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (422, "version")


@pytest.mark.parametrize("patient", ODD_IDS)
def test_patient_with_any_id_is_found_and_linked_everywhere(
    logged_in: LoggedIn, ledger: ClinicLedger, patient: str
) -> None:
    clinic = f"odd-{ODD_IDS.index(patient)}"
    key = f"{clinic}/payment/1"
    ledger.publish(clinic, saved_patient(patient), saved_payment("25.00", clinic_id=clinic, patient_id=patient))
    admin = logged_in("admin")

    feed = admin.get("/claims-feed", find=patient)
    assert f'href="/account?{urlencode({"patient": patient, "company": "company"})}"' in html.unescape(feed.text)
    assert [row["payment"] for row in admin.get("/api/claims-feed", find=patient).json()["rows"]] == [key]
    assert [row["payment"] for row in admin.get("/api/payment-log", patient=patient).json()["rows"]] == [key]
    assert admin.get(f"/account?patient={quote(patient, safe='')}").status_code == 200
    assert [row["patient"] for row in admin.get("/api/account", patient=patient).json()["rows"]] == [patient]


@pytest.mark.parametrize("padded", [" {}", "{} ", "\u00a0{}", "{}\t"])
def test_padded_id_never_acts_on_the_line_without_blanks(
    logged_in: LoggedIn, ledger: ClinicLedger, padded: str
) -> None:
    ledger.publish(
        "plain",
        saved_patient("plain"),
        saved_payment("25.00", clinic_id="plain", patient_id="plain", charge_type="Other"),
    )
    admin, key = logged_in("admin"), padded.format("plain/payment/1")

    assert admin.call("/api/requeue", {"payments": [key]}).json()["count"] == 0
    assert admin.get("/timeline", payment=key).status_code == 404
    assert admin.get("/api/account", patient=padded.format("plain")).status_code == 404
    assert admin.get("/clinic", clinic=padded.format("plain")).status_code == 404
    for name, path in (("patient", "payment-log"), ("clinic", "payment-log"), ("find", "claims-feed")):
        answer = admin.get(f"/api/{path}", **{name: padded.format("plain")})
        # Billing has no clinic of the padded id.
        assert answer.status_code == 404 if name == "clinic" else answer.json()["rows"] == []


def test_blank_filter_is_no_clinic_instead_of_every_clinic(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ledger.publish("blank", saved_patient(), saved_payment("25.00", clinic_id="blank"))

    assert logged_in("admin").get("/api/claims-feed", clinic=" ").status_code == 404
    assert logged_in("admin").get("/api/claims-feed", find=" ").json()["rows"] == []
