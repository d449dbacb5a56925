"""Eligibility: which saved payments belong in Billing (rule D2, rows 5 to 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments.contract.event import ChargeType, PaymentSaved
from payments.contract.money import ZERO, sum_by_key
from payments.core.line import Line
from payments.core.outcome import Reason


class ClinicSettings(NamedTuple):
    """A clinic's integration switch and its selected charge types."""

    integration: bool
    charge_types: frozenset[ChargeType]


NO_SETTINGS = ClinicSettings(integration=False, charge_types=frozenset())
"""The settings of a clinic that nobody has configured. Such a clinic sends nothing."""


class SettingsChange(NamedTuple):
    """A clinic's settings, and the moment from which they apply."""

    since: datetime
    settings: ClinicSettings


def settings_as_of(changes: Sequence[SettingsChange], as_of: datetime) -> ClinicSettings:
    """Return the settings that applied at `as_of`. `changes` are all changes of the clinic's settings, oldest first.

    A clinic's first settings also apply to payments that were saved earlier (decision 0003).
    """
    if not changes:
        return NO_SETTINGS
    for change in reversed(changes):
        if change.since <= as_of:
            return change.settings
    return changes[0].settings


@dataclass(frozen=True, slots=True)
class Ineligible:
    """The line does not belong in Billing. `reason` is None for a line that is not marked Paid."""

    reason: Reason | None


@dataclass(frozen=True, slots=True)
class NeedsReview:
    """Money was paid although the Amount Due is 0.00: a biller must review the line before anything is posted."""


@dataclass(frozen=True, slots=True)
class Eligible:
    """The line belongs in Billing with the amount paid."""


Verdict = Ineligible | NeedsReview | Eligible


def check_eligibility(saved: PaymentSaved, before: Line | None, settings: ClinicSettings) -> Verdict:
    """Check a saved line against the settings of its clinic (rule D2, rows 5 to 9). The first matching row decides.

    `before` is the line at its previous version, None for a new line. `settings` are the clinic's settings at the time
    of the save or, if the line was requeued later, at the time of the requeue.
    """
    if not saved.paid:
        return Ineligible(None)
    if saved.internal_payment:
        return Ineligible(Reason.INTERNAL_PAYMENT)
    if not stays_eligible(saved, before) and (reason := exclusion_reason(settings, saved.charge_type)):
        return Ineligible(reason)
    if saved.amount_due == ZERO and saved.amount != ZERO:
        return NeedsReview()
    return Eligible()


def exclusion_reason(settings: ClinicSettings, charge_type: str) -> Reason | None:
    """Return why a clinic with these settings does not send a charge type. Returns None if the clinic sends it."""
    if not settings.integration:
        return Reason.INTEGRATION_OFF
    return None if charge_type in settings.charge_types else Reason.TYPE_NOT_SELECTED


def stays_eligible(saved: PaymentSaved, before: Line | None) -> bool:
    """Return whether the line stays eligible under its charge type, regardless of the current settings (rule D2).

    The line stays eligible if Billing holds money for it under this charge type, or if the previous evaluation decided
    that Billing should hold some. So an edit of a memo does not reverse a payment whose charge type was deselected
    meanwhile. If the EMR changes the charge type, money under the earlier type does not count.
    """
    if before is None or before.content is None:
        return False
    return saved.charge_type in posted_charge_types(before) or bool(
        before.outcome.target and before.content.charge_type is saved.charge_type
    )


def posted_charge_types(line: Line) -> set[ChargeType]:
    """Return the charge types under which the line's postings do not add up to 0.00."""
    by_type = sum_by_key((dimensions.charge_type, amount) for amount, dimensions in line.postings)
    return {charge_type for charge_type, amount in by_type.items() if amount}
