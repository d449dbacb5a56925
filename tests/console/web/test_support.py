"""Support at work: a payment that was not sent is found, its type ticked, and it comes through."""

from datetime import UTC, datetime, timedelta

from fastapi import FastAPI

from payments.core.outcome import Status
from payments.journeys import requeueing
from payments.journeys.requeueing import FeedFilter
from tests.console.web.conftest import Ledger
from tests.console.web.stories import Visitor, audited, leave_out, rows, said, until
from tests.make import deleted, patient, saved


def test_a_payment_that_was_not_sent_is_requeued_once_from_its_row_and_who_did_it_stays_known(
    visitor: Visitor, ledger: Ledger, site: FastAPI
) -> None:
    leave_out(ledger, "rows", "shoes")
    support = visitor("support")
    page = support.get("/claims-feed", status="Not Sent", clinic="rows").text
    assert 'value="rows/shoes/1"' in page
    assert "This charge type is not selected" in page

    answer = support.post("/claims-feed/requeue", payment="rows/shoes/1", back="/claims-feed?clinic=rows")

    assert answer.headers["location"] == "/claims-feed?clinic=rows"
    assert said(support) == "1 of 1 payments will be judged again."
    assert [row["status"] for row in rows(support, "/api/claims-feed", find="rows/shoes/1")] == ["Transmission Pending"]
    timeline = support.get("/timeline", payment="rows/shoes/1").text
    assert "<td>support</td>" in timeline
    assert "Re-submitted" in timeline
    assert [(row.who, row.subject) for row in audited(site, "requeued")][:1] == [("user:support", "rows/shoes/1")]


def test_ticking_a_type_offers_what_was_not_sent_for_it_and_a_run_requeues_all_of_it(
    visitor: Visitor, ledger: Ledger
) -> None:
    clinic = "ticking"
    leave_out(ledger, clinic, *(f"shoes-{number}" for number in range(7)))
    support = visitor("support")

    answer = support.post("/clinic", clinic=clinic, integration="on", type=["Copay", "Supplies"])
    offered = support.get(answer.headers["location"]).text
    assert "<strong>7</strong> payments" in offered
    assert "Requeue them" in offered

    choice = {"status": "Not Sent", "reason": "type_not_selected", "clinic": clinic}
    assert "Requeue 7 payments" in support.get("/requeue-runs/new", **choice).text
    run = support.post("/requeue-runs", **choice).headers["location"]
    until(lambda: "<strong>7</strong> of 7 payments requeued" in support.get(run).text)
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Transmission Pending"}

    ledger.office(clinic, lambda office: office.sweep())
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Transmission Successful"}


def test_a_run_goes_step_by_step_stops_where_it_is_asked_to_and_is_taken_up_again(
    visitor: Visitor, ledger: Ledger, site: FastAPI
) -> None:
    clinic, support = "stopping", visitor("support")
    leave_out(ledger, clinic, *(f"shoes-{number}" for number in range(5)))
    wanted, now = FeedFilter(status=Status.NOT_SENT, clinics=(clinic,)), datetime.now(UTC)
    with site.state.console.transaction() as tx:
        number = requeueing.start_run(tx, wanted, now, "user:support")
        assert requeueing.requeue_next_chunk(tx, number, now, 2)

    running = support.get(f"/requeue-runs/{number}").text
    assert "<strong>2</strong> of 5 payments requeued" in running
    assert "data-goes-on" in running
    assert support.post(f"/requeue-runs/{number}/stop").status_code == 303
    with site.state.console.transaction() as tx:
        assert not requeueing.requeue_next_chunk(tx, number, now, 2)
    assert "Stopped. What was requeued stays so; the rest is as it was." in support.get(f"/requeue-runs/{number}").text
    statuses = [row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)]
    assert (statuses.count("Transmission Pending"), statuses.count("Not Sent")) == (2, 3)

    assert support.post(f"/requeue-runs/{number}/resume").status_code == 303
    until(lambda: "<strong>5</strong> of 5 payments requeued" in support.get(f"/requeue-runs/{number}").text)
    assert [row.who for row in audited(site, "requeue stopped")][:1] == ["user:support"]


def test_a_run_whose_console_has_ended_says_so_and_can_be_gone_on_with(
    visitor: Visitor, ledger: Ledger, site: FastAPI
) -> None:
    leave_out(ledger, "stalling", "shoes")
    wanted, long_ago = (
        FeedFilter(status=Status.NOT_SENT, clinics=("stalling",)),
        datetime.now(UTC) - timedelta(minutes=5),
    )
    with site.state.console.transaction() as tx:
        number = requeueing.start_run(tx, wanted, long_ago, "user:support")
    support = visitor("support")

    page = support.get(f"/requeue-runs/{number}").text
    assert "Nothing has moved since" in page
    assert "data-goes-on" not in page
    support.post(f"/requeue-runs/{number}/resume")
    until(lambda: "<strong>1</strong> of 1 payment requeued" in support.get(f"/requeue-runs/{number}").text)


def test_a_feed_is_read_page_by_page_with_nothing_twice_and_nothing_left_out(visitor: Visitor, ledger: Ledger) -> None:
    clinic = "paging"
    moments = [f"2026-06-05T{10 + number // 3:02}:00:00+00:00" for number in range(11)]
    events = [
        saved(clinic_id=clinic, payment_id=f"p{number:02}", saved_at=moment) for number, moment in enumerate(moments)
    ]
    gone = deleted(clinic_id=clinic, payment_id="p03", version=2, saved_at="2026-06-05T20:00:00+00:00")
    conflict = b'{"clinic_id": "paging", "payment_id": "odd", "line_id": "1", "version": 1}'
    ledger.imports(clinic, patient(), *events, gone, conflict)
    billing = visitor("billing")

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
