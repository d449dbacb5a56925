"""Steps in an office that tests of transfers share."""

from payments.contract.money import dollars
from payments.journeys import distributing, transferring
from payments.journeys.transferring import RepaymentTarget, Transfer, TransferDraft, TransferRequest, Undo
from tests.builders.office import BILLER, Office

SISTER = "sister"


def move(
    office: Office,
    source: RepaymentTarget,
    amount: str | None = None,
    *,
    to: str = SISTER,
    key: str = "1",
    **more: object,
) -> Transfer:
    draft = TransferDraft(to, "wrong patient", dollars(amount) if amount else None, **more)
    done = transferring.make(office.tx, TransferRequest(key, draft, source), office.now, BILLER)
    office.run_sweeps()
    return done


def undo(office: Office, transfer_id: int) -> Transfer:
    done = transferring.undo(office.tx, Undo(transfer_id, "it was right"), office.now, BILLER)
    office.run_sweeps()
    return done


def amounts(office: Office, patient: str) -> tuple[str, str]:
    """Return the sum of a patient's entries, and the part that is not applied."""
    (account,) = distributing.show_account(office.tx, patient)
    return str(account.payments_total), str(account.unassigned)
