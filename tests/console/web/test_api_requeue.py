"""The API requeues all matching payments only if the request confirms their number."""

from uuid import uuid4

import pytest

from payments import wording
from payments.contract.event import ChargeType
from tests.builders.committed import ClinicLedger
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, add_not_sent, rows


@pytest.fixture
def clinic(ledger: ClinicLedger) -> str:
    """A clinic with two payments that were not sent."""
    name = f"api-{uuid4().hex[:8]}"
    add_not_sent(ledger, name, "shoes-1", "shoes-2")
    return name


@pytest.fixture
def support_browser(logged_in: LoggedIn) -> Browser:
    return logged_in("support")


def statuses(browser: Browser, clinic: str) -> set[str]:
    return {row["status"] for row in rows(browser, "/api/claims-feed", clinic=clinic)}


def test_run_requeues_the_previewed_payments(support_browser: Browser, ledger: ClinicLedger, clinic: str) -> None:
    choice = {"status": "Not Sent", "clinic": clinic}
    preview = support_browser.get("/api/requeue-preview", **choice).json()
    still_not_sent = {
        "code": "not_sent",
        "reason": "type_not_selected",
        "count": 2,
        "total": "18.00",
        "result": f"Still Not Sent. {wording.reason('type_not_selected')}",
    }
    assert preview == {"count": 2, "total": "18.00", "flowing": 0, "results": [still_not_sent]}

    started = support_browser.call("/api/requeue-runs", choice | {"count": preview["count"]}).json()

    assert started["count"] == 2
    path = f"/api/requeue-runs/{started['run']}"
    assert support_browser.get(path).json()["state"] == "running"
    ledger.run_requeues()
    waiting = {"code": "waiting", "reason": None, "count": 2, "total": "18.00", "result": "Waiting for evaluation."}
    progress = {"run": started["run"], "state": "done", "total": 2, "done": 2}
    assert support_browser.get(path).json() == progress | {"outcome": [waiting]}
    assert statuses(support_browser, clinic) == {"Transmission Pending"}
    ledger.in_office(clinic, lambda office: office.run_sweeps(), ChargeType.COPAY)
    assert support_browser.get(path).json()["outcome"] == [still_not_sent]
    assert rows(support_browser, "/api/requeue-runs")[0]["run"] == started["run"]


def test_run_is_cancelled_by_the_api(support_browser: Browser, ledger: ClinicLedger, clinic: str) -> None:
    body = {"status": "Not Sent", "clinic": clinic, "count": 2}
    run = support_browser.call("/api/requeue-runs", body).json()["run"]

    answer = support_browser.call(f"/api/requeue-runs/{run}/stop", {}).json()

    assert answer == {"run": run, "state": "stopped", "done": 0}
    ledger.run_requeues()
    assert statuses(support_browser, clinic) == {"Not Sent"}


def test_api_requeues_nothing_if_more_match_than_confirmed(support_browser: Browser, clinic: str) -> None:
    answer = support_browser.call("/api/requeue-runs", {"status": "Not Sent", "clinic": clinic, "count": 1})

    assert answer.status_code == 409
    assert answer.json()["error"] == (
        "2 payments match now, you confirmed 1; nothing was requeued. Look at the payments again, then confirm."
    )
    assert statuses(support_browser, clinic) == {"Not Sent"}


def test_api_requeues_and_counts_fewer_payments_than_confirmed(support_browser: Browser, clinic: str) -> None:
    answer = support_browser.call("/api/requeue-runs", {"status": "Not Sent", "clinic": clinic, "count": 5})

    assert (answer.status_code, answer.json()["count"]) == (200, 2)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"status": "Not Sent"}, "count: Field required."),
        ({"status": "Not Sent", "count": -1}, "count: '-1' is not a number such as 17."),
        ({"status": "Not Sent", "count": True}, "count: 'true' is not a number such as 17."),
        ({"status": "Not Sent", "count": 2.0}, "count: '2.0' is not a number such as 17."),
        (
            {"count": 2},
            "Choose a Transmission status (Not Sent, Transmission Pending or Validation Failed) or a reason.",
        ),
        ({"status": "Not Sent", "count": 2, "clinc": "north"}, "clinc: no such field."),
        ({"status": "Not Sent", "count": 2, "as_of": "2026-06-01"}, "as_of: no such field."),
        ({"status": "Transmission Successful", "count": 2}, "Choose a Transmission status (Not Sent, "),
    ],
)
def test_request_that_does_not_name_its_payments_is_refused(support_browser: Browser, body: object, error: str) -> None:
    answer = support_browser.call("/api/requeue-runs", body)

    assert answer.status_code == 422
    assert answer.json()["error"].startswith(error)


def test_requeue_preview_with_as_of_is_refused(support_browser: Browser, clinic: str) -> None:
    choice = {"status": "Not Sent", "clinic": clinic, "as_of": "2026-06-01T00:00:00Z"}

    for path in ("/api/requeue-preview", "/requeue-runs/new"):
        answer = support_browser.get(path, **choice)
        assert answer.status_code == 422
        assert "A requeue uses the current data." in answer.text


def test_limited_user_sees_only_own_runs(logged_in: LoggedIn, support_browser: Browser, clinic: str) -> None:
    run = support_browser.call("/api/requeue-runs", {"status": "Not Sent", "clinic": clinic, "count": 2}).json()["run"]
    limited = logged_in("support-of-north")

    assert limited.get(f"/api/requeue-runs/{run}").status_code == 404
    assert limited.call(f"/api/requeue-runs/{run}/stop", {}).status_code == 404
    assert run not in [row["run"] for row in rows(limited, "/api/requeue-runs")]
    assert limited.get("/api/requeue-preview", status="Not Sent", clinic=clinic).status_code == 403
    body = {"status": "Not Sent", "clinic": clinic, "count": 2}
    assert limited.call("/api/requeue-runs", body).status_code == 403
