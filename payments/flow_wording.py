"""Wording of the payment preview: render the preview of a payment as a sentence and a next step."""

from typing import NamedTuple

from payments import wording
from payments.core.flow_preview import FlowPreview
from payments.core.month import MonthState
from payments.core.outcome import (
    ClosedMonth,
    Held,
    HoldCause,
    NeverSent,
    NothingToPost,
    NotSent,
    Outcome,
    Posted,
    Reason,
    ZeroDue,
)


class FlowAnswer(NamedTuple):
    """The outcome of a payment as a sentence, and the next step. `next_step` is empty if nothing needs to be done."""

    sentence: str
    next_step: str = ""


def flow_answer(preview: FlowPreview) -> FlowAnswer:
    """Return the sentence and the next step that users see for a preview."""
    match preview.outcome:
        case None:
            return FlowAnswer(f"Validation Failed: {preview.error}.", "Correct it before you save the payment.")
        case Held(cause=cause):
            return _held_answer(cause, preview)
        case ClosedMonth():
            return FlowAnswer(_closed_month_answer(preview), _date_step(preview))
        case NotSent(reason):
            return _not_sent_answer(reason, preview)
        case Posted():
            return FlowAnswer(_posted_sentence(preview), "" if preview.patient_id else _KNOWN_PATIENT_STEP)
        case _:
            return _ANSWERS_WITHOUT_POSTING[type(preview.outcome)]


_KNOWN_PATIENT_STEP = "This assumes that the patient is in Billing."
_ANSWERS_WITHOUT_POSTING: dict[type[Outcome], FlowAnswer] = {
    ZeroDue: FlowAnswer(
        "Will be sent, but not posted: the Amount Due is 0.00, so a biller must decide.",
        "If something is due, enter the Amount Due before you save the payment.",
    ),
    NeverSent: FlowAnswer(
        "Will not be sent: the payment is not marked Paid.", "Mark it Paid when the patient has paid."
    ),
    NothingToPost: FlowAnswer("Will be sent. The amount is 0.00, so there is nothing to post."),
}


def _held_answer(cause: HoldCause, preview: FlowPreview) -> FlowAnswer:
    if cause is HoldCause.PATIENT_NOT_FOUND:
        return FlowAnswer(
            f"Will be sent once Billing knows patient {preview.patient_id}. Until then it is Transmission Pending.",
            "Save the patient in the EMR; the payment is then sent automatically.",
        )
    return FlowAnswer(f"Will be sent once {preview.month} is closed.", _date_step(preview))


def _posted_sentence(preview: FlowPreview) -> str:
    posted = f"It is posted with the deposit date {preview.day}"
    if preview.month_state is MonthState.SCHEDULED:
        return f"Will be sent. {posted}, if it is saved today: {preview.month} is scheduled to be closed tonight."
    return f"Will be sent. {posted}."


def _closed_month_answer(preview: FlowPreview) -> str:
    if preview.is_adjusted_automatically:
        return f"Will be sent. {preview.month} is closed, so it is posted automatically with today's deposit date."
    return f"Will be sent. {preview.month} is closed, so a biller must accept an exception before it is posted."


def _date_step(preview: FlowPreview) -> str:
    return f"Check that the date {preview.day} is right."


def _not_sent_answer(reason: Reason, preview: FlowPreview) -> FlowAnswer:
    match reason:
        case Reason.TYPE_NOT_SELECTED:
            return FlowAnswer(
                f"Not Sent: {preview.charge_type} is not selected in the settings of clinic {preview.clinic_id}.",
                "If such payments belong in Billing, ask support to select the charge type before you save it.",
            )
        case Reason.INTEGRATION_OFF:
            return FlowAnswer(
                f"Not Sent: the integration of clinic {preview.clinic_id} is off.",
                "Ask support to switch it on before you save the payment.",
            )
        case Reason.INTERNAL_PAYMENT:
            return FlowAnswer(
                f"Not Sent: {wording.REASONS[reason][:1].lower()}{wording.REASONS[reason][1:]}",
                "If it belongs in Billing, save it without the mark Internal Payment.",
            )
        case _:
            return FlowAnswer(f"Not Sent: {wording.REASONS[reason]}")
