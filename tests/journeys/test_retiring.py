"""A refused attempt to retire a company or clinic does not block imports."""

from typing import Any

import pytest
from sqlalchemy import text

from payments.core.scope import EVERYTHING, Scope
from payments.journeys import confirming, detecting
from payments.journeys.confirming import ConfirmationError, NamedClinic
from payments.store.db.connection import Transaction
from payments.store.ledger import confirmation
from tests.builders.events import NOW, saved_charge, saved_payment
from tests.builders.ledger import create_clinic, import_chunk

CLINIC, COMPANY = NamedClinic("company", "clinic"), NamedClinic("company", None)
AUDIT_USER = "user:ann"


@pytest.mark.parametrize(
    ("named", "scope"),
    [
        (CLINIC, EVERYTHING),
        (NamedClinic("company", "unknown"), EVERYTHING),
        (NamedClinic("other", "foreign"), Scope.of_companies("company")),
    ],
    ids=["not empty", "unknown", "foreign"],
)
def test_refused_retire_keeps_no_lock_that_blocks_imports(tx: Transaction, named: NamedClinic, scope: Scope) -> None:
    create_clinic(tx)
    import_chunk(tx, saved_payment(), saved_payment(company_id="other", clinic_id="foreign"))
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND mode = :mode"

    with pytest.raises(ConfirmationError):
        confirming.retire(tx, named, NOW, AUDIT_USER, scope)

    assert tx.execute(text(held), {"mode": "ExclusiveLock"}).scalar_one() == 0


@pytest.mark.parametrize(
    "event",
    [
        saved_payment(),
        saved_payment(patient_id="stranger"),
        saved_charge("c", "5.00"),
        saved_payment(amount_due="0.00"),
        None,
    ],
    ids=["posted", "pending", "charge", "exception", "nothing"],
)
@pytest.mark.parametrize("named", [CLINIC, COMPANY], ids=["clinic", "company"])
def test_company_is_empty_if_its_counts_are_zero(tx: Transaction, named: NamedClinic, event: Any) -> None:
    create_clinic(tx)
    import_chunk(tx, *([event] if event else []))
    detecting.detect(tx, NOW, "tests-1", 100)

    assert confirmation.is_empty(tx, named) == (not any(confirmation.count_contents(tx, named))) == (event is None)
