"""Wording of Payment Balancing: render reconciling items and notes as text for users."""

from collections.abc import Iterable
from typing import Final

from payments.core.balancing import BalancingNote, BalancingNoteCode, ReconcilingItem

ITEM_SENTENCES = {
    ReconcilingItem.INTERNAL: "Internal Payments, which stay in the EMR",
    ReconcilingItem.NOT_SENT: "Not Sent: excluded by the clinic's settings, patient not found, or every attempt failed",
    ReconcilingItem.PENDING: "Pending: waiting for the next attempt",
    ReconcilingItem.INVALID: "Validation Failed: the EMR sent invalid data",
    ReconcilingItem.ZERO_DUE: "Exceptions with Amount Due 0.00, not accepted",
    ReconcilingItem.CLOSED_MONTH: "Exceptions of closed months, not accepted",
    ReconcilingItem.PRIOR_PERIOD: "Adjustments posted for this period's payments (not counted as imports)",
    ReconcilingItem.MANUAL: "Manual entries that a biller linked to this period's payments (not counted as imports)",
    ReconcilingItem.DATE_DIFFERENCES: (
        "Payments whose transaction date was changed: only the EMR or only Billing has them in this period"
    ),
}
BALANCING_NOTES = {
    BalancingNoteCode.ONLY_IN_EMR: "only in the EMR",
    BalancingNoteCode.ONLY_IN_BILLING: "only in Billing",
    BalancingNoteCode.WRONG_IN_BILLING: "the amount in Billing does not match the import rules",
    BalancingNoteCode.DIFFERENT: "{label}: EMR {in_emr}, Billing {in_billing}",
}
NOTE_KINDS = {
    BalancingNoteCode.ONLY_IN_EMR: "Only in the EMR",
    BalancingNoteCode.ONLY_IN_BILLING: "Only in Billing",
    BalancingNoteCode.WRONG_IN_BILLING: "Contradicts the import rules",
    BalancingNoteCode.DIFFERENT: "A field differs",
}
"""The name of each kind of difference."""
_FIELD_LABELS: Final = {"day": "Transaction date", "internal_payment": "Internal Payment"}
"""The label of each field of PaymentDetails whose label differs from the field's name."""


def balancing_notes(notes: Iterable[BalancingNote]) -> str:
    """Return all notes on a line of a balance as one text."""
    return "; ".join(
        BALANCING_NOTES[note.code].format(
            label=_FIELD_LABELS.get(note.field) or note.field.replace("_", " ").capitalize(),
            in_emr=_field_value(note.in_emr),
            in_billing=_field_value(note.in_billing),
        )
        for note in notes
    )


def _field_value(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
