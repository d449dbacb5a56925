"""Codes of the events in a payment's history. `payments.wording` renders the codes as sentences."""

from enum import StrEnum
from typing import Any

from payments.core.line import LedgerPosting
from payments.core.outcome import (
    ClosedMonth,
    Held,
    NeverSent,
    NothingToPost,
    NotSent,
    Outcome,
    Posted,
    Removed,
    ZeroDue,
)

Params = dict[str, Any]
"""The parameters of an event by name. The values are JSON values; amounts and dates are texts."""


class HistoryCode(StrEnum):
    """The kind of an event in a payment's history. The comment beside a code names its parameters in parentheses."""

    RECEIVED = "received"  # without effect (cause, version, current)
    IMPORTED = "imported"  # (detail); on reading also (postings, posted), from the ledger
    UPDATED = "updated"  # as imported
    REMOVED = "removed"  # as imported
    REMOVED_NOT_SENT = "removed_not_sent"  # as imported
    HELD = "held"  # (detail, next_try)
    EXCEPTION = "exception"  # (detail)
    NOT_SENT = "not_sent"  # (detail)
    VALIDATION_FAILED = "validation_failed"  # (detail)
    SUCCESSFUL = "successful"
    NEVER_SENT = "never_sent"
    FAILED = "failed"  # an attempt at a stream entry; it stays pending
    RESUBMITTED = "resubmitted"
    DEAD_LETTER_RESUBMITTED = "dead_letter_resubmitted"
    EXCEPTION_OPENED = "exception_opened"  # (reason, case, before, now, note)
    EXCEPTION_RECOMPUTED = "exception_recomputed"  # as opened
    EXCEPTION_CLOSED = "exception_closed"  # automatically (reason)
    EXCEPTION_ACCEPTED = "exception_accepted"  # (postings)
    EXCEPTION_ACKNOWLEDGED = "exception_acknowledged"  # the detail is the user's text
    EXCEPTION_UNDONE = "exception_undone"  # an acceptance (postings); the detail is the user's reason
    EXCEPTION_REOPENED = "exception_reopened"  # after an acknowledgement; the detail is the user's reason
    EXCEPTION_ENTRY_LINKED = "exception_entry_linked"  # a manual entry (entry, postings)
    EXCEPTION_ENTRY_UNLINKED = "exception_entry_unlinked"  # as linked; the detail is the user's reason
    EXCEPTION_ASSIGNED = "exception_assigned"  # (owner), null if it has none any more


EXCEPTION_CODES = tuple(code for code in HistoryCode if code.startswith("exception_"))
"""The codes of all events that concern a Billing Exception."""


class NoEffectCause(StrEnum):
    """The reason why a received event had no effect."""

    SAME_EVENT = "same_event"
    SAME_VERSION = "same_version"
    STALE_VERSION = "stale_version"


def outcome_code(outcome: Outcome) -> HistoryCode:
    """Return the history code of an evaluation with this outcome."""
    match outcome:
        case Posted():
            code = HistoryCode.UPDATED if outcome.is_update else HistoryCode.IMPORTED
        case Removed():
            code = HistoryCode.REMOVED_NOT_SENT if outcome.reason else HistoryCode.REMOVED
        case ClosedMonth() | ZeroDue():
            code = HistoryCode.EXCEPTION
        case Held():
            code = HistoryCode.HELD
        case NotSent():
            code = HistoryCode.NOT_SENT
        case NothingToPost():
            code = HistoryCode.SUCCESSFUL
        case NeverSent():
            code = HistoryCode.NEVER_SENT
    return code


def posting_params(postings: tuple[LedgerPosting, ...]) -> list[list[str]]:
    """Return postings as parameters of a history event: their amounts, methods, charge types and deposit dates."""
    return [
        [str(amount), dimensions.method, dimensions.charge_type, str(dimensions.deposit_date)]
        for amount, dimensions in postings
    ]
