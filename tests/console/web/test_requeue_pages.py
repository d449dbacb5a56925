"""Requeue payments from the pages: selected payments, payments of a newly selected type, and all matching payments."""

from datetime import UTC, datetime, timedelta

from fastapi import FastAPI

from payments.core.outcome import Status
from payments.core.scope import Scope
from payments.journeys import requeue_runs
from payments.journeys.requeueing import FeedFilter
from payments.store.db.connection import transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import deleted_payment, saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn, add_not_sent, audit_rows, flash_message, rows


def test_requeue_of_a_selected_payment_records_the_user(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI
) -> None:
    add_not_sent(ledger, "rows", "shoes")
    support = logged_in("support")
    page = support.get("/claims-feed", status="Not Sent", clinic="rows").text
    assert 'value="rows/shoes/1"' in page
    assert "This charge type was not selected" in page

    answer = support.post("/claims-feed/requeue", payment="rows/shoes/1", back="/claims-feed?clinic=rows")

    assert answer.headers["location"] == "/claims-feed?clinic=rows"
    assert flash_message(support) == "1 of 1 payment requeued."
    assert [row["status"] for row in rows(support, "/api/claims-feed", find="rows/shoes/1")] == ["Transmission Pending"]
    timeline = support.get("/timeline", payment="rows/shoes/1").text
    assert ">support</td>" in timeline
    assert "Requeued" in timeline
    assert [(row.who, row.subject) for row in audit_rows(site, "requeued")][:1] == [("user:support", "rows/shoes/1")]


def test_selecting_a_charge_type_offers_to_requeue_its_not_sent_payments(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    clinic = "ticking"
    add_not_sent(ledger, clinic, *(f"shoes-{number}" for number in range(7)))
    support = logged_in("support")

    answer = support.post("/clinic", clinic=clinic, integration="on", type=["Copay", "Supplies"])
    offered = support.get(answer.headers["location"]).text
    assert "<strong>7</strong> payments" in offered
    assert "Requeue them" in offered

    choice = {"status": "Not Sent", "reason": "type_not_selected", "clinic": clinic}
    confirmation = support.get("/requeue-runs/new", **choice).text
    assert "Requeue 7 payments" in confirmation
    assert "reason: Charge type not selected" in confirmation
    run = support.post("/requeue-runs", **choice).headers["location"]
    assert "<strong>0</strong> of 7 payments requeued" in support.get(run).text
    ledger.run_requeues()
    page = support.get(run).text
    assert "<strong>7</strong> of 7 payments requeued" in page
    assert "Waiting for evaluation." in page
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Transmission Pending"}

    ledger.in_office(clinic, lambda office: office.run_sweeps())
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Transmission Successful"}
    assert "Imported." in support.get(run).text
    listed = support.get("/requeue-runs").text
    assert f'<a href="{run}">' in listed
    assert "Not Sent, reason: Charge type not selected, clinic ticking" in listed


def test_requeue_run_stops_and_resumes(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    clinic, support = "stopping", logged_in("support")
    add_not_sent(ledger, clinic, *(f"shoes-{number}" for number in range(5)))
    wanted, now = FeedFilter(status=Status.NOT_SENT, scope=Scope.of_clinics(clinic)), datetime.now(UTC)
    with transaction(ledger.database) as tx:
        number = requeue_runs.start_run(tx, wanted, now, "user:support").run_id
        assert requeue_runs.requeue_next_chunk(tx, number, now, 2)

    running = support.get(f"/requeue-runs/{number}").text
    assert "<strong>2</strong> of 5 payments requeued" in running
    assert "data-refresh" in running
    assert support.post(f"/requeue-runs/{number}/stop").status_code == 303
    ledger.run_requeues()
    assert "Cancelled. The remaining payments are unchanged." in support.get(f"/requeue-runs/{number}").text
    statuses = [row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)]
    assert (statuses.count("Transmission Pending"), statuses.count("Not Sent")) == (2, 3)

    assert support.post(f"/requeue-runs/{number}/resume").status_code == 303
    ledger.run_requeues()
    assert "<strong>5</strong> of 5 payments requeued" in support.get(f"/requeue-runs/{number}").text
    assert [row.who for row in audit_rows(site, "requeue stopped")][:1] == ["user:support"]


def test_requeue_page_sends_the_number_that_was_confirmed(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    clinic, support = "confirming", logged_in("support")
    add_not_sent(ledger, clinic, "shoes-1", "shoes-2")
    choice = {"status": "Not Sent", "clinic": clinic}
    page = support.get("/requeue-runs/new", **choice).text
    assert '<input type="hidden" name="confirmed" value="2">' in page

    add_not_sent(ledger, clinic, "shoes-3")
    answer = support.post("/requeue-runs", **choice, confirmed="2")

    assert answer.status_code == 409
    assert "3 payments match now, you confirmed 2; nothing was requeued." in answer.text
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Not Sent"}
    assert "Requeue 3 payments" in support.get("/requeue-runs/new", **choice).text


def test_requeue_page_says_that_fewer_match_than_were_confirmed(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    clinic, support = "fewer", logged_in("support")
    add_not_sent(ledger, clinic, "shoes-1")

    run = support.post("/requeue-runs", status="Not Sent", clinic=clinic, confirmed="3").headers["location"]

    assert flash_message(support) == "1 of the 3 payments that you confirmed still match, and are requeued."
    ledger.run_requeues()
    assert "<strong>1</strong> of 1 payment requeued" in support.get(run).text


def test_run_without_progress_says_that_the_back_office_continues_it(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    add_not_sent(ledger, "stalling", "shoes")
    wanted = FeedFilter(status=Status.NOT_SENT, scope=Scope.of_clinics("stalling"))
    with transaction(ledger.database) as tx:
        long_ago = datetime.now(UTC) - timedelta(minutes=5)
        number = requeue_runs.start_run(tx, wanted, long_ago, "user:support").run_id
    support = logged_in("support")

    page = support.get(f"/requeue-runs/{number}").text
    assert "No progress since" in page
    assert "data-refresh" in page
    ledger.run_requeues()
    assert "<strong>1</strong> of 1 payment requeued" in support.get(f"/requeue-runs/{number}").text


def test_feed_pages_contain_each_payment_once(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    clinic = "paging"
    moments = [f"2026-06-05T{10 + number // 3:02}:00:00+00:00" for number in range(11)]
    events = [
        saved_payment(clinic_id=clinic, payment_id=f"p{number:02}", saved_at=moment)
        for number, moment in enumerate(moments)
    ]
    gone = deleted_payment(clinic_id=clinic, payment_id="p03", version=2, saved_at="2026-06-05T20:00:00+00:00")
    conflict = b'{"clinic_id": "paging", "payment_id": "odd", "line_id": "1", "version": 1}'
    ledger.publish(clinic, saved_patient(), *events, gone, conflict)
    billing = logged_in("billing")

    seen, after = [], None
    while True:
        answer = billing.get("/api/claims-feed", clinic=clinic, limit=3, **({"after": after} if after else {})).json()
        seen += [row["payment"] for row in answer["rows"]]
        after = answer["next"]
        if after is None:
            break

    whole = [row["payment"] for row in rows(billing, "/api/claims-feed", clinic=clinic, limit=100)]
    assert seen == whole
    assert sorted(seen) == sorted([f"{clinic}/p{number:02}/1" for number in range(11)] + [f"{clinic}/odd/1"])
    assert seen[1] == f"{clinic}/p03/1"
    assert rows(billing, "/api/claims-feed", clinic=clinic, amount="0.00")[0]["payment"] == f"{clinic}/p03/1"
