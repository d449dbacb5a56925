"""Only a user of all companies confirms a retired company, or a company that is being imported."""

from uuid import uuid4

import pytest

from payments.core.company_move import MoveState
from payments.core.scope import Scope
from payments.journeys import confirming
from payments.journeys.confirming import ConfirmationError, NamedClinic
from payments.store.db.connection import Transaction
from payments.store.ledger import company_moves
from payments.store.ledger.company_moves import CompanyMove
from tests.builders.events import NOW
from tests.builders.ledger import create_clinic

CLINIC, COMPANY = NamedClinic("company", "clinic"), NamedClinic("company", None)
WHO, OPERATOR, OWN = "user:ann", "user:operator", Scope.of_companies("company")


def retired(tx: Transaction) -> list[str]:
    return [row.kind for row in confirming.list_unconfirmed(tx) if row.retired_by]


@pytest.mark.parametrize("named", [CLINIC, COMPANY])
def test_user_of_a_company_cannot_confirm_a_retired_or_arriving_company(tx: Transaction, named: NamedClinic) -> None:
    create_clinic(tx)
    confirming.retire(tx, COMPANY, NOW, OPERATOR)

    with pytest.raises(ConfirmationError, match="only a user of all companies can confirm it"):
        confirming.confirm(tx, named, NOW, WHO, OWN)
    assert retired(tx) == ["company"]

    confirming.confirm(tx, named, NOW, OPERATOR)
    company_moves.set_move(tx, "company", CompanyMove(MoveState.ARRIVING, uuid4(), NOW, OPERATOR))
    with pytest.raises(ConfirmationError, match="only a user of all companies can confirm it"):
        confirming.confirm(tx, named, NOW, WHO, OWN)
    assert company_moves.load_state(tx, "company") is MoveState.ARRIVING


def test_user_of_a_company_confirms_its_retired_clinic(tx: Transaction) -> None:
    create_clinic(tx)
    confirming.retire(tx, CLINIC, NOW, WHO)

    confirming.confirm(tx, CLINIC, NOW, WHO, OWN)

    assert retired(tx) == []
