"""`payments report account` and `payments distribute`."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from payments.contract.event import Event
from payments.journeys import distributing, reporting
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.store.db.connection import Database, transaction
from payments.store.reports import payment_log_details
from tests.builders.committed import LONG_AGO, Company
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.console.conftest import CommitBeforeCall, Terminal

ACCOUNT_KEYS = "patient payments_total unassigned balance".split()
LOG_KEYS = (
    "payment patient charge_type amount method deposit_date posting_date kind user unassigned company "
    "patient_name clinic reference entry reverses reason"
).split()
RULE_2 = "Rule 2: charges of the payment's date of service"
RULE_3 = "Rule 3: remainder to other dates of service, oldest charge first"
RULE_4 = "Rule 4: held for the company's minimum number of days, then oldest charge first"

ImportFunction = Callable[..., None]


@pytest.fixture
def company(ledger_database: Database) -> Company:
    """A company with one patient. The EMR has not saved the patient yet."""
    return Company(ledger_database)


@pytest.fixture
def patient_ids(company: Company) -> dict[str, str]:
    """The ids of the company, its clinic and its patient, as fields of an event."""
    return company.ids


@pytest.fixture
def import_and_distribute(company: Company) -> ImportFunction:
    """Return a function that imports events and runs the immediate distribution."""

    def import_and_distribute(*events: Event) -> None:
        company.import_events(*events)
        company.distribute_queued()

    import_and_distribute(saved_patient(company.patient_id, company_id=company.id))
    return import_and_distribute


@pytest.fixture
def owing_patient_ids(import_and_distribute: ImportFunction, patient_ids: dict[str, str]) -> dict[str, str]:
    """Import three charges and two payments of the patient, and return the patient's ids."""
    import_and_distribute(
        saved_charge("april", "15.00", date_of_service="2020-04-08", **patient_ids),
        saved_charge("march", "30.00", date_of_service="2020-03-02", **patient_ids),
        saved_charge("may", "60.00", date_of_service="2020-05-04", insurance_open=True, **patient_ids),
        saved_payment(payment_id="visit", **paid("25.00", "2020-04-08"), **patient_ids),
        saved_payment(payment_id="early", **paid("100.00", "2020-05-04"), **patient_ids),
    )
    return patient_ids


def account(terminal: Terminal, patient_ids: dict[str, str]) -> dict[str, object]:
    (row,) = terminal.run("report", "account", patient_ids["patient_id"], "--format", "json").rows
    assert isinstance(row, dict)
    return row


def allocations(terminal: Terminal, patient_ids: dict[str, str], *arguments: str) -> list[tuple[str, str, str]]:
    """Run `payments distribute`, and return the patient's new allocations as (charge, amount, rule)."""
    rows = terminal.run("distribute", *arguments, "--format", "json").rows
    mine = [row for row in rows if row["patient"] == patient_ids["patient_id"]]
    return [(row["charge"].partition("/")[2], row["amount"], row["rule"]) for row in mine]


def test_account_adds_up_despite_concurrent_imports(
    terminal: Terminal,
    owing_patient_ids: dict[str, str],
    import_and_distribute: ImportFunction,
    commit_before_call: CommitBeforeCall,
) -> None:
    more = saved_payment(payment_id="meanwhile", **paid("7.00", "2020-04-08"), **owing_patient_ids)
    commit_before_call(reporting, "payment_log", lambda: import_and_distribute(more))
    row = account(terminal, owing_patient_ids)

    assert isinstance(row["payments"], list)
    assert row["payments_total"] == str(sum(Decimal(each["amount"]) for each in row["payments"])) == "125.00"


def test_expanded_log_adds_up_despite_concurrent_distribution(
    terminal: Terminal, company: Company, owing_patient_ids: dict[str, str], commit_before_call: CommitBeforeCall
) -> None:
    def distribute() -> None:
        with transaction(company.database) as tx:
            distributing.distribute_accounts(tx, BEFORE_FIRST_ACCOUNT, date(2020, 5, 5), company.now(), 5000)

    commit_before_call(payment_log_details, "load_applied_amounts", distribute)
    log = ("report", "payment-log", "--patient", owing_patient_ids["patient_id"], "--expand", "--format", "json")
    rows = terminal.run(*log).rows

    assert [(row["unassigned"], row["applied"]) for row in rows] == [("25.00", []), ("100.00", [])]
    assert [row["unassigned"] for row in terminal.run(*log).rows] == ["0.00", "100.00"]


def test_account_json_has_documented_keys_and_payments(terminal: Terminal, owing_patient_ids: dict[str, str]) -> None:
    row = account(terminal, owing_patient_ids)

    assert list(row)[:4] == ACCOUNT_KEYS
    assert [row[key] for key in ACCOUNT_KEYS] == [owing_patient_ids["patient_id"], "125.00", "125.00", "105.00"]
    payments = row["payments"]
    assert isinstance(payments, list)
    assert [list(payment) for payment in payments] == [LOG_KEYS] * 2
    assert [payment["amount"] for payment in payments] == ["25.00", "100.00"]


def test_patient_id_of_two_companies_has_two_accounts(
    terminal: Terminal, company: Company, owing_patient_ids: dict[str, str]
) -> None:
    allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05")
    theirs = owing_patient_ids | {
        name: f"d-{owing_patient_ids[name]}" for name in ("company_id", "clinic_id")
    }  # sorts after c-
    company.set_clinic(theirs["clinic_id"], company_id=theirs["company_id"], since=LONG_AGO)
    company.import_events(
        saved_patient(theirs["patient_id"], company_id=theirs["company_id"]),
        saved_payment(payment_id="elsewhere", **paid("7.00", "2020-04-08"), **theirs),
    )

    of_patient = ["report", "account", owing_patient_ids["patient_id"], "--format", "json", "--company"]
    ours, others = (terminal.run(*of_patient, each["company_id"]).rows[0] for each in (owing_patient_ids, theirs))

    assert [ours["company"], others["company"]] == [owing_patient_ids["company_id"], theirs["company_id"]]
    assert [each["amount"] for each in ours["payments"]] == ["25.00", "100.00"]
    assert [each["amount"] for each in others["payments"]] == ["7.00"]
    assert ([each["amount"] for each in ours["applied"]], others["applied"]) == (["15.00", "10.00"], [])


def test_account_adds_up_after_distribution(terminal: Terminal, owing_patient_ids: dict[str, str]) -> None:
    allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05")

    row = account(terminal, owing_patient_ids)

    assert [row[key] for key in ACCOUNT_KEYS[1:]] == ["125.00", "100.00", "80.00"]
    payments, applied = row["payments"], row["applied"]
    assert isinstance(payments, list)
    assert isinstance(applied, list)
    assert [payment["unassigned"] for payment in payments] == ["0.00", "100.00"]
    assert sum(Decimal(each["amount"]) for each in applied) == 25


def test_unknown_patient_is_refused(terminal: Terminal) -> None:
    result = terminal.run("report", "account", "nobody-at-all", "--format", "json")

    assert (result.status, result.out) == (1, "")
    assert result.err == "payments: there is no patient nobody-at-all\n"


def test_account_table_fits_the_screen(
    terminal: Terminal, owing_patient_ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05")

    for width in (80, 120, 160):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = terminal.run("report", "account", owing_patient_ids["patient_id"]).out
        assert max(map(len, shown.splitlines())) <= width
        assert all(word in shown for word in ("Unassigned", "balance", "80.00", "2 rows", "2 allocations", "Rule 2"))


def test_distribute_dry_run_changes_nothing(terminal: Terminal, owing_patient_ids: dict[str, str]) -> None:
    before = account(terminal, owing_patient_ids)

    tried = allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05", "--dry-run")

    assert tried == [("april", "15.00", RULE_2), ("march", "10.00", RULE_3)]
    assert account(terminal, owing_patient_ids) == before
    assert allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05") == tried
    assert allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05") == []


def test_distribute_as_of_date_decides_what_is_held(terminal: Terminal, owing_patient_ids: dict[str, str]) -> None:
    allocations(terminal, owing_patient_ids, "--as-of", "2020-05-05")

    assert (
        allocations(terminal, owing_patient_ids, "--as-of", "2020-06-02", "--dry-run") == []
    )  # the 29th day after the deposit
    assert allocations(terminal, owing_patient_ids, "--as-of", "2020-06-03", "--dry-run") == [
        ("march", "20.00", RULE_4)
    ]
    terminal.run("company", "set", owing_patient_ids["company_id"], "--hold-days", "29")
    assert allocations(terminal, owing_patient_ids, "--as-of", "2020-06-02") == [("march", "20.00", RULE_4)]


def test_distribute_names_the_payment_of_each_allocation(terminal: Terminal, owing_patient_ids: dict[str, str]) -> None:
    rows = terminal.run("distribute", "--as-of", "2020-05-05", "--dry-run", "--format", "json").rows

    own = [(row["payment"], row["charge"]) for row in rows if row["company"] == owing_patient_ids["company_id"]]
    clinic = owing_patient_ids["clinic_id"]
    assert own == [(f"{clinic}/visit/1", f"{clinic}/april"), (f"{clinic}/visit/1", f"{clinic}/march")]


def test_distribute_table_fits_80_columns_and_names_the_rule(
    terminal: Terminal, owing_patient_ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    shown = terminal.run("distribute", "--as-of", "2020-05-05", "--dry-run").out

    assert max(map(len, shown.splitlines())) <= 80
    assert " ".join(owing_patient_ids["patient_id"]).replace(" ", "") in shown
    assert "Rule 2" in shown


def test_payment_on_account_is_applied_on_import(
    terminal: Terminal, import_and_distribute: ImportFunction, patient_ids: dict[str, str]
) -> None:
    on_account = {"charge_type": "Payment on Account", "date_of_service": None}
    import_and_distribute(
        saved_charge("new", "15.00", date_of_service="2020-04-08", **patient_ids),
        saved_charge("old", "30.00", date_of_service="2020-03-02", **patient_ids),
        saved_payment(payment_id="poa", **(paid("40.00", "2020-04-09") | on_account), **patient_ids),
    )

    row = account(terminal, patient_ids)
    assert [row[key] for key in ACCOUNT_KEYS[1:]] == ["40.00", "0.00", "5.00"]
    applied = row["applied"]
    assert isinstance(applied, list)
    assert [(each["charge"].partition("/")[2], each["amount"]) for each in applied] == [
        ("old", "30.00"),
        ("new", "10.00"),
    ]
    assert allocations(terminal, patient_ids) == []
