"""The explanation of each reason for Not Sent and Validation Failed."""

from payments import wording
from payments.core.outcome import Reason
from payments.help_texts.text import HelpText

REASONS: dict[str, HelpText] = {
    Reason.TYPE_NOT_SELECTED: HelpText(
        wording.REASON_TERMS[Reason.TYPE_NOT_SELECTED],
        wording.REASONS[Reason.TYPE_NOT_SELECTED],
        "The integration was on, and the payment's charge type was not selected when the payment was saved. A payment "
        "that is already in Billing is not affected by a later change of the settings.",
        "If such payments belong in Billing, select the charge type in the clinic's settings, then requeue the "
        "payments that are Not Sent. If they do not belong in Billing, do nothing. Selecting a type does not import "
        "earlier payments automatically.",
        "Support or an administrator changes the settings; a biller requeues.",
    ),
    Reason.INTEGRATION_OFF: HelpText(
        wording.REASON_TERMS[Reason.INTEGRATION_OFF],
        wording.REASONS[Reason.INTEGRATION_OFF],
        "The clinic's integration was off when the payment was saved, or the clinic has no settings.",
        "Switch the integration on in the clinic's settings. A clinic's first settings also apply to everything saved "
        "before. Payments that were already evaluated have to be requeued.",
        "Support or an administrator changes the settings; a biller requeues.",
    ),
    Reason.INTERNAL_PAYMENT: HelpText(
        wording.REASON_TERMS[Reason.INTERNAL_PAYMENT],
        wording.REASONS[Reason.INTERNAL_PAYMENT],
        "The front desk marked the payment as Internal Payment. If it was marked after it was imported, it is removed "
        "from Billing, or becomes an exception if its month is closed.",
        "Nothing. If the mark is a mistake, remove it in the EMR and save: the new version is evaluated. A requeue "
        "alone changes nothing.",
        "The front desk.",
    ),
    Reason.RETRIES_EXHAUSTED: HelpText(
        wording.REASON_TERMS[Reason.RETRIES_EXHAUSTED],
        wording.REASONS[Reason.RETRIES_EXHAUSTED],
        "Billing tried several times to import the payment, or to evaluate it while it was held, and each attempt "
        "failed. The timeline shows each attempt with its error.",
        "Fix the cause of the last error, then requeue the payment.",
        "Support. An operator helps if a service or the database caused the error.",
    ),
    Reason.PATIENT_NOT_FOUND: HelpText(
        wording.REASON_TERMS[Reason.PATIENT_NOT_FOUND],
        wording.REASONS[Reason.PATIENT_NOT_FOUND],
        "The payment was held, and its patient did not arrive in Billing in time. It is also a Billing Exception: "
        "Patient not found.",
        "Make sure that the EMR sends the patient. Billing then imports the payment automatically, even after it "
        "became Not Sent, and closes the exception. If the payment was saved for the wrong patient, correct it in "
        "the EMR.",
        "The front desk; the EMR's integration team if patients do not arrive at all.",
    ),
    Reason.INVALID_EVENT: HelpText(
        wording.REASON_TERMS[Reason.INVALID_EVENT],
        wording.REASONS[Reason.INVALID_EVENT],
        "The event does not match the contract: not JSON, not UTF-8, a missing field, an amount with three decimals, a "
        "date that does not exist, a clinic of another company, more than 65,536 bytes, a missing or invalid "
        "signature, a JSON key that occurs twice in one object. Or the stream entry has the field event several "
        "times or not at all. The detail beside the reason and the timeline name the first wrong field and what was "
        "expected.",
        "Fix the publisher and have the payment saved again; the newer version replaces the row. If the event was "
        "right and Billing was wrong, requeue it after Billing is fixed or has the signing key. A requeue checks the "
        "signature again.",
        "The EMR's integration team.",
    ),
    Reason.VERSION_CONFLICT: HelpText(
        wording.REASON_TERMS[Reason.VERSION_CONFLICT],
        wording.REASONS[Reason.VERSION_CONFLICT],
        "The same line and version, or the same event id, arrived before with different content. Billing keeps the "
        "first one and does not guess which is right. If the line is known, it is also a Billing Exception: Version "
        "conflict.",
        "Save the payment again in the EMR: the new version resolves the conflict. If Billing is right, acknowledge "
        "the exception.",
        "The front desk; the EMR's integration team if it happens often, because versions must grow with every save.",
    ),
    Reason.UNKNOWN_COMPANY: HelpText(
        wording.REASON_TERMS[Reason.UNKNOWN_COMPANY],
        wording.REASONS[Reason.UNKNOWN_COMPANY],
        "This installation accepts events of known companies only, and Billing does not have the company that the "
        "event names. Or the company was retired, has moved to another installation, or is being imported: then the "
        "detail says so. The event is kept whole; it adds no company, clinic, patient or month.",
        "If the id is right, add the company and its clinic, then requeue. If the company was retired and is right "
        "after all, confirm it, then requeue. If it has moved, the event belongs to the new installation. If the id "
        "is a mistake in the EMR, correct it there and save the payment again; the refused event stays on the feed.",
        "An administrator adds the company; the EMR's integration team corrects the id.",
    ),
    Reason.UNKNOWN_CLINIC: HelpText(
        wording.REASON_TERMS[Reason.UNKNOWN_CLINIC],
        wording.REASONS[Reason.UNKNOWN_CLINIC],
        "This installation accepts events of known clinics only. Billing has the company but not this clinic of it, or "
        "the clinic was retired. Patients name no clinic.",
        "If the id is right, add the clinic's settings, then requeue. If the id is a mistake, correct it in the EMR.",
        "An administrator, or the EMR's integration team.",
    ),
}
