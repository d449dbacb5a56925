"""Reports with --as-of repeat their earlier output byte for byte, even after later changes."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from payments.contract.event import Event
from payments.store.db.connection import Database
from tests.builders.committed import Company
from tests.builders.events import (
    deleted_payment,
    paid,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.console.conftest import Terminal

REPORT_COMMANDS = {
    "claims-feed": "claims-feed --clinic {company}",
    "claims-feed summed": "claims-feed --clinic {company} --summary",
    "exceptions": "exceptions --limit 0",
    "all exceptions": "exceptions --status all --limit 0",
    "payment-log": "payment-log --patient {patient}",
    "payment-log of April": "payment-log --patient {patient} --from 2020-04-01 --to 2020-04-30",
    "payment-log expanded": "payment-log --patient {patient} --expand",
    "payment-log summed": "payment-log --patient {patient} --group-by method",
    "account": "account {patient}",
    "balancing": "balancing --clinic {company}",
    "balancing of April": "balancing --clinic {company} --from 2020-04-01 --to 2020-04-30",
    "balancing by line": "balancing --clinic {company} --lines",
}
OUTPUT_FORMATS = ("table", "json", "csv")


class CompanyWithReports(Company):
    """A company with one patient, and a terminal that prints the company's reports."""

    def __init__(self, terminal: Terminal, database: Database) -> None:
        super().__init__(database)
        self._terminal = terminal

    def publish(self, *events: Event | bytes) -> None:
        super().publish(*events)
        self.distribute()

    def run(self, line: str) -> None:
        result = self._terminal.run(*line.format(company=self.id).split())
        assert (result.status, result.err) == (0, "")

    def report(self, line: str, *as_of: str, forms: Sequence[str] = OUTPUT_FORMATS) -> list[str]:
        """Return the output of a report command in each format of `forms`."""
        asked = line.format(company=self.id, patient=self.patient_id).split()
        result = [self._terminal.run("report", *asked, *as_of, "--format", form) for form in forms]
        assert [(each.status, each.err) for each in result] == [(0, "")] * len(forms)
        return [each.out for each in result]


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> CompanyWithReports:
    return CompanyWithReports(terminal, ledger_database)


@pytest.mark.slow
def test_reports_as_of_the_close_of_a_month_never_change(company: CompanyWithReports) -> None:
    company.publish(
        saved_patient(company.patient_id, company_id=company.id),
        saved_payment(payment_id="a", **paid("25.00", "2020-04-08"), **company.ids),
        saved_payment(payment_id="b", **paid("40.00", "2020-04-09"), **company.ids),
        saved_payment(payment_id="c", **(paid("9.00", "2020-05-09") | {"amount_due": "0.00"}), **company.ids),
        saved_payment(payment_id="d", **paid("7.00", "2020-05-09"), **(company.ids | {"patient_id": "nobody-knows"})),
        saved_charge("x", "30.00", date_of_service="2020-04-08", **company.ids),
    )
    company.run("months close {company} 2020-04")
    at_the_close = datetime.now(UTC).isoformat()
    then = {name: company.report(line) for name, line in REPORT_COMMANDS.items()}

    company.publish(
        deleted_payment(payment_id="a", version=2, **company.ids),
        saved_payment(payment_id="b", version=2, **paid("45.00", "2020-04-09", method="Check"), **company.ids),
        saved_charge("x", "35.00", version=2, date_of_service="2020-04-08", **company.ids),
    )
    company.run("exceptions accept --all --company {company}")
    company.publish(saved_payment(payment_id="b", version=3, **paid("50.00", "2020-04-09"), **company.ids))

    now = {name: company.report(line, forms=OUTPUT_FORMATS[1:2]) for name, line in REPORT_COMMANDS.items()}
    assert {name for name in REPORT_COMMANDS if now[name] == then[name][1:2]} == set()
    for name, line in REPORT_COMMANDS.items():
        assert company.report(line, "--as-of", at_the_close) == then[name], name


@pytest.mark.parametrize("report", ["claims-feed", "exceptions", "payment-log", "account ada", "balancing"])
def test_invalid_as_of_fails_with_one_line(terminal: Terminal, report: str) -> None:
    result = terminal.run("report", *report.split(), "--as-of", "yesterday")

    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "'yesterday' is not a time such as 2026-11-02T09:00:00Z" in result.err


def test_account_as_of_an_earlier_time_is_unknown(company: CompanyWithReports, terminal: Terminal) -> None:
    before = datetime.now(UTC).isoformat()
    company.publish(saved_patient(company.patient_id, company_id=company.id))

    result = terminal.run("report", "account", company.patient_id, "--as-of", before)

    assert (result.status, result.out) == (1, "")
    assert result.err == f"payments: there was no patient {company.patient_id} at {before}\n"
