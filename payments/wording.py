"""Wording: render stored codes as text for users. It decides nothing.

A text that is not a known code is returned unchanged. It is the message of a technical error, or a sentence that was
stored before migration 0014.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from payments.core.account import AllocationRule
from payments.core.finding import FindingNote, FindingReason
from payments.core.history import HistoryCode, NoEffectCause
from payments.core.outcome import ClosedCase, HoldCause, Reason
from payments.core.refund import RefundProblem

REASON_TERMS = {
    Reason.TYPE_NOT_SELECTED: "Charge type not selected",
    Reason.INTEGRATION_OFF: "Integration off",
    Reason.INTERNAL_PAYMENT: "Internal Payment",
    Reason.RETRIES_EXHAUSTED: "Every attempt failed",
    Reason.PATIENT_NOT_FOUND: "Patient not found",
    Reason.INVALID_EVENT: "Invalid event",
    Reason.VERSION_CONFLICT: "Version conflict",
    Reason.UNKNOWN_COMPANY: "Unknown company",
    Reason.UNKNOWN_CLINIC: "Unknown clinic",
}
"""The term of each reason. Columns, filters and the help show it."""
REASONS = {
    Reason.TYPE_NOT_SELECTED: (
        "This charge type was not selected when the payment was saved. Change the clinic settings, then requeue."
    ),
    Reason.INTEGRATION_OFF: (
        "The integration was off when the payment was saved. Change the clinic settings, then requeue."
    ),
    Reason.INTERNAL_PAYMENT: "An Internal Payment stays in the EMR.",
    Reason.RETRIES_EXHAUSTED: "Every import attempt failed. Ask support to find the cause and requeue the payment.",
    Reason.PATIENT_NOT_FOUND: (
        "The patient is not known to Billing. Save the patient in the EMR; the payment is then sent automatically."
    ),
    Reason.INVALID_EVENT: "The EMR sent invalid data. Correct the payment in the EMR and save it again.",
    Reason.VERSION_CONFLICT: (
        "The EMR sent two different saves with the same version number. Save the payment again in the EMR."
    ),
    Reason.UNKNOWN_COMPANY: "This company is not set up in Billing. Ask an administrator to add it, then requeue.",
    Reason.UNKNOWN_CLINIC: (
        "This clinic is not set up in Billing for the company. Ask an administrator to add it, then requeue."
    ),
}
CLOSED_CASES = {case: f"Payment {case} when month is closed" for case in ClosedCase}
FINDING_REASONS = {
    FindingReason.CLOSED_MONTH: "Payment added/edited/deleted when month is closed",
    FindingReason.ZERO_DUE: "Amount Due is 0.00",
    FindingReason.PATIENT_NOT_FOUND: "Patient not found",
    FindingReason.VERSION_CONFLICT: "Version conflict",
}
HOLD_CAUSES = {
    HoldCause.PATIENT_NOT_FOUND: REASONS[Reason.PATIENT_NOT_FOUND],
    HoldCause.MONTH_CLOSING: "The month is being closed.",
    HoldCause.REQUEUED: "Requeued",
}
ALLOCATION_RULES = {
    AllocationRule.CHARGE_LOWERED: "Unassigned again: charge reduced",
    AllocationRule.PAYMENT_LOWERED: "Unassigned again: payment reduced",
    AllocationRule.NEGATIVE_ENTRY: "Unassigned again: negative manual entry",
    AllocationRule.REFUNDED: "Unassigned again: payment refunded",
    AllocationRule.ON_ACCOUNT: "Payment on Account: immediately, oldest date of service first",
    AllocationRule.NO_DATE: "Rule 1: no date of service, oldest charge first",
    AllocationRule.OWN_DATE: "Rule 2: charges of the payment's date of service",
    AllocationRule.MORE_THAN_OWN_DATE: "Rule 3: remainder to other dates of service, oldest charge first",
    AllocationRule.AFTER_HOLD: "Rule 4: held for the company's minimum number of days, then oldest charge first",
}
REFUND_PROBLEMS = {
    RefundProblem.NOT_FOUND: "The refunded payment is not on this account.",
    RefundProblem.ABOVE_PAYMENT: "More was refunded than was paid.",
}
FINDING_NOTES = {
    FindingNote.LATE_ARRIVAL: "Late arrival: saved before {0} was closed",
    FindingNote.NOTHING_TO_POST: "Only the date or a note differs; nothing to post",
}
HISTORY_CODES = {
    HistoryCode.RECEIVED: "Received",
    HistoryCode.IMPORTED: "Imported",
    HistoryCode.UPDATED: "Updated",
    HistoryCode.REMOVED: "Removed",
    HistoryCode.REMOVED_NOT_SENT: "Removed, Not Sent",
    HistoryCode.HELD: "Held",
    HistoryCode.EXCEPTION: "Billing Exception",
    HistoryCode.NOT_SENT: "Not Sent",
    HistoryCode.VALIDATION_FAILED: "Validation Failed",
    HistoryCode.SUCCESSFUL: "Transmission Successful",
    HistoryCode.NEVER_SENT: "Not marked Paid",
    HistoryCode.FAILED: "Attempt failed",
    HistoryCode.RESUBMITTED: "Requeued",
    HistoryCode.DEAD_LETTER_RESUBMITTED: "Requeued",
    HistoryCode.EXCEPTION_OPENED: "Exception opened",
    HistoryCode.EXCEPTION_RECOMPUTED: "Exception updated",
    HistoryCode.EXCEPTION_CLOSED: "Exception closed automatically",
    HistoryCode.EXCEPTION_ACCEPTED: "Exception accepted",
    HistoryCode.EXCEPTION_ACKNOWLEDGED: "Exception acknowledged",
    HistoryCode.EXCEPTION_UNDONE: "Acceptance undone",
    HistoryCode.EXCEPTION_REOPENED: "Exception reopened",
    HistoryCode.EXCEPTION_ENTRY_LINKED: "Manual entry linked",
    HistoryCode.EXCEPTION_ENTRY_UNLINKED: "Manual entry unlinked",
    HistoryCode.EXCEPTION_ASSIGNED: "Exception assigned",
}
NO_EFFECT_CAUSES = {
    NoEffectCause.SAME_EVENT: "Duplicate event ignored",
    NoEffectCause.SAME_VERSION: "Version {version} repeated; ignored",
    NoEffectCause.STALE_VERSION: "Version {version} ignored; Billing has version {current}",
}
WORKER_LABELS = {"importer": "Import", "retrier": "Import retry", "backoffice": "Exception check"}
"""The name that users see for the work of each service that writes the history."""
_WORKER_NAME_PATTERN = re.compile(rf"({'|'.join(WORKER_LABELS)})-[0-9]+")
_FIXED_DETAILS = {
    HistoryCode.FAILED: "Will be tried again",
    HistoryCode.RESUBMITTED: "Will be evaluated with the current settings",
    HistoryCode.DEAD_LETTER_RESUBMITTED: "Will be processed again",
}
_DETAIL_SENTENCES: dict[str, str] = {
    **{code.value: text for code, text in [*REASONS.items(), *HOLD_CAUSES.items(), *CLOSED_CASES.items()]},
    "zero_due": FINDING_REASONS[FindingReason.ZERO_DUE],
    "accepted": "Accepted",
}


def reason(code: str | None) -> str:
    """Return why a payment is Not Sent or failed validation, as a sentence. Empty if the code is None."""
    return REASONS[Reason(code)] if code else ""


def reason_term(code: str) -> str:
    """Return the term of a reason for Not Sent or Validation Failed."""
    return REASON_TERMS[Reason(code)]


def detail(code: str) -> str:
    """Return the sentence of a code in `lines.detail`. Unknown text is returned unchanged."""
    return _DETAIL_SENTENCES.get(code, code)


def refund_problem(code: str) -> str:
    """Return why a refund should be checked, as a sentence."""
    return REFUND_PROBLEMS[RefundProblem(code)]


def finding_reason(code: str) -> str:
    """Return the reason of a Billing Exception as text for users."""
    return FINDING_REASONS[FindingReason(code)]


def finding_reason_code(text: str) -> str:
    """Return the code of a Billing Exception's reason. `text` is the code, or its text for users."""
    return next((code.value for code, words in FINDING_REASONS.items() if text == words), text)


def finding_note(codes: str) -> str:
    """Return the sentence of the codes in `findings.note`. Unknown text is returned unchanged."""
    parts = [part.split(":", 1) for part in codes.split(";")] if codes else []
    known = {code.value: text for code, text in FINDING_NOTES.items()}
    if any(code not in known for code, *_ in parts):
        return codes
    return "; ".join(known[code].format(*values) for code, *values in parts)


def allocation_rule(code: str) -> str:
    """Return the label of a code in `allocations.rule`. Unknown text is returned unchanged."""
    return next((text for rule, text in ALLOCATION_RULES.items() if rule == code), code)


def actor(who: str) -> str:
    """Return the name that users see for `who`: the user, command, policy or worker that acted, as it is stored.

    A worker gets the name of its work: `Import` for `importer-4671`. Other names are returned unchanged.
    """
    found = _WORKER_NAME_PATTERN.fullmatch(who)
    return WORKER_LABELS[found[1]] if found else who


def worker(who: str) -> str | None:
    """Return `who` if it is the name of a worker process, for operators. Return None if no worker acted."""
    return who if _WORKER_NAME_PATTERN.fullmatch(who) else None


def history(code: str) -> str:
    """Return the label of a code in `history.what`. Unknown text is returned unchanged."""
    return next((text for known, text in HISTORY_CODES.items() if known == code), code)


def history_detail(code: str, params: Mapping[str, Any] | None, text: str) -> str:
    """Return the detail of a history event.

    Without a stored `text`, the detail is the sentence of the code with the values of `params`.
    """
    values = params or {}
    if code == HistoryCode.EXCEPTION_UNDONE:
        return f"{_postings_text(values)}. Reason: {text}"
    if code == HistoryCode.EXCEPTION_ENTRY_UNLINKED:
        return f"{_entry(values)}. Reason: {text}"
    if text or code in _FIXED_DETAILS:
        return text or _FIXED_DETAILS[HistoryCode(code)]
    match code:
        case HistoryCode.RECEIVED:
            found = NO_EFFECT_CAUSES[NoEffectCause(values["cause"])].format(**values)
        case HistoryCode.EXCEPTION_OPENED | HistoryCode.EXCEPTION_RECOMPUTED:
            found = _finding_detail(values)
        case HistoryCode.EXCEPTION_CLOSED:
            found = finding_reason(values["reason"])
        case HistoryCode.EXCEPTION_ACCEPTED:
            found = _postings_text(values)
        case HistoryCode.EXCEPTION_ENTRY_LINKED:
            found = _entry(values)
        case HistoryCode.EXCEPTION_ASSIGNED:
            found = f"To {values['owner']}" if values["owner"] else "No owner"
        case _:
            found = _outcome_detail(values)
    return found


def _postings_text(values: Mapping[str, Any]) -> str:
    postings = (f"{amount} {method}, deposit date {day}" for amount, method, _, day in values["postings"])
    return "; ".join(postings) or "Nothing to post"


def _entry(values: Mapping[str, Any]) -> str:
    return f"Entry {values['entry']}: {_postings_text(values)}"


def _finding_detail(values: Mapping[str, Any]) -> str:
    case = f" ({values['case']})" if values.get("case") else ""
    amounts = f"Billing: {values['before']}, EMR: {values['now']}"
    parts = (f"{finding_reason(values['reason'])}{case}", amounts, finding_note(values.get("note", "")))
    return ". ".join(filter(None, parts))


def _outcome_detail(values: Mapping[str, Any]) -> str:
    postings: Sequence[Sequence[str]] = values.get("postings", ())
    posted = "; ".join(
        f"{amount} {method} {charge_type}, deposit date {day}" for amount, method, charge_type, day in postings
    )
    total = f"Total in Billing: {values['posted']}" if posted else ""
    next_try = values.get("next_try")
    retry = f"next attempt {datetime.fromisoformat(next_try):%Y-%m-%d %H:%M:%S} UTC" if next_try else ""
    return ". ".join(part.rstrip(".") for part in (detail(values.get("detail", "")), posted, total, retry) if part)


def no_timezone_chosen(company: str, timezone: str) -> str:
    """Return the warning that nobody has chosen a company's time zone."""
    return f"No time zone was chosen for company {company}; its days and months follow the time zone {timezone}."
