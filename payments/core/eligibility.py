"""Which saved payments belong in Billing: rule D2, in the order in which the office applies it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from payments.contract.event import ChargeType, PaymentSaved
from payments.contract.money import ZERO, sums
from payments.core.line import Line
from payments.core.outcome import Reason


class ClinicSettings(NamedTuple):
    """A clinic's switch and the charge types that flow."""

    integration: bool
    charge_types: frozenset[ChargeType]


SWITCHED_OFF = ClinicSettings(integration=False, charge_types=frozenset())
"""A clinic without settings sends nothing."""


class SettingsChange(NamedTuple):
    """One entry of a clinic's settings history."""

    since: datetime
    settings: ClinicSettings


def in_force(changes: Sequence[SettingsChange], as_of: datetime) -> ClinicSettings:
    """Return the settings in force at a moment, from a history sorted by time.

    The first settings of a clinic also hold for all that was saved before them: they say what the office wants of its
    past, which nobody had been asked about.
    """
    if not changes:
        return SWITCHED_OFF
    for change in reversed(changes):
        if change.since <= as_of:
            return change.settings
    return changes[0].settings


class Ineligible(NamedTuple):
    """The line does not belong in Billing; without a reason it was simply never to be sent."""

    reason: Reason | None


class NeedsReview(NamedTuple):
    """A person has to look at it before anything is posted."""

    detail: str


class Eligible(NamedTuple):
    """The line belongs in Billing with what the patient paid."""


Verdict = Ineligible | NeedsReview | Eligible


def check_eligibility(saved: PaymentSaved, before: Line | None, settings: ClinicSettings) -> Verdict:
    """Judge what the front desk saved against the clinic's settings at the save time (rule D2, rows 5 to 10)."""
    if not saved.paid:
        return Ineligible(None)
    if saved.internal_payment:
        return Ineligible(Reason.INTERNAL_PAYMENT)
    if not stays_eligible(saved, before) and (reason := exclusion_reason(settings, saved.charge_type)):
        return Ineligible(reason)
    if saved.amount_due == ZERO:
        return NeedsReview("Amount Due is 0.00")
    return Eligible()


def exclusion_reason(settings: ClinicSettings, charge_type: str) -> Reason | None:
    """Return why a clinic with these settings sends no payment of this type, None if it sends them."""
    if not settings.integration:
        return Reason.INTEGRATION_OFF
    return None if charge_type in settings.charge_types else Reason.TYPE_NOT_SELECTED


def stays_eligible(saved: PaymentSaved, before: Line | None) -> bool:
    """Say whether money stands in Billing for the line under this charge type, or should by an earlier judgement.

    Without this, unticking a type and then mending a memo would take money out of Billing (rule D2). What stands under
    another type says nothing: the line's own change took it out, even where a closed month still holds it.
    """
    if before is None or before.content is None:
        return False
    return saved.charge_type in types_standing(before) or bool(
        before.outcome.target and before.content.charge_type is saved.charge_type
    )


def types_standing(line: Line) -> set[ChargeType]:
    """Return the charge types under which money stands in Billing for a line."""
    standing = sums((dimensions.charge_type, amount) for amount, dimensions in line.postings)
    return {charge_type for charge_type, amount in standing.items() if amount}
