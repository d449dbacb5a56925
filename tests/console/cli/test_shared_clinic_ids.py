"""Two companies have the same clinic id. In a report of both, printed keys begin with the company."""

import io
import json
from datetime import date
from functools import partial

import pytest

from payments.access import authentication
from payments.store.db.connection import transaction
from tests.builders.committed import CommittedLedger
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.conftest import CHEAP, CommandResult, Terminal

CLINIC, PATIENT, COMPANIES = "same", "pat-same", ("left", "right")
DAY = "2026-06-05"


@pytest.fixture(autouse=True)
def _two_companies(billing: CommittedLedger) -> None:
    """Two companies with the same ids.

    Each has a payment, a refund of an unknown payment, and a payment with nothing due.
    """
    for company, amount in zip(COMPANIES, ("25.00", "35.00"), strict=True):
        ids = {"company_id": company, "clinic_id": CLINIC, "patient_id": PATIENT}
        with transaction(billing.database) as tx:
            office = Office(tx, date(2026, 6, 10), company, CLINIC)
            office.publish(
                saved_patient(PATIENT, company_id=company),
                saved_charge("visit", "10.00", date_of_service=DAY, **ids),
                saved_payment(payment_id="paid", **paid(amount, DAY), **ids),
                saved_payment(payment_id="free", **paid(amount, DAY, amount_due="0.00"), **ids),
                saved_payment("-5.00", payment_id="back", refund_of=f"{CLINIC}/lost/1", **ids),
            )
            office.distribute_all()


def companies_before_keys(output: str, payment: str) -> set[str]:
    """Return the company prefixes of the printed keys of a payment. A key without a company has an empty prefix."""
    names = output.replace('"', " ").replace(",", " ").split()
    return {name.removesuffix(f"{CLINIC}/{payment}/1") for name in names if name.endswith(f"{CLINIC}/{payment}/1")}


PAYMENT_AND_REPORT = {
    "claims feed": ("paid", "report claims-feed"),
    "claims feed as of a time": ("paid", "report claims-feed --as-of 2099-01-01T00:00"),
    "payment log": ("paid", "report payment-log"),
    "expanded payment log": ("paid", "report payment-log --expand"),
    "exceptions": ("free", "report exceptions"),
    "balancing": ("free", "report balancing"),
}


@pytest.mark.parametrize(("payment", "report"), PAYMENT_AND_REPORT.values(), ids=PAYMENT_AND_REPORT)
def test_key_begins_with_its_company_only_if_the_report_covers_both(
    terminal: Terminal, payment: str, report: str
) -> None:
    def printed(*more: str) -> set[str]:
        result = terminal.run(*report.split(), *more, "--format", "json")
        return companies_before_keys(json.dumps(result.rows), payment)

    assert printed() == {"left:", "right:"}
    assert printed("--clinic", CLINIC, "--company", "left") == {""}
    assert printed("--company", "right") == {""}


def test_log_by_clinic_has_a_row_for_each_company(terminal: Terminal) -> None:
    def totals(*more: str) -> dict[str, str]:
        rows = terminal.run(*"report payment-log --group-by clinic --format json".split(), *more).rows
        return {row["clinic"]: row["total"] for row in rows if row["clinic"].endswith(CLINIC)}

    assert totals() == {"left:same": "20.00", "right:same": "30.00"}
    assert totals("--company", "right") == {"same": "30.00"}


VALUE_AND_SUBJECT = {
    "--clinic": (CLINIC, f"clinic {CLINIC}"),
    "--patient": (PATIENT, f"patient {PATIENT}"),
}


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("report claims-feed", "--clinic"),
        ("report claims-feed --summary", "--clinic"),
        ("report exceptions", "--clinic"),
        ("report exceptions", "--patient"),
        ("report payment-log", "--clinic"),
        ("report payment-log --group-by method", "--patient"),
        ("report balancing", "--clinic"),
        ("requeue --status not-sent --yes", "--clinic"),
    ],
)
def test_id_that_two_companies_share_needs_the_company(terminal: Terminal, command: str, option: str) -> None:
    chosen, subject = VALUE_AND_SUBJECT[option]

    refused = terminal.run(*command.split(), option, chosen)
    accepted = terminal.run(*command.split(), option, chosen, "--company", "left")

    assert refused.status == 1
    assert f"{subject} exists in several companies: left, right; choose one with --company" in refused.err
    assert accepted.status == 0


def output_of(result: CommandResult) -> str:
    """Return the output of a successful command."""
    assert result.status == 0
    return result.out


def test_distribution_prints_the_companies_of_shared_clinic_ids(terminal: Terminal, billing: CommittedLedger) -> None:
    for company in COMPANIES:
        charge = saved_charge("later", "3.00", company_id=company, clinic_id=CLINIC, patient_id=PATIENT)
        billing.import_events(charge)
    distribute = ("distribute", "--dry-run", "--format", "csv")

    assert companies_before_keys(output_of(terminal.run(*distribute)), "paid") == {"left:", "right:"}
    assert companies_before_keys(output_of(terminal.run(*distribute, "--company", "left")), "paid") == {""}


def test_account_prints_keys_of_its_company(terminal: Terminal) -> None:
    (account,) = terminal.run(*f"report account {PATIENT} --company right --format json".split()).rows

    assert {each["payment"] for each in account["payments"]} >= {f"{CLINIC}/paid/1", f"{CLINIC}/back/1"}
    assert {each["company"] for each in account["payments"]} == {"right"}
    assert [each["payment"] for each in account["refunds_to_check"]] == [f"{CLINIC}/back/1"]


def test_decision_on_a_shared_key_prints_its_company(terminal: Terminal) -> None:
    (exception,) = terminal.run(*"report exceptions --company left --format json".split()).rows
    accept = ("exceptions", "accept", str(exception["id"]), "--dry-run")
    acknowledge = ("exceptions", "acknowledge", str(exception["id"]), "--reason", "x", "--dry-run")

    for decision in (accept, acknowledge):
        assert f" left:{CLINIC}/free/1" in output_of(terminal.run(*decision))
    everything = terminal.run(*"exceptions accept --all --company left --dry-run".split())
    assert f" {CLINIC}/free/1" in output_of(everything)


def test_commands_accept_a_printed_key_with_its_company(terminal: Terminal) -> None:
    key = f"right:{CLINIC}/free/1"

    rows = terminal.run("timeline", key, "--format", "json").rows
    assert {row["company"] for row in rows} == {"right"}
    assert output_of(terminal.run("requeue", key)).startswith(f"{key}: skipped (already imported)\n")
    for name in (key, f"right:{CLINIC}/free"):
        found = terminal.run("report", "claims-feed", "--find", name, "--format", "json").rows
        assert [(row["company"], row["payment"]) for row in found] == [("right", key)]


def test_user_is_limited_to_the_clinic_of_one_company(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "NewPassword", partial(authentication.NewPassword, cost=CHEAP))
    add = "users add pair --role billing --company left --company right --password-stdin --clinic".split()

    def run(clinic: str) -> CommandResult:
        monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
        return terminal.run(*add, clinic)

    assert "left, right each have a clinic same; write left:same, for example" in run("same").err
    assert run("right:same").out == "User pair added with role billing for clinics right:same of left, right.\n"
    (row,) = [row for row in terminal.run(*"users list --format json".split()).rows if row["name"] == "pair"]
    assert (row["companies"], row["clinics"]) == (["left", "right"], ["right:same"])
    listed = terminal.run(*"users list --company right --format json".split()).rows
    assert "pair" in [each["name"] for each in listed]
    assert "pair" not in [each["name"] for each in terminal.run(*"users list --company x --format json".split()).rows]
