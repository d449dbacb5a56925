"""If several companies have the same payment key, clinic or patient, the option --company chooses one of them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.store.db.connection import transaction
from tests.builders.committed import CommittedLedger
from tests.builders.events import event_body, paid, payment_fields, saved_patient, saved_payment
from tests.console.conftest import CommandResult, Terminal

KEY, TWIN = "shared/payment/1", "twin"
AMBIGUITY_ERROR = "exists in several companies: alpha, beta; choose one with --company\n"


def error_of(result: CommandResult) -> str:
    """Return the error of a command that failed."""
    assert (result.status, result.out) == (1, "")
    return result.err


@pytest.fixture(autouse=True)
def _two_companies(billing: CommittedLedger) -> Iterator[None]:
    """Two companies with one patient id, and an invalid event of each with the same key."""
    for company, clinic, amount in (("alpha", "alpha-1", "25.00"), ("beta", "beta-1", "35.00")):
        billing.set_clinic(clinic, company_id=company)
        ids = {"company_id": company, "patient_id": TWIN}
        invalid = payment_fields(clinic_id="shared", method="wrong", **ids)
        billing.import_events(
            saved_patient(TWIN, company_id=company),
            saved_payment(clinic_id=clinic, **ids, **paid(amount, "2026-06-05")),
            event_body(invalid),
        )
    yield
    with transaction(billing.database) as tx:  # other tests list all invalid events
        tx.execute(text("UPDATE set_aside SET closed_at = now() WHERE company_id IN ('alpha', 'beta')"))


def test_timeline_of_a_key_of_two_companies_requires_the_option_company(terminal: Terminal) -> None:
    assert error_of(terminal.run("timeline", KEY)) == f"payments: payment {KEY} {AMBIGUITY_ERROR}"

    for chosen in ([KEY, "--company", "beta"], [f"beta:{KEY}"]):
        assert len(terminal.run("timeline", *chosen, "--format", "json").rows) == 1


def test_requeue_of_a_key_of_two_companies_requires_the_option_company(terminal: Terminal) -> None:
    assert error_of(terminal.run("requeue", KEY)) == f"payments: payment {KEY} {AMBIGUITY_ERROR}"

    assert terminal.run("requeue", KEY, "--company", "alpha").out == "1 payment requeued\n"
    assert terminal.run("requeue", f"beta:{KEY}").out == "1 payment requeued\n"
    assert "there is no payment" in error_of(terminal.run("requeue", KEY, "--company", "gamma"))


def test_account_of_a_patient_of_two_companies_requires_the_option_company(terminal: Terminal) -> None:
    assert error_of(terminal.run("report", "account", TWIN)) == f"payments: patient {TWIN} {AMBIGUITY_ERROR}"

    (account,) = terminal.run("report", "account", TWIN, "--company", "beta", "--format", "json").rows
    assert (account["company"], account["payments_total"]) == ("beta", "35.00")


def test_settings_show_with_a_company_lists_only_its_clinics(terminal: Terminal) -> None:
    rows = terminal.run("settings", "show", "--company", "alpha", "--format", "json").rows

    assert [row["clinic"] for row in rows] == ["alpha-1"]
    assert "there is no clinic" in error_of(terminal.run("settings", "show", "alpha-1", "--company", "beta"))


@pytest.mark.parametrize("report", ["claims-feed", "payment-log", "exceptions", "balancing"])
def test_report_with_a_company_has_only_its_payments(terminal: Terminal, report: str) -> None:
    found = terminal.run("report", report, "--company", "beta", "--format", "json").rows

    if report == "balancing":
        assert [found[each] for each in ("emr_total", "billing_total", "invalid")] == ["60.00", "35.00", "25.00"]
    else:
        assert {row["payment"] for row in found} == {
            "claims-feed": {KEY, "beta-1/payment/1"},
            "payment-log": {"beta-1/payment/1"},
            "exceptions": set(),
        }[report]


def test_claims_feed_names_the_company_of_each_payment(terminal: Terminal) -> None:
    rows = terminal.run("report", "claims-feed", "--format", "json").rows

    assert {row["company"] for row in rows if row["patient"] == TWIN} == {"alpha", "beta"}


def test_history_of_a_clinic_of_two_companies_requires_the_option_company(
    terminal: Terminal, billing: CommittedLedger
) -> None:
    for company, kind in (("delta", ChargeType.COPAY), ("eta", ChargeType.OTHER)):
        billing.set_clinic("both", kind, company_id=company)
    history = ("settings", "history", "both")

    assert error_of(terminal.run(*history)) == f"payments: clinic both {AMBIGUITY_ERROR}".replace(
        "alpha, beta", "delta, eta"
    )
    (change,) = terminal.run(*history, "--company", "eta", "--format", "json").rows
    assert [change[name] for name in ("company", "clinic", "integration", "types", "set_by")] == [
        *("eta", "both", "on", ["Other"], "user:admin")
    ]
    assert "there is no clinic" in error_of(terminal.run(*history, "--company", "gamma"))
