"""Invalid requests to pages and the API: the message names the problem and the field."""

import html

import pytest

from tests.console.web.scenarios import LoggedIn

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/claims-feed?since=2026-13-01", "Saved from: '2026-13-01' is not a date such as 2026-10-05"),
        ("/claims-feed?since=x", "Saved from: 'x' is not a date such as 2026-10-05"),
        ("/claims-feed?since=1492-10-12", "Saved from: '1492-10-12': the year must be between 1900 and 2999"),
        (
            "/claims-feed?since=2026-02-01&until=2026-01-01",
            "The last day (2026-01-01) is before the first day (2026-02-01).",
        ),
        ("/claims-feed?status=Sent", "status"),
        ("/claims-feed?after=x", "cannot be found"),
        ("/timeline?payment=a/b/c", "There is no payment a/b/c"),
        ("/account?patient=nobody", "There is no patient nobody"),
        ("/months?company=company&month=13", "Month: expected YYYY-MM"),
        ("/requeue-runs/new", "Choose a Transmission status"),
        ("/requeue-runs/4711", "There is no requeue run 4711"),
        ("/no-such-page", "This page does not exist"),
    ],
)
def test_invalid_request_explains_the_problem(logged_in: LoggedIn, path: str, message: str) -> None:
    answer = logged_in("admin").get(path)

    assert 400 <= answer.status_code < 500
    assert message.casefold() in html.unescape(answer.text).casefold()
    assert "Traceback" not in answer.text


NUL_ERROR = "contains a character that cannot be stored (NUL). Remove it"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/users", "clinic"),
        ("/users", "name"),
        ("/users/change", "company"),
        ("/users/disable", "name"),
        ("/users/enable", "name"),
        ("/users/password", "name"),
        ("/exceptions/1/acknowledge", "reason"),
        ("/claims-feed/requeue", "payment"),
        ("/requeue-runs", "find"),
        ("/clinic", "clinic"),
        ("/months/schedule", "company"),
        ("/login", "name"),
    ],
)
def test_form_with_nul_character_names_its_field(logged_in: LoggedIn, path: str, field: str) -> None:
    whole = {"role": "billing", "password": "long enough it is", "version": "1", "name": "new", "status": "Not Sent"}

    answer = logged_in("admin").post(path, **whole | {field: "a\0b"})

    assert answer.status_code == 422
    assert f"{field.capitalize()}: {NUL_ERROR}." in answer.text


@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("/api/claims-feed?clinic=%00", "clinic", None),
        ("/api/timeline?payment=a%00/b/c", "payment", None),
        ("/api/requeue", "payments", {"payments": ["a/b/c", "a\0/b/c"]}),
        ("/api/exceptions/1/acknowledge", "reason", {"version": 1, "reason": "a\0b"}),
    ],
)
def test_api_call_with_nul_character_names_its_field(logged_in: LoggedIn, path: str, field: str, body: object) -> None:
    admin = logged_in("admin")

    answer = admin.call(path, body) if body else admin.get(path)

    assert (answer.status_code, answer.json()["error"]) == (422, f"{field}: {NUL_ERROR}.")
