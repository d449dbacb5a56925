"""Reports with --as-of repeat their earlier output byte for byte, regardless of later changes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from payments.contract.event import ChargeType, Event
from payments.journeys import configuring, detecting, distributing, importing
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.distributing import FIRST
from payments.store.db.connection import Database, transaction
from tests.console.conftest import Terminal
from tests.make import arrived, charge, deleted, patient, run, saved
from tests.office import paid

REPORTS = {
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
FORMS = ("table", "json", "csv")


class Reader:
    """A new company with one patient, and a terminal that prints its reports."""

    def __init__(self, terminal: Terminal, database: Database) -> None:
        self.company, self.patient = f"a-{uuid4().hex[:8]}", f"ada-{uuid4().hex[:8]}"
        self.here = {"company_id": self.company, "clinic_id": self.company, "patient_id": self.patient}
        self._terminal, self._database = terminal, database
        with transaction(database) as tx:
            update = SettingsUpdate(self.company, self.company, integration=True, charge_types=list(ChargeType))
            configuring.set_clinic(tx, update, now=datetime(2020, 1, 1, tzinfo=UTC), who="user:admin")

    def import_and_sweep(self, *events: Event) -> None:
        """Import events, detect exceptions and distribute."""
        now = datetime.now(UTC)
        with transaction(self._database) as tx:
            importing.import_events(tx, arrived(events), run(now))
            detecting.detect(tx, now, "tests-1", 500)
            distributing.distribute_accounts(tx, FIRST, now.date(), now, 5000)

    def run(self, line: str) -> None:
        result = self._terminal.run(*line.format(company=self.company).split())
        assert (result.status, result.err) == (0, "")

    def report(self, line: str, *as_of: str, forms: Sequence[str] = FORMS) -> list[str]:
        """Return a report in each of the formats."""
        asked = line.format(company=self.company, patient=self.patient).split()
        result = [self._terminal.run("report", *asked, *as_of, "--format", form) for form in forms]
        assert [(each.status, each.err) for each in result] == [(0, "")] * len(forms)
        return [each.out for each in result]


@pytest.fixture
def reader(terminal: Terminal, ledger_database: Database) -> Reader:
    return Reader(terminal, ledger_database)


@pytest.mark.slow
def test_reports_as_of_the_close_never_change(reader: Reader) -> None:
    reader.import_and_sweep(
        patient(reader.patient, company_id=reader.company),
        saved(payment_id="a", **paid("25.00", "2020-04-08"), **reader.here),
        saved(payment_id="b", **paid("40.00", "2020-04-09"), **reader.here),
        saved(payment_id="c", **(paid("9.00", "2020-05-09") | {"amount_due": "0.00"}), **reader.here),
        saved(payment_id="d", **paid("7.00", "2020-05-09"), **(reader.here | {"patient_id": "nobody-knows"})),
        charge("x", "30.00", date_of_service="2020-04-08", **reader.here),
    )
    reader.run("months close {company} 2020-04")
    at_the_close = datetime.now(UTC).isoformat()
    then = {name: reader.report(line) for name, line in REPORTS.items()}

    reader.import_and_sweep(
        deleted(payment_id="a", version=2, **reader.here),
        saved(payment_id="b", version=2, **paid("45.00", "2020-04-09", method="Check"), **reader.here),
        charge("x", "35.00", version=2, date_of_service="2020-04-08", **reader.here),
    )
    reader.run("exceptions accept --all --company {company}")
    reader.import_and_sweep(saved(payment_id="b", version=3, **paid("50.00", "2020-04-09"), **reader.here))

    now = {name: reader.report(line, forms=FORMS[1:2]) for name, line in REPORTS.items()}
    assert {name for name in REPORTS if now[name] == then[name][1:2]} == set()
    for name, line in REPORTS.items():
        assert reader.report(line, "--as-of", at_the_close) == then[name], name


@pytest.mark.parametrize("report", ["claims-feed", "exceptions", "payment-log", "account ada", "balancing"])
def test_invalid_as_of_fails_with_one_line(terminal: Terminal, report: str) -> None:
    result = terminal.run("report", *report.split(), "--as-of", "yesterday")

    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "yesterday is not a time such as 2026-11-02T09:00:00Z" in result.err


def test_account_as_of_an_earlier_time_is_unknown(reader: Reader, terminal: Terminal) -> None:
    before = datetime.now(UTC).isoformat()
    reader.import_and_sweep(patient(reader.patient, company_id=reader.company))

    result = terminal.run("report", "account", reader.patient, "--as-of", before)

    assert (result.status, result.out) == (1, "")
    assert result.err == f"payments: there was no patient {reader.patient} at {before}\n"
