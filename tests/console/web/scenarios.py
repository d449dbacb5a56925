"""Actions and queries that several page tests use."""

import html
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from httpx import Response

from payments.access.audit import AuditFilter, AuditRow
from payments.contract.event import ChargeType
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.audit_history import newest_entries
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.web.conftest import Browser

LoggedIn = Callable[[str], Browser]


def flash_message(browser: Browser) -> str:
    """Return the flash message after the last submitted form."""
    return unquote(browser.client.cookies.get("payments_flash_8000") or "")


def rows(browser: Browser, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return the rows of an API report."""
    answer = browser.get(path, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def audit_rows(site: FastAPI, action: str) -> list[AuditRow]:
    """Return the audit rows of an action, newest first."""
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        return newest_entries(tx, AuditFilter(action=action), 1000)


def page_text(page: Response) -> str:
    """Return the text of a page without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def wait_until(is_true: Callable[[], bool]) -> None:
    """Poll until `is_true` returns True, for at most 15 s."""
    deadline = time.monotonic() + 15
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def add_not_sent(ledger: ClinicLedger, clinic: str, *payment_ids: str) -> None:
    """Save Supplies payments at a clinic that sends Copays only, so that each becomes Not Sent."""
    ledger.in_office(clinic, lambda office: office.publish(saved_patient()), ChargeType.COPAY)
    moment = datetime.now(UTC).isoformat()
    ledger.import_events(
        *(
            saved_payment("9.00", clinic_id=clinic, payment_id=each, charge_type="Supplies", saved_at=moment)
            for each in payment_ids
        )
    )


def exception_of(browser: Browser, clinic: str) -> dict[str, Any]:
    """Return the only open exception of a clinic."""
    (row,) = rows(browser, "/api/exceptions", clinic=clinic)
    return row


def edit_in_closed_month(ledger: ClinicLedger, clinic: str, company: str) -> None:
    """Edit a payment of a closed month from 25.00 to 35.00."""
    first = saved_payment(clinic_id=clinic, company_id=company, **paid("25.00", "2026-06-05"))
    again = saved_payment(clinic_id=clinic, company_id=company, version=2, **paid("35.00", "2026-06-05"))

    def work(office: Office) -> None:
        office.publish(saved_patient(company_id=company), first)
        office.close_months("2026-06")
        office.publish(again)

    ledger.in_office(clinic, work, company_id=company)
