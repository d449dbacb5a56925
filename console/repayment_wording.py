"""Messages about refunds and returned payments, for commands and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments.journeys.repaying import Repayment

KINDS = {"refund": "Refund", "bounced_check": "Bounced check", "chargeback": "Chargeback"}
"""The kinds of refunds and returned payments, as people read them."""


def requested_message(done: Repayment) -> str:
    """Return the message for a refund that was requested, or a returned payment that was recorded."""
    stored = done.stored
    if done.was_done_before:
        return f"Refund {stored.id} was requested before; nothing was changed."
    name = KINDS[stored.draft.kind]
    amount = f"{stored.draft.amount:,} of patient {stored.place.patient_id}"
    if stored.entry_ref is not None:
        return f"{name} {stored.id}: {amount} posted as entry {stored.entry_ref}."
    return f"{name} {stored.id} requested: {amount}.{_warning(done)}"


def approved_message(done: Repayment) -> str:
    """Return the message for a refund that was approved."""
    return f"Refund {done.stored.id} approved: {done.stored.draft.amount:,}.{_warning(done)}"


def issued_message(done: Repayment) -> str:
    """Return the message for a refund that was issued."""
    stored = done.stored
    amount = f"{-stored.draft.amount:,} {stored.method} with deposit date {stored.deposit_date}"
    return f"Refund {stored.id} issued: posted {amount} as entry {stored.entry_ref}."


def voided_message(done: Repayment) -> str:
    """Return the message for a refund that was voided."""
    stored = done.stored
    if done.was_done_before:
        return f"Refund {stored.id} was voided before; nothing was changed."
    reversed_entry = f" Entry {stored.entry_ref} was reversed." if stored.entry_ref is not None else ""
    return f"Refund {stored.id} voided.{reversed_entry}"


def _warning(done: Repayment) -> str:
    if done.same_in_emr is None:
        return ""
    return f" The EMR has a refund with the same amount: {done.same_in_emr}. Check that it is another one."
