"""A charge line of an EMR payment as Billing holds it: its newest version, the outcome and its postings (rule D1)."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from payments.contract.event import ChargeType, Method, PaymentSaved
from payments.contract.keys import LineKey
from payments.contract.money import ZERO, Money, total
from payments.core.outcome import Outcome

IMPORT_USER = "Integration Import, Not mapped to a user"
"""The user of each imported entry. The EMR does not send who entered the payment."""


class EntryKind(StrEnum):
    """The origin of a ledger entry: an import, an adjustment, or a manual entry."""

    IMPORT = "import"
    ADJUSTMENT = "adjustment"
    MANUAL = "manual"


class EntryDimensions(NamedTuple):
    """The dimensions by which reports group money. Amounts with equal dimensions can be added up."""

    patient_id: str
    charge_type: ChargeType
    method: Method
    provider_id: str | None
    date_of_service: date | None
    deposit_date: date

    @classmethod
    def of(cls, saved: PaymentSaved) -> "EntryDimensions":
        """Return the dimensions that the EMR's save states. The deposit date is the date of transaction (rule D1)."""
        return cls(
            patient_id=saved.patient_id,
            charge_type=saved.charge_type,
            method=saved.method,
            provider_id=saved.provider_id,
            date_of_service=saved.service_date,
            deposit_date=saved.transaction_date,
        )


class LedgerPosting(NamedTuple):
    """A ledger entry that is proposed or posted: an amount in dollars and its dimensions."""

    amount: Money
    dimensions: EntryDimensions


class Adjustment(NamedTuple):
    """A proposed adjusting entry for a closed month, in dollars. The biller chooses its deposit date (rule D4)."""

    amount: Money
    patient_id: str
    charge_type: ChargeType
    method: Method
    provider_id: str | None
    date_of_service: date | None

    def to_posting(self, day: date) -> LedgerPosting:
        """Return the adjustment as a posting with the deposit date `day`."""
        dimensions = EntryDimensions(
            patient_id=self.patient_id,
            charge_type=self.charge_type,
            method=self.method,
            provider_id=self.provider_id,
            date_of_service=self.date_of_service,
            deposit_date=day,
        )
        return LedgerPosting(self.amount, dimensions)


def effective_postings(postings: Sequence[LedgerPosting]) -> tuple[LedgerPosting, ...]:
    """Return the postings of a line that are not reversed, with their remaining amounts. `postings` are oldest first.

    A posting cancels earlier postings of the opposite sign whose dimensions, except for the deposit date, are the same.
    It cancels postings with the same deposit date first, then the newest ones. In this way an adjustment reverses an
    entry of a closed month (rule D4).
    """
    if not postings:
        return ()
    remaining: dict[EntryDimensions, dict[date, Money]] = {}
    for amount, dimensions in postings:
        by_date = remaining.setdefault(dimensions._replace(deposit_date=date.min), {})
        _add_or_cancel(by_date, dimensions.deposit_date, amount)
    return tuple(
        LedgerPosting(amount, undated._replace(deposit_date=day))
        for undated, by_date in remaining.items()
        for day, amount in by_date.items()
    )


def _add_or_cancel(by_date: dict[date, Money], day: date, amount: Money) -> None:
    """Let `amount` cancel amounts of the opposite sign in `by_date`. Add the remainder to the amount of `day`."""
    for other in [day, *reversed(by_date)] if amount else ():
        opposite = by_date.get(other, ZERO)
        if opposite * amount < ZERO:
            cancelled = min(abs(opposite), abs(amount)).copy_sign(amount)
            amount -= cancelled
            by_date[other] = opposite + cancelled
            if not by_date[other]:
                del by_date[other]
    if amount:
        by_date[day] = by_date.get(day, ZERO) + amount


def nonmonetary_hash(saved: PaymentSaved) -> bytes:
    """Return a hash of the fields that carry no money: date of transaction, case, reference and memo."""
    text = repr((saved.transaction_date.isoformat(), saved.case_id, saved.reference, saved.memo))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


class Line(NamedTuple):
    """A line at its newest version.

    `saved_on` is the save date in the clinic's offset. `content` is the last save in the EMR, None if Billing knows
    only a deletion of the line. `attempts` is the number of evaluations of this version. `postings` are all entries of
    the line, oldest first; `linked_count` of them are manual entries that a user linked to the line. If a linked entry
    has no provider or no date of service, its posting has that of the line. `acknowledged_hash` is the
    `nonmonetary_hash` at the last posting or acknowledgement. `id` is None until the line is stored.
    """

    key: LineKey
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
    acknowledged_hash: bytes | None = None
    id: int | None = None
    linked_count: int = 0

    @property
    def company_id(self) -> str:
        """The company that the line belongs to."""
        return self.key.company_id

    @property
    def posted(self) -> Money:
        """The sum of the line's entries in dollars (P in rule D1)."""
        return total(posting.amount for posting in self.postings)

    @property
    def next_part(self) -> int:
        """The number of the line's next entry. The numbers are consecutive; linked entries have none."""
        return len(self.postings) - self.linked_count + 1

    @property
    def posted_deposit_dates(self) -> set[date]:
        """The deposit dates of the postings that are not reversed."""
        return {posting.dimensions.deposit_date for posting in effective_postings(self.postings)}

    @property
    def transaction_and_deposit_dates(self) -> set[date]:
        """The date of transaction and the posted deposit dates of the line."""
        return self.posted_deposit_dates | ({self.content.transaction_date} if self.content else set())

    @property
    def settings_as_of(self) -> datetime:
        """The moment whose clinic settings apply: the last requeue or, without one, the save (rule D2)."""
        return self.requeued_at or self.saved_at
