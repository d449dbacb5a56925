"""`payments company list`, `confirm` and `retire`, and the same commands of `payments settings` for clinics."""

from payments.contract.event import ChargeType
from tests.builders.committed import CommittedLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.conftest import Terminal


def unconfirmed(terminal: Terminal, company: str) -> list[tuple[str, str, str]]:
    rows = terminal.run(*"company list --unconfirmed --format json".split()).rows
    return [(row["kind"], row["id"], row["retired_by"] or "") for row in rows if row["company"] == company]


def test_mistyped_company_is_retired_and_confirmed_again(terminal: Terminal, billing: CommittedLedger) -> None:
    billing.import_events(saved_payment(company_id="acmee", clinic_id="acmee-north", patient_id="p"))
    assert [kind for kind, *_ in unconfirmed(terminal, "acmee")] == ["company", "clinic", "patient"]

    retired = terminal.run("company", "retire", "acmee")

    message = "Company acmee is retired. Its later events are Not Sent until it is confirmed.\n"
    assert (retired.status, retired.out) == (0, message)
    assert unconfirmed(terminal, "acmee")[0][2].startswith("cli:")
    listed = [row["company"] for row in terminal.run(*"company list --format json".split()).rows]
    assert "acmee" not in listed
    assert terminal.run("settings", "show", "acmee-north").status == 1

    assert terminal.run("company", "confirm", "acmee").out == "Company acmee is confirmed.\n"
    listed = [row["company"] for row in terminal.run(*"company list --format json".split()).rows]
    assert "acmee" in listed


def test_clinic_with_a_payment_in_billing_is_not_retired(terminal: Terminal, billing: CommittedLedger) -> None:
    billing.set_clinic("kept", ChargeType.COPAY)
    billing.import_events(saved_patient("kept-p"), saved_payment(clinic_id="kept", patient_id="kept-p"))

    result = terminal.run(*"settings retire kept --company company".split())

    assert result.status == 1
    assert "clinic kept of company company is not empty: ledger entries: 1; nothing was changed" in result.err


def test_unknown_clinic_is_neither_confirmed_nor_retired(terminal: Terminal, billing: CommittedLedger) -> None:
    for action in ("confirm", "retire"):
        result = terminal.run("settings", action, "nroth", "--company", "company")

        assert (result.status, result.out) == (1, "")
        assert "Billing has no clinic nroth of company company" in result.err
