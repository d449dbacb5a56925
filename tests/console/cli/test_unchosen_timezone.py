"""Commands warn on stderr about a company whose time zone was not chosen. The warning does not change stdout."""

import json
import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from payments.journeys import detecting
from payments.store.db.connection import Database, transaction
from tests.builders.committed import CommittedLedger
from tests.builders.events import deleted_payment, paid, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.conftest import Terminal

pytestmark = pytest.mark.slow

WARNING_COMMANDS = [
    "months close {company} 2020-05",
    "months close {company} 2020-05 --dry-run",
    "months schedule {company} 2020-05",
    "exceptions accept {exception}",
    "exceptions accept {exception} --dry-run",
    "exceptions accept --all --company {company}",
]


class NewCompany(CommittedLedger):
    """A company created by its first event, with a closed April and one open exception."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.id = f"z-{uuid4().hex[:8]}"
        ids = {"company_id": self.id, "clinic_id": self.id, "patient_id": self.id}
        with transaction(database) as tx:
            office = Office(tx, datetime.now(UTC), self.id, self.id)
            office.publish(
                saved_patient(self.id, company_id=self.id), saved_payment(**ids, **paid("25.00", "2020-04-08"))
            )
            office.close_months("2020-04")
            office.import_events(deleted_payment(version=2, **ids))
            detecting.detect(tx, office.now, "tests-1", 500)


@pytest.fixture
def company(ledger_database: Database) -> NewCompany:
    return NewCompany(ledger_database)


def exception_id(terminal: Terminal, company: str) -> str:
    rows = json.loads(terminal.run("report", "exceptions", "--format", "json").out)
    return next(str(row["id"]) for row in rows if row["company"] == company)


@pytest.mark.parametrize("command", WARNING_COMMANDS)
def test_closing_and_accepting_warn_about_a_company_without_a_time_zone(
    terminal: Terminal, company: NewCompany, command: str
) -> None:
    line = command.format(company=company.id, exception=exception_id(terminal, company.id)).split()

    warned = terminal.run(*line)

    assert warned.status == 0
    assert warned.err == (
        f"payments: warning: No time zone was chosen for company {company.id}; "
        "its days and months follow the time zone UTC. "
        "Ask an administrator to choose one, for example: "
        f"payments company set {company.id} --timezone America/Denver\n"
    )
    assert "warning" not in warned.out


@pytest.mark.parametrize("command", WARNING_COMMANDS)
@pytest.mark.parametrize("zone", ["UTC", "America/Denver"])
def test_company_with_a_chosen_time_zone_gets_no_warning(
    terminal: Terminal, company: NewCompany, command: str, zone: str
) -> None:
    terminal.run("company", "set", company.id, "--timezone", zone)
    line = command.format(company=company.id, exception=exception_id(terminal, company.id)).split()

    assert terminal.run(*line).err == ""


def test_settings_name_the_time_zone_of_new_companies(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_DEFAULT_TIMEZONE", "America/Phoenix")
    name = f"z-{uuid4().hex[:8]}"

    assert "time zone America/Phoenix" in terminal.run("company", "set", name).out
    monkeypatch.delenv("PAYMENTS_DEFAULT_TIMEZONE")
    assert "time zone America/Phoenix" in terminal.run("company", "set", name).out


def test_health_names_companies_without_a_time_zone_beside_its_output(
    terminal: Terminal, company: NewCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.health_check.check_workers", lambda *_: [])
    health = terminal.run("health", "--format", "json")

    assert {row["name"] for row in json.loads(health.out)} >= {"PostgreSQL", "Redis"}
    warnings = [line for line in health.err.splitlines() if "time zone" in line]  # the engines have their own
    form = r"payments: warning: No time zone was chosen for company \S+; its days .*America/Denver"
    assert re.fullmatch(form, warnings[0])
    assert len(warnings) <= 6
