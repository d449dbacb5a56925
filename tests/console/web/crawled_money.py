"""Manual entries, refunds, transfers, drawers and deposits for the crawler, and the values of their forms."""

from collections.abc import Sequence
from datetime import UTC, datetime

from payments.access.rights import User
from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.deposit import DepositDraft
from payments.core.drawer import CashCount, DrawerCount
from payments.core.finding import FindingReason
from payments.core.scope import Scope
from payments.journeys import deposits, drawers, manual_entries, repaying, reporting, transferring
from payments.journeys.deposits import DepositReversal, UndepositedFilter
from payments.journeys.drawers import OpeningRequest, Stamp
from payments.journeys.manual_entries import EntryDraft, EntryPurpose, EntryRequest, LinkTarget
from payments.journeys.repaying import RepaymentDraft, RepaymentKind, RepaymentRequest, RepaymentTarget
from payments.journeys.reporting import ExceptionFilter
from payments.journeys.transferring import TransferDraft, TransferRequest
from payments.store.db.connection import Database, transaction

COMPANY = "company"
ODD_PATIENT = 'ada, o\'neil & "sons"/<i>'


def add_manual_entries(database: Database) -> None:
    """Post manual entries of a patient who has an exception of a closed month, request refunds, and move money.

    One of the entries is linked to the exception, and one of the refunds is approved.
    """
    now = datetime.now(UTC)
    with transaction(database) as tx:
        found = [
            each
            for each in reporting.exceptions(tx, ExceptionFilter(reason=FindingReason.CLOSED_MONTH))
            if each.clinic == "north" and each.patient == "patient"
        ]
        for number, target in enumerate((LinkTarget(found[0].id), None, None)):
            draft = EntryDraft(
                EntryPurpose.PAYMENT, dollars("40.00"), Method.CASH, COMPANY, "north", "patient", reference="1021"
            )
            manual_entries.post(tx, EntryRequest(f"seed-{number}", draft, target), now, "user:billing")
        credit = RepaymentTarget(company_id=COMPANY, clinic_id="north", patient_id="patient")
        for number in range(2):
            wanted = RepaymentDraft(RepaymentKind.REFUND, dollars("0.25"), "paid twice", Method.CHECK)
            asked = RepaymentRequest(f"seed-{number}", wanted, credit)
            refund = repaying.request(tx, asked, now, "user:another").stored
        repaying.approve(tx, refund.id, now, "user:billing")
        moved = TransferDraft(ODD_PATIENT, "one family", dollars("20.00"))
        transferring.make(tx, TransferRequest("seed", moved, credit), now, "user:billing")


def add_drawers(database: Database) -> None:
    """Count several drawers, each with a reason, so that billers can close them."""
    now = datetime.now(UTC)
    with transaction(database) as tx:
        for _ in range(3):
            opened = drawers.open_drawer(tx, OpeningRequest("north", COMPANY), now, "user:desk")
            counted = DrawerCount(CashCount(bills_20=1), {}, "the rest is in the safe")
            drawers.count(tx, opened.drawer.id, counted, Stamp(now, "user:desk"))


def add_deposits(database: Database) -> None:
    """Make a deposit and reverse it, make another, and post a manual entry to deposit."""
    now = datetime.now(UTC)
    north = Scope.of_clinic(COMPANY, "north")
    with transaction(database) as tx:
        found = deposits.list_undeposited(tx, UndepositedFilter(scope=north, method=Method.CASH), 10)
        money = [each.id for each in found if each.amount > 0]
        for number, entries in enumerate((money[:1], money[1:2])):
            draft = DepositDraft(f"seed-{number}", "north", Method.CASH, "First Bank 1234", tuple(entries))
            slip = deposits.make(tx, draft._replace(company_id=COMPANY), now, "user:billing")
            if not number:
                deposits.reverse(tx, DepositReversal(slip.deposit.id, "another bank"), now, "user:billing")


def values_of_money_forms(user: User, users: Sequence[User]) -> dict[str, dict[str, str]]:
    """Return the values of the forms that take money from a payment, so that enough is left for the other users.

    `users` are all users, in the order in which they submit the forms.

    Each user moves it to another patient, and less than the users before, because received money may be moved on.
    """
    moved = f"{2 ** (len(users) - users.index(user)) / 100:.2f}"
    return {
        "/refunds": {"amount": "0.01", "fee": ""},
        "/transfers": {"amount": moved, "to": relative_of(user)},
    }


def relative_of(user: User) -> str:
    """Return the patient to whom a user moves money."""
    return f"relative-of-{user.name}"
