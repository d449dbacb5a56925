"""The page and the API call of a refused event show the unchanged event and the error that names the wrong field."""

import base64
import re
from html import unescape

import pytest

from payments.contract.size_limit import EVENT_BYTES_MAX, KEPT_BYTES
from tests.builders.committed import ClinicLedger
from tests.builders.events import event_body, payment_fields
from tests.console.web.conftest import CLINIC, OTHER_CLINIC, Browser
from tests.console.web.scenarios import LoggedIn

WRONG_FIELDS = {"charge_type": "Parking", "memo": "<b>\u202e"}


def publish_refused_event(ledger: ClinicLedger, payment: str, clinic: str = CLINIC) -> bytes:
    body = event_body(payment_fields(payment_id=payment, clinic_id=clinic, **WRONG_FIELDS))
    ledger.import_events(body)
    return body


def row_of(browser: Browser, **find: str) -> dict[str, str]:
    (row,) = browser.get("/api/claims-feed", **find).json()["rows"]
    return row


def raw_text(page: str) -> str:
    found = re.search(r'<pre class="raw"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    return found[1]


def test_claims_feed_and_timeline_link_to_the_unchanged_event(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    body = publish_refused_event(ledger, "raw-1").decode()
    support = logged_in("support")
    number = row_of(support, find=f"{CLINIC}/raw-1/1")["refused"].removeprefix("refused:")
    address = f"/refused-events/{number}"

    assert f'href="{address}"' in support.get("/claims-feed", find=f"{CLINIC}/raw-1/1").text
    assert f'href="{address}"' in support.get("/timeline", payment=f"{CLINIC}/raw-1/1").text
    page = support.get(address).text
    assert "charge_type: expected one of Copay" in unescape(page)
    shown = raw_text(page)
    assert "<mark>&#34;charge_type&#34;</mark>" in shown
    assert unescape(re.sub("</?mark>", "", shown)) == body.replace("\u202e", r"\u202e")
    assert f'href="{address}"' not in logged_in("front-office").get("/claims-feed", find=f"{CLINIC}/raw-1/1").text


def test_file_and_api_have_the_exact_bytes(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    body = b'{"payment_id": "raw-2", \xff\x00}'
    ledger.import_events(body)
    admin = logged_in("admin")
    last = max(row["id"] for row in refused_rows(admin))

    file = admin.get(f"/refused-events/{last}/file")
    assert file.content == body
    assert file.headers["content-disposition"] == f'attachment; filename="refused-event-{last}.txt"'
    event = admin.get(f"/api/refused-events/{last}").json()
    assert base64.b64decode(event["body_base64"]) == body
    assert (event["body"], event["field"], event["is_whole"]) == (None, "event", True)
    assert event["byte_count"] == len(body)
    assert r"\xff\x00}" in raw_text(admin.get(f"/refused-events/{last}").text)


def refused_rows(browser: Browser) -> list[dict[str, int]]:
    rows = browser.get("/api/claims-feed", status="Validation Failed", limit="1000").json()["rows"]
    return [{"id": int(row["refused"].removeprefix("refused:"))} for row in rows if row["refused"]]


def test_oversized_event_says_that_only_its_beginning_is_kept(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    body = event_body(payment_fields(payment_id="raw-3", memo="x" * EVENT_BYTES_MAX))
    ledger.import_events(body)
    admin = logged_in("admin")
    last = max(row["id"] for row in refused_rows(admin))

    assert f"Only its first {KEPT_BYTES:,} bytes are kept." in admin.get(f"/refused-events/{last}").text
    event = admin.get(f"/api/refused-events/{last}").json()
    assert (event["is_whole"], event["byte_count"], event["body"]) == (False, len(body), body[:KEPT_BYTES].decode())


@pytest.mark.parametrize("path", ["/refused-events/{}", "/refused-events/{}/file", "/api/refused-events/{}"])
def test_event_of_another_clinic_does_not_exist_for_a_limited_user(
    logged_in: LoggedIn, ledger: ClinicLedger, path: str
) -> None:
    own, other = publish_refused_event(ledger, "raw-4"), publish_refused_event(ledger, "raw-4", OTHER_CLINIC)
    assert own != other
    admin, limited = logged_in("admin"), logged_in("support-of-north")
    ids = {
        clinic: row_of(admin, find=f"{clinic}/raw-4/1")["refused"].removeprefix("refused:")
        for clinic in (CLINIC, OTHER_CLINIC)
    }

    assert limited.get(path.format(ids[CLINIC])).status_code == 200
    refused = limited.get(path.format(ids[OTHER_CLINIC]))
    assert refused.status_code == 404
    assert "Parking" not in refused.text


def test_each_view_and_export_of_a_refused_event_is_audited(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    publish_refused_event(ledger, "raw-5")
    billing = logged_in("billing")
    key = row_of(billing, find=f"{CLINIC}/raw-5/1")["refused"]
    number = key.removeprefix("refused:")

    for path in ("/refused-events/{}", "/refused-events/{}/file", "/api/refused-events/{}"):
        assert billing.get(path.format(number)).status_code == 200

    audited = logged_in("admin").get("/audit", show="all", subject=key).text
    found = re.findall(r"<td[^>]*>(Viewed|Exported) refused event</td>", audited)
    assert sorted(found) == ["Exported", "Viewed", "Viewed"]


def test_refused_event_can_be_viewed_after_it_is_resolved(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    publish_refused_event(ledger, "raw-6")
    support = logged_in("support")
    number = row_of(support, find=f"{CLINIC}/raw-6/1")["refused"].removeprefix("refused:")
    assert support.get(f"/api/refused-events/{number}").json()["is_open"] is True
    ledger.set_clinic(CLINIC)
    ledger.import_events(event_body(payment_fields(payment_id="raw-6", clinic_id=CLINIC, version=2)))

    page = support.get("/timeline", payment=f"{CLINIC}/raw-6/1").text
    assert f'href="/refused-events/{number}"' in page
    assert support.get(f"/refused-events/{number}").status_code == 200
