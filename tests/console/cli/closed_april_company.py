"""A company with a closed month, for tests of the commands that a biller uses."""

from payments.store.db.connection import Database
from tests.builders.committed import Company
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.conftest import Terminal


class ClosedAprilCompany(Company):
    """A company with a Copay of 25.00 in the closed April 2020, and a terminal to run commands."""

    def __init__(self, terminal: Terminal, database: Database) -> None:
        super().__init__(database, "ada")
        self._terminal = terminal
        self.other_ids = self.ids | {"payment_id": "other"}
        self.import_events(
            saved_patient("ada", company_id=self.id), saved_payment(**paid("25.00", "2020-04-08"), **self.ids)
        )
        self.close_month("2020-04")

    def exceptions(self, *arguments: str) -> list[dict[str, object]]:
        """Return the rows of the exceptions report of this company."""
        rows = self._terminal.run("report", "exceptions", *arguments, "--format", "json").rows
        return [row for row in rows if row["company"] == self.id]

    def exception_id(self) -> str:
        """Return the id of the only open exception."""
        (row,) = self.exceptions()
        return str(row["id"])

    def ledger_entries(self) -> list[tuple[str, str, str]]:
        """Return the entries as (amount, method, deposit date)."""
        rows = self._terminal.run(
            "report", "payment-log", "--patient", "ada", "--company", self.id, "--format", "json"
        ).rows
        mine = [row for row in rows if row["payment"].startswith(self.id)]
        return [(row["amount"], row["method"], row["deposit_date"]) for row in mine]
