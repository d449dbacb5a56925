"""The explanation of each transmission status."""

from payments.core.outcome import Status
from payments.help_texts.text import HelpText

STATUSES: dict[str, HelpText] = {
    Status.PENDING: HelpText(
        Status.PENDING,
        "The payment waits for its next attempt.",
        "The patient is not in Billing yet, the month is being closed, an attempt failed, or the payment was requeued.",
        "If the payment waits for its patient, save the patient in the EMR. Otherwise do nothing. The payment's "
        "timeline shows when the next attempt is due.",
        "No one, or the front desk.",
    ),
    Status.SUCCESSFUL: HelpText(
        Status.SUCCESSFUL,
        "Billing has received and processed the payment.",
        "This status means that the payment was transmitted, not that its amount is posted. A payment of a closed "
        "month, or with an Amount Due of 0.00, is transmitted and waits as a Billing Exception until a biller decides.",
    ),
    Status.VALIDATION_FAILED: HelpText(
        Status.VALIDATION_FAILED,
        "The EMR sent something that Billing cannot accept.",
        "The event breaks the event contract, or contradicts an earlier event. Nothing is posted. Billing keeps "
        "the event as received, with the first field that is wrong.",
        "Correct the payment in the EMR and save it again. If it happens often, tell the EMR's integration team.",
        "The front desk, or the EMR's integration team.",
    ),
    Status.NOT_SENT: HelpText(
        Status.NOT_SENT,
        "The payment is not in Billing, for the reason beside it.",
        "The clinic's settings leave it out, the EMR never sent its patient, or every attempt failed. It stays on the "
        "Claims Feed until it is saved again or requeued.",
        "Open the help of the reason for the next step.",
    ),
}
