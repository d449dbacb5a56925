"""The columns of the Claims Feed, selected from `lines` and from dead letters.

In addition to the fields of a feed row, each query has `cursor_at`, `cursor_source` and `cursor_id` (the position of
the row), `saved_on` (the clinic-local day of the save) and `emr_amount` (the amount that the EMR states, in dollars).
"""

from payments.core.scope import Scope
from payments.store.db.printed_key import printed_key
from payments.store.feed.posted import (
    DEAD_LETTER_EMR_AMOUNT,
    DEAD_LETTER_POSTED_AMOUNT,
    DEAD_LETTER_POSTED_STATE,
    LINE_EMR_AMOUNT,
    LINE_POSTED_AMOUNT,
    SUPERSEDED_POSTED_AMOUNT,
    line_posted_state,
)

DEAD_LETTER_TIME = "coalesce(saved_at, received_at)"
"""The time of a dead letter in the feed: the time of the save or, if it cannot be read, the time of the arrival."""
DEAD_LETTER_DAY = "coalesce(saved_on, (received_at AT TIME ZONE 'UTC')::date)"
"""The clinic-local day of a dead letter in the feed."""
LINE_AMOUNT = "CASE WHEN deleted THEN 0.00 ELSE amount_paid END"
"""The amount of a line in the feed, in dollars."""

_LINE_COLUMNS = f"""
saved_at AS cursor_at, 0 AS cursor_source, id AS cursor_id, {{payment}} AS payment, version,
clinic_id AS clinic, patient_id AS patient,
charge_type, {LINE_AMOUNT} AS amount, saved_at, status, reason, attempts,
application, detail, due_at AS next_try_at, NULL::text AS refused, company_id AS company,
{{posted}} AS posted, {LINE_POSTED_AMOUNT} AS posted_amount,
{LINE_EMR_AMOUNT.format("lines")} - {LINE_POSTED_AMOUNT} AS difference,
{LINE_EMR_AMOUNT.format("lines")} AS emr_amount, saved_on
"""
_DEAD_LETTER_COLUMNS = f"""
{DEAD_LETTER_TIME} AS cursor_at, 1 AS cursor_source, id AS cursor_id, {{payment}} AS payment, version,
clinic_id AS clinic, patient_id AS patient,
charge_type, amount_paid AS amount, saved_at, status, reason, attempts,
'none' AS application, error AS detail, due_at AS next_try_at, 'refused:' || id AS refused, company_id AS company,
{DEAD_LETTER_POSTED_STATE.format("{table}")} AS posted, {{posted_amount}} AS posted_amount,
{DEAD_LETTER_EMR_AMOUNT.format("{table}")} - {{posted_amount}} AS difference,
{DEAD_LETTER_EMR_AMOUNT.format("{table}")} AS emr_amount, {DEAD_LETTER_DAY} AS saved_on
"""


def line_columns(scope: Scope, *, as_of: bool = False) -> str:
    """Return the feed columns of rows of `lines`. `as_of` is True if the query reads an earlier state of the tables.

    `scope` decides whether printed keys begin with the company.
    """
    return _LINE_COLUMNS.format(payment=printed_key(scope), posted=line_posted_state(as_of=as_of))


def dead_letter_columns(scope: Scope) -> str:
    """Return the feed columns of rows of `set_aside`. `scope` decides whether printed keys begin with the company."""
    return _DEAD_LETTER_COLUMNS.format(
        payment=printed_key(scope), table="set_aside", posted_amount=DEAD_LETTER_POSTED_AMOUNT
    )


def current_dead_letter_columns(scope: Scope) -> str:
    """Return the feed columns of rows of `current_dead_letters_cte`.

    `scope` decides whether printed keys begin with the company.
    """
    table = "current_dead_letters"
    posted_amount = SUPERSEDED_POSTED_AMOUNT.format(table)
    return _DEAD_LETTER_COLUMNS.format(payment=printed_key(scope), table=table, posted_amount=posted_amount)
