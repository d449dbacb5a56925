"""Commands that change clinics, months and payments have audit entries, as the pages that do the same."""

import pytest
from sqlalchemy import text

from console.cli.session import current_user
from payments.store.db.connection import Database, transaction
from tests.builders.committed import Company
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.conftest import Terminal


def audited(database: Database, company_id: str | None = None, subject: str = "%") -> list[tuple[str, str, str]]:
    """Return the audit entries that this user's commands wrote, oldest first, as (action, subject, detail)."""
    query = (
        "SELECT action, subject, detail FROM audit WHERE company_id IS NOT DISTINCT FROM :company "
        "AND subject LIKE :subject AND who = :who ORDER BY id"
    )
    with transaction(database) as tx:
        found = tx.execute(text(query), {"company": company_id, "subject": subject, "who": current_user()}).all()
    return [(row.action, row.subject, row.detail) for row in found]


def test_settings_and_months_of_commands_are_audited(terminal: Terminal, ledger_database: Database) -> None:
    company = Company(ledger_database, "patient")
    company.publish(saved_patient(company_id=company.id), saved_payment(**company.ids, **paid("25.00", "2020-04-08")))

    terminal.run("settings", "set", company.id, "--company", company.id, "--integration", "off")
    for command in ("schedule", "cancel"):
        terminal.run("months", command, company.id, "2020-04")
    terminal.run("months", "close", company.id, "2020-04", "--dry-run")
    terminal.run("months", "close", company.id, "2020-04")

    name = f"{company.id} 2020-04"
    settings, *months = audited(ledger_database, company.id)
    assert (settings[:2], settings[2][:5]) == (("changed clinic settings", company.id), "off; ")
    assert months == [
        ("scheduled month", name, "0 payments to resolve"),
        ("cancelled month closing", name, ""),
        ("closed month", name, "payments of $25.00"),
    ]


@pytest.mark.usefixtures("feed")
def test_requeues_of_commands_are_audited(terminal: Terminal, ledger_database: Database) -> None:
    company = Company(ledger_database, "patient")
    company.publish(saved_patient(company_id=company.id), saved_payment(payment_id="in", **company.ids))
    internal = {"internal_payment": True, **company.ids}
    company.publish(*(saved_payment(payment_id=name, **internal) for name in ("out-1", "out-2")))
    of_company = ("--company", company.id)

    terminal.run("requeue", f"{company.id}/out-1/1", f"{company.id}/in/1", *of_company, "--dry-run")
    terminal.run("requeue", f"{company.id}/out-1/1", f"{company.id}/in/1", *of_company)
    terminal.run("requeue", "--status", "not-sent", *of_company)
    (run,) = [row for row in terminal.run("requeue-runs", "--format", "json").rows if row["company"] == company.id]
    terminal.run("requeue-runs", str(run["run"]), "--stop")

    assert audited(ledger_database, None, f"{company.id}/%") == [("requeued", f"{company.id}/out-1/1", "")]
    found = [each for each in audited(ledger_database, company.id) if each[1].startswith("run ")]
    assert [(action, subject) for action, subject, _ in found] == [
        ("requeued by filter", f"run {run['run']}"),
        ("requeue stopped", f"run {run['run']}"),
    ]
    assert f"company {company.id}" in found[0][2]
