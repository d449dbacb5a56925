"""The API for the work queue of exceptions, and for notes."""

from fastapi import FastAPI

from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import LoggedIn, audit_rows, edit_in_closed_month, exception_of, rows


def test_api_returns_the_history_of_an_exception_and_undoes_its_acceptance(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI
) -> None:
    edit_in_closed_month(ledger, "api-life", "api-life-co")
    billing = logged_in("billing")
    address = f"/api/exceptions/{exception_of(billing, 'api-life')['id']}"
    billing.call(f"{address}/accept", {"version": 2})
    billing.call(f"{address}/note", {"text": "The secret of the patient."})

    undone = billing.call(f"{address}/undo", {"reason": "wrong one"}).json()
    again = billing.call(f"{address}/undo", {"reason": "wrong one"}).json()
    life = billing.get(address).json()

    assert [entry["amount"] for entry in undone["posted"]] == ["-10.00"]
    assert (again["posted"], again["before"]) == ([], True)
    assert life["exception"]["status"] == "open"
    assert [event["what"] for event in life["events"]] == [
        "Exception opened",
        "Exception accepted",
        "Acceptance undone",
    ]
    assert [(entry["amount"], entry["reason"]) for entry in life["entries"]] == [
        ("10.00", None),
        ("-10.00", "wrong one"),
    ]
    assert [(note["body"], note["written_by"]) for note in life["notes"]] == [
        ("The secret of the patient.", "user:billing")
    ]
    told = [*audit_rows(site, "undid exception"), *audit_rows(site, "added note")]
    assert "wrong one" in told[0].detail
    assert not any("secret" in row.detail for row in told)


def test_api_assigns_exceptions_and_gives_the_next_one(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "api-next", "api-next-co")
    billing = logged_in("billing")
    number = exception_of(billing, "api-next")["id"]

    claimed = billing.call("/api/exceptions/next", {"company": "api-next-co", "queue": "to_post"}).json()
    assert (claimed["exception"]["id"], claimed["exception"]["owner"]) == (number, "billing")
    assert billing.call("/api/exceptions/next", {"company": "api-next-co"}).json() == {"exception": None}
    assert [row["id"] for row in rows(billing, "/api/exceptions", clinic="api-next", work="mine")] == [number]
    assert rows(billing, "/api/exceptions", clinic="api-next", work="unassigned") == []
    assert rows(billing, "/api/exceptions", clinic="api-next", queue="nothing_to_post") == []

    address = f"/api/exceptions/{number}/assign"
    stale = billing.call(address, {"owner": "admin", "seen_owner": ""})
    assert (stale.status_code, "it was assigned to billing meanwhile" in stale.text) == (409, True)
    assert billing.call(address, {"owner": "support"}).status_code == 409
    assert billing.call(address, {"owner": "admin", "seen_owner": "billing"}).json()["owner"] == "admin"
    assert billing.call(address, {"owner": None}).json()["owner"] is None


def test_api_stores_and_lists_notes_on_payments_and_accounts(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "api-notes", "api-notes-co")
    desk = logged_in("front-office")
    payment, account = {"payment": "api-notes/payment/1"}, {"patient": "patient", "company": "api-notes-co"}

    assert desk.call("/api/notes", payment | {"text": "check bounced"}).status_code == 200
    assert desk.call("/api/notes", account | {"text": "moved to Boise"}).status_code == 200

    assert [row["body"] for row in rows(desk, "/api/notes", **payment)] == ["check bounced"]
    assert [row["body"] for row in rows(desk, "/api/notes", **account)] == ["moved to Boise"]
    assert desk.call("/api/notes", {"payment": "no/such/1", "text": "x"}).status_code == 404
    assert desk.call("/api/notes", {"text": "x"}).status_code == 422
    assert desk.call("/api/notes", payment | {"text": " "}).status_code == 409


def test_limited_user_reaches_no_exception_or_note_of_another_clinic(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "api-limits", "api-limits-co")
    number = exception_of(logged_in("billing"), "api-limits")["id"]
    limited = logged_in("billing-of-north")

    assert limited.get(f"/api/exceptions/{number}").status_code == 404
    for action, body in (
        ("undo", {"reason": "x"}),
        ("assign", {"owner": "billing-of-north"}),
        ("note", {"text": "x"}),
    ):
        assert limited.call(f"/api/exceptions/{number}/{action}", body).status_code == 404
    assert limited.call("/api/notes", {"payment": "api-limits/payment/1", "text": "x"}).status_code == 404
    assert rows(limited, "/api/notes", payment="api-limits/payment/1") == []
