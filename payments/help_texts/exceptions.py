"""The explanation of each Billing Exception, and how to decide it."""

from payments import wording
from payments.core.finding import FindingReason
from payments.help_texts.text import HelpText

EXCEPTIONS: dict[str, HelpText] = {
    FindingReason.CLOSED_MONTH: HelpText(
        wording.FINDING_REASONS[FindingReason.CLOSED_MONTH],
        "The EMR changed a payment of a closed month.",
        "A payment was added, edited or deleted in the EMR after its month was closed. The closed month keeps its "
        "totals. The proposal is the difference between the EMR and Billing.",
        "Accept it to post the proposal with a deposit date in an open month. Acknowledge it, with a reason, to post "
        "nothing; balancing then keeps showing the difference.",
        "A biller.",
    ),
    FindingReason.ZERO_DUE: HelpText(
        wording.FINDING_REASONS[FindingReason.ZERO_DUE],
        "Money was paid although nothing was due.",
        "The payment's Amount Due is 0.00 and its Amount Paid is not. Nothing is posted until a biller decides.",
        "If the Amount Due is a mistake, correct it in the EMR and save: the exception closes. Otherwise accept it to "
        "post the amount paid, or acknowledge it to post nothing.",
        "A biller, or the front desk.",
    ),
    FindingReason.PATIENT_NOT_FOUND: HelpText(
        wording.FINDING_REASONS[FindingReason.PATIENT_NOT_FOUND],
        "Billing does not know the patient of this payment.",
        "The payment was held, and its patient did not arrive in Billing in time.",
        "Save the patient in the EMR: Billing then imports the payment and closes the exception.",
        "The front desk.",
    ),
    FindingReason.VERSION_CONFLICT: HelpText(
        wording.FINDING_REASONS[FindingReason.VERSION_CONFLICT],
        "The EMR sent two different saves with the same version number.",
        "Billing keeps the save that arrived first, and the other one is refused.",
        "Save the payment again in the EMR. If Billing has the right one, acknowledge the exception.",
        "The front desk, or a biller.",
    ),
}
