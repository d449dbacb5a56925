"""One charge line of an EMR payment as Billing holds it: its newest version, what became of it, what was posted."""

import hashlib
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from payments.contract.event import ChargeType, LineKey, Method, PaymentSaved
from payments.contract.money import Money, sums, total
from payments.core.outcome import Outcome

IMPORT_USER = "Integration Import, Not mapped to a user"
"""The user of every imported entry: who entered the payment does not cross."""


class EntryKind(StrEnum):
    """How an entry came into the ledger."""

    IMPORT = "import"
    ADJUSTMENT = "adjustment"
    MANUAL = "manual"


class EntryDimensions(NamedTuple):
    """All that a report breaks money down by: two amounts with the same bearing simply add up."""

    patient_id: str
    charge_type: ChargeType
    method: Method
    provider_id: str | None
    date_of_service: date | None
    deposit_date: date

    @classmethod
    def of(cls, saved: PaymentSaved) -> "EntryDimensions":
        """Return where the EMR says this money belongs; the deposit date is the date of transaction (rule D1)."""
        return cls(
            saved.patient_id,
            saved.charge_type,
            saved.method,
            saved.provider_id,
            saved.service_date,
            saved.transaction_date,
        )


class LedgerPosting(NamedTuple):
    """An amount in dollars and where it belongs."""

    amount: Money
    dimensions: EntryDimensions


class Adjustment(NamedTuple):
    """An amount in dollars that puts a closed month right; the deposit date is chosen when it is accepted."""

    amount: Money
    patient_id: str
    charge_type: ChargeType
    method: Method
    provider_id: str | None
    date_of_service: date | None

    def deposited_on(self, day: date) -> LedgerPosting:
        """Return the posting that it becomes with a deposit date."""
        amount, patient_id, charge_type, method, provider_id, date_of_service = self
        return LedgerPosting(
            amount, EntryDimensions(patient_id, charge_type, method, provider_id, date_of_service, day)
        )


def nonmonetary_hash(saved: PaymentSaved) -> bytes:
    """Return a fingerprint of what carries no money: the date, the case, the check number and the memo."""
    text = repr((saved.transaction_date.isoformat(), saved.case_id, saved.reference, saved.memo))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


class Line(NamedTuple):
    """A line at its newest version.

    `saved_on` is the clinic's own day of the save; `content` is what the EMR last saved, None for a line that is known
    by its deletion alone; `postings` is all that stands in the ledger for it, oldest first;
    `settled_notes` are the notes (see `nonmonetary_hash`) that Billing agreed with last.
    """

    key: LineKey
    company_id: str
    patient_id: str
    version: int
    deleted: bool
    saved_at: datetime
    saved_on: date
    content_hash: bytes
    content: PaymentSaved | None
    outcome: Outcome
    attempts: int = 0
    requeued_at: datetime | None = None
    postings: tuple[LedgerPosting, ...] = ()
    settled_notes: bytes | None = None
    id: int | None = None

    @property
    def posted(self) -> Money:
        """What stands in Billing for this line (P of rule D1)."""
        return total(posting.amount for posting in self.postings)

    @property
    def posted_deposit_dates(self) -> set[date]:
        """The deposit dates of the money that stands for this line; not one from which it was taken out again."""
        if not self.posted:
            return set()
        standing = sums((posting.dimensions, posting.amount) for posting in self.postings)
        return {dimensions.deposit_date for dimensions, amount in standing.items() if amount}

    @property
    def days(self) -> set[date]:
        """The date of transaction, and the deposit dates of the money that stands for this line."""
        return self.posted_deposit_dates | ({self.content.transaction_date} if self.content else set())

    @property
    def settings_as_of(self) -> datetime:
        """The moment whose clinic settings count: the save, or the requeue if there was one since."""
        return self.requeued_at or self.saved_at
