"""After an interrupted or partly failed action, the message states the result of each item."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from payments.journeys import adjusting, closing
from payments.store.db.connection import Database, Transaction, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, exception_of, flash_message, page_text, rows

pytestmark = pytest.mark.slow


def terminate_backend(tx: Transaction) -> None:
    """Terminate the PostgreSQL session of a transaction, as a restart of PostgreSQL does."""
    tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.fixture
def exception_values(logged_in: LoggedIn, ledger: ClinicLedger, request: pytest.FixtureRequest) -> list[str]:
    """The values of the form field `exception` for three open exceptions."""
    billing, name = logged_in("billing"), f"cut-{abs(hash(request.node.name)) % 10**8}"
    for number in range(3):
        edit_in_closed_month(ledger, f"{name}-{number}", f"{name}-{number}")
    return [f"{exception_of(billing, f'{name}-{number}')['id']}.2" for number in range(3)]


def exception_id(value: str) -> int:
    return int(value.partition(".")[0])


def result_by_exception(page: str) -> list[str]:
    """Return the result of each exception, as the page after a bulk decision shows it."""
    return re.findall(r'data-label="Result"><span class="badge \w+">([\w ]+)</span>', page)


def are_open(billing: Browser, exception_values: list[str]) -> list[bool]:
    open_now = {row["id"] for row in rows(billing, "/api/exceptions", limit=1_000)}
    return [exception_id(each) in open_now for each in exception_values]


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("after_posting", [False, True], ids=["before the posting", "before the commit"])
def test_interrupted_bulk_accept_reports_the_outcome_of_each_exception(
    logged_in: LoggedIn, exception_values: list[str], monkeypatch: pytest.MonkeyPatch, at: int, after_posting: bool
) -> None:
    billing, original = logged_in("billing"), adjusting.accept_if_unchanged

    def accept(tx: Transaction, one: adjusting.SeenException, *rest: object) -> object:
        if one.finding_id == exception_id(exception_values[at]) and not after_posting:
            terminate_backend(tx)
        accepted = original(tx, one, *rest)  # type: ignore[arg-type]
        if one.finding_id == exception_id(exception_values[at]):
            terminate_backend(tx)
        return accepted

    monkeypatch.setattr(adjusting, "accept_if_unchanged", accept)
    answer = billing.post("/exceptions/decide", action="accept", exception=exception_values)

    assert answer.status_code == 503
    assert f"{at} of 3 exceptions accepted" in answer.text
    assert result_by_exception(answer.text) == ["Accepted"] * at + ["Check"] + ["Not attempted"] * (2 - at)
    assert "An error interrupted the action. It may have taken effect;" in answer.text
    assert "othing was changed" not in answer.text
    assert are_open(billing, exception_values) == [False] * at + [True] * (3 - at)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("case", ["accepted by another", "changed since", "no such exception"])
def test_bulk_accept_names_the_failed_exception_and_posts_the_others(
    logged_in: LoggedIn, exception_values: list[str], ledger_database: Database, case: str, which: int
) -> None:
    billing, one = logged_in("billing"), exception_id(exception_values[which])
    chosen = list(exception_values)
    match case:
        case "accepted by another":
            with transaction(ledger_database) as tx:
                adjusting.acknowledge(tx, one, "agreed", datetime.now(UTC), "user:other")
        case "changed since":
            chosen[which] = f"{one}.1"
        case _:
            chosen[which], one = "999999999.2", 999999999

    answer = billing.post("/exceptions/decide", action="accept", exception=chosen)

    assert answer.status_code == 200
    assert "2 of 3 exceptions accepted" in answer.text
    assert result_by_exception(answer.text) == ["Skipped" if n == which else "Accepted" for n in range(3)]
    assert f"xception {one}" in answer.text
    assert [
        str(exception_id(each))
        for each, is_open in zip(exception_values, are_open(billing, exception_values), strict=True)
        if is_open
    ] == ([str(exception_id(exception_values[which]))] if case != "accepted by another" else [])


@pytest.mark.parametrize("step", ["begin_close", "finish_close"])
def test_interrupted_close_has_a_message_that_it_may_have_started(
    logged_in: LoggedIn, ledger: ClinicLedger, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    company, billing = f"company-{step}", logged_in("billing")
    known, payment = saved_patient(company_id=company), paid("25.00", "2026-05-05")
    saved = saved_payment(clinic_id=step, company_id=company, **payment)
    ledger.in_office(step, lambda office: office.publish(known, saved), company_id=company)
    original = getattr(closing, step)

    def interrupt(tx: Transaction, *rest: object) -> None:
        original(tx, *rest)
        terminate_backend(tx)

    with monkeypatch.context() as patched:
        patched.setattr(closing, step, interrupt)
        answer = billing.post("/months/close", company=company, month="2026-05", confirm="2026-05")

    state = {"begin_close": "OPEN", "finish_close": "CLOSING"}[step]
    assert answer.status_code == 503
    assert f"An error interrupted the close of {company} 2026-05." in page_text(answer)
    assert "If it is closing, the close is finished within minutes; if it is open, close it again." in answer.text
    (month,) = [row for row in rows(billing, "/api/months", company=company) if row["month"] == "2026-05"]
    assert month["state"] == state
    again = billing.post("/months/close", company=company, month="2026-05", confirm="2026-05")
    assert (again.status_code, flash_message(billing)) == (
        303,
        f"{company} 2026-05 closed. Payments total: 25.00.",
    )
