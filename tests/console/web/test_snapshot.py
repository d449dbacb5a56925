"""A page reads one snapshot: its queries agree despite concurrent commits."""

from types import ModuleType

import pytest

from payments.store.reports import account, exceptions, payment_log
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.conftest import CommitBeforeCall
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month


@pytest.mark.parametrize(("module", "question"), [(account, "allocations"), (payment_log, "read_page")])
def test_account_totals_match_its_payments_despite_concurrent_imports(
    logged_in: LoggedIn, ledger: ClinicLedger, commit_before_call: CommitBeforeCall, question: str, module: ModuleType
) -> None:
    clinic = f"moment-{question}"

    def import_payment(payment_id: str, amount: str) -> None:
        payment = saved_payment(amount, payment_id=payment_id, clinic_id=clinic, patient_id=clinic)
        ledger.publish(clinic, saved_patient(clinic), payment)

    import_payment("before", "25.00")
    commit_before_call(module, question, lambda: import_payment("then", "7.00"))
    page, after = (logged_in("billing").get("/account", patient=clinic).text for _ in range(2))

    assert (f"{clinic}/then/1" in page, "32.00" in page, f"{clinic}/before/1" in page) == (False, False, True)
    assert (f"{clinic}/then/1" in after, "32.00" in after) == (True, True)


def test_exception_count_matches_the_list_despite_concurrent_detection(
    logged_in: LoggedIn, ledger: ClinicLedger, commit_before_call: CommitBeforeCall
) -> None:
    ledger.set_clinic("moment-edit", company_id="moment-edit")
    commit_before_call(exceptions, "counts", lambda: edit_in_closed_month(ledger, "moment-edit", "moment-edit"))
    page, after = (logged_in("billing").get("/exceptions", clinic="moment-edit").text for _ in range(2))

    assert ("moment-edit/payment/1" in page, "moment-edit/payment/1" in after) == (False, True)
