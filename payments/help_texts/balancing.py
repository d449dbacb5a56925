"""The explanation of each term of Payment Balancing."""

from payments.balancing_wording import ITEM_SENTENCES
from payments.core.balancing import ReconcilingItem
from payments.help_texts.text import HelpText

EMR_TOTAL, BILLING_TOTAL, UNEXPLAINED = "emr_total", "billing_total", "unexplained"
BALANCING: dict[str, HelpText] = {
    EMR_TOTAL: HelpText(
        "EMR, by transaction date",
        "What the front desk took, according to the EMR.",
        "The newest saved amount of each payment whose transaction date is in the period. If the EMR's Payment Log is "
        "compared, the amounts in that file.",
    ),
    BILLING_TOTAL: HelpText(
        "Billing, imports by deposit date",
        "What was imported into Billing.",
        "The imported entries whose deposit date is in the period. An import has the date of its payment, no matter on "
        "which day it ran. Adjustments that a biller posted are not counted: they belong to the months of their "
        "payments.",
    ),
    ReconcilingItem.INTERNAL: HelpText(
        "Internal Payments",
        ITEM_SENTENCES[ReconcilingItem.INTERNAL],
        "The front desk marked these payments as Internal Payment.",
    ),
    ReconcilingItem.NOT_SENT: HelpText(
        "Not Sent",
        ITEM_SENTENCES[ReconcilingItem.NOT_SENT],
        "Payments that are Not Sent, without Internal Payments.",
        "Open the payments: each has its reason.",
        "Support, or a biller.",
    ),
    ReconcilingItem.PENDING: HelpText(
        "Pending",
        ITEM_SENTENCES[ReconcilingItem.PENDING],
        "Payments whose patient is not in Billing yet, whose month is being closed, or that wait after an error.",
    ),
    ReconcilingItem.INVALID: HelpText(
        "Validation Failed",
        ITEM_SENTENCES[ReconcilingItem.INVALID],
        "Billing rejected the newest version of these payments. If it holds an earlier version, the item is the change "
        "that the rejected version makes.",
        "Correct the payment in the EMR and save it again.",
        "The front desk, or the EMR's integration team.",
    ),
    ReconcilingItem.ZERO_DUE: HelpText(
        "Amount Due is 0.00",
        ITEM_SENTENCES[ReconcilingItem.ZERO_DUE],
        "Money was paid although nothing was due. Nothing is posted until a biller decides.",
        "Accept or acknowledge the exception.",
        "A biller.",
    ),
    ReconcilingItem.CLOSED_MONTH: HelpText(
        "Closed month",
        ITEM_SENTENCES[ReconcilingItem.CLOSED_MONTH],
        "The difference between the EMR and what is posted, for payments that changed after their month was closed. It "
        "is negative if Billing still has money that the EMR no longer has. An acknowledged exception stays in this "
        "item.",
        "Accept the exception to post the difference.",
        "A biller.",
    ),
    ReconcilingItem.PRIOR_PERIOD: HelpText(
        "Adjustments",
        ITEM_SENTENCES[ReconcilingItem.PRIOR_PERIOD],
        "Entries that a biller or the company's policy posted for payments of this period. Balancing counts imports, "
        "so they are subtracted here.",
    ),
    ReconcilingItem.MANUAL: HelpText(
        "Posted by hand",
        ITEM_SENTENCES[ReconcilingItem.MANUAL],
        "A biller had posted the payment by hand, and linked the entry to its exception. Balancing counts imports, so "
        "the entry is subtracted here. Manual entries that belong to no payment do not come from the EMR: "
        "the sum of all manual entries is shown apart.",
    ),
    ReconcilingItem.DATE_DIFFERENCES: HelpText(
        "Date differences",
        ITEM_SENTENCES[ReconcilingItem.DATE_DIFFERENCES],
        "It is positive if only the EMR has the money in this period, and negative if only Billing has it.",
    ),
    UNEXPLAINED: HelpText(
        "Unexplained",
        "The difference that no item explains; 0.00 unless something is wrong.",
        "Each item is computed from its own payments, not as a remainder. So an unexplained amount means that an "
        "event was lost, or that Billing has an amount that the import rules do not give.",
        "Open the payment's timeline and compare it with the EMR. If the EMR has a payment that Billing lacks, save it "
        "again in the EMR. Otherwise report the difference to support.",
        "A biller, then support.",
    ),
}
