"""The posted state of payments in SQL, and the amounts of payments in the EMR and in Billing (rules D5 and D9).

The rules of `payments/core/posted.py` are rendered as an SQL expression. There are expressions for rows of `lines`, and
for dead letters in a table that the caller names.
"""

from collections.abc import Iterable, Mapping

from payments.core.outcome import Application
from payments.core.posted import NOT_IN_BILLING, POSTED_RULES, PostedFilter, PostedRule, PostedState
from payments.store.db.line_entries import linked_amount
from payments.store.tables import MAY_BE_UNPOSTED

LINE_EMR_AMOUNT = "CASE WHEN {0}.paid AND NOT {0}.deleted THEN {0}.amount_paid ELSE 0.00 END"
"""The amount in dollars that the EMR states for a line, in the newest version that Billing could evaluate."""

DEAD_LETTER_EMR_AMOUNT = "CASE WHEN {0}.paid IS FALSE THEN 0.00 ELSE {0}.amount_paid END"
"""The amount in dollars that a dead letter states for its payment; null if it cannot be read."""

_SUM_OF_ENTRIES = (
    "(coalesce((SELECT sum(entries.amount) FROM entries "
    "WHERE entries.company_id = {0}.company_id AND entries.line_ref = {0}.{1}), 0.00) + "
    f"{linked_amount('{0}.company_id', '{0}.{1}')})"
)

# Where the outcome is decided, the ledger holds the target (rule D1). Elsewhere the entries are summed.
LINE_POSTED_AMOUNT = f"""
CASE WHEN lines.application IN ('imported', 'updated', 'removed')
    OR lines.application = 'none' AND lines.target IS NOT NULL
    THEN lines.target ELSE {_SUM_OF_ENTRIES.format("lines", "id")} END
"""
"""The amount in dollars that the ledger holds for a line."""

SUPERSEDED_POSTED_AMOUNT = _SUM_OF_ENTRIES.format("{0}", "line_ref")
"""The amount that the ledger holds for the line that a dead letter of `current_dead_letters_cte` supersedes."""

DEAD_LETTER_POSTED_AMOUNT = f"""
coalesce((SELECT {_SUM_OF_ENTRIES.format("lines", "id")} FROM lines WHERE lines.company_id = set_aside.company_id
    AND lines.clinic_id = set_aside.clinic_id AND lines.payment_id = set_aside.payment_id
    AND lines.line_id = set_aside.line_id AND num_nulls(set_aside.version, set_aside.saved_at) < 2), 0.00)
"""
"""The amount that the ledger holds for the line that a row of `set_aside` supersedes."""

_HAS_ACKNOWLEDGED_FINDING = (
    "EXISTS (SELECT FROM findings WHERE findings.company_id = lines.company_id AND findings.line_ref = lines.id "
    "AND findings.version = lines.version AND findings.status = 'acknowledged' AND findings.set_aside_ref IS NULL "
    "AND {0})"
)
# An OR makes PostgreSQL look up each line by an index. Equations let it read the findings once, as a set, which is
# right for an earlier moment: no index serves the versions of rows.
_IS_ACKNOWLEDGED_NOW = _HAS_ACKNOWLEDGED_FINDING.format(
    "(findings.attempts IS NULL OR findings.attempts = lines.attempts)"
)
_WAS_ACKNOWLEDGED_AT_MOMENT = (
    f"({_HAS_ACKNOWLEDGED_FINDING.format('findings.attempts = lines.attempts')} "
    f"OR {_HAS_ACKNOWLEDGED_FINDING.format('findings.attempts IS NULL')})"
)
_HAS_EMR_AMOUNT = (
    f"({LINE_EMR_AMOUNT.format('lines')} = {LINE_POSTED_AMOUNT} "
    f"AND coalesce(lines.target = {LINE_EMR_AMOUNT.format('lines')}, true))"
)
_LINE_FACTS = {
    **{name: f"lines.{name}" for name in ("status", "reason", "application")},
    "is_undecided": "lines.target IS NULL",
    "has_emr_amount": _HAS_EMR_AMOUNT,
}
_DEAD_LETTER_FACTS = {
    **{name: f"{{0}}.{name}" for name in ("status", "reason")},
    "application": f"'{Application.NONE}'",
    **dict.fromkeys(("is_undecided", "is_acknowledged", "has_emr_amount"), "false"),
}
IS_NO_PAYMENT = "{0}.event_type IN ('patient.saved', 'charge.saved')"
"""The condition that a dead letter is a refused patient or charge; null if its type cannot be read."""


def render_rules(facts: Mapping[str, str]) -> str:
    """Return the rules of the posted state as a CASE expression. `facts` maps the name of each fact to its SQL."""
    arms = (f"WHEN {_rule_condition(rule, facts)} THEN '{rule.state}'" for rule in POSTED_RULES[:-1])
    return f"CASE {' '.join(arms)} ELSE '{POSTED_RULES[-1].state}' END"


def _rule_condition(rule: PostedRule, facts: Mapping[str, str]) -> str:
    return " AND ".join(_is_one_of(facts[name], values) for name, values in rule.when.items())


def _is_one_of(sql: str, values: tuple[object, ...]) -> str:
    return sql if values == (True,) else f"{sql} IN ({_quoted(values)})"


def _quoted(values: Iterable[object]) -> str:
    return ", ".join(f"'{value}'" for value in values)


_LINE_STATE, _LINE_STATE_AS_OF = (
    render_rules(_LINE_FACTS | {"is_acknowledged": each})
    for each in (_IS_ACKNOWLEDGED_NOW, _WAS_ACKNOWLEDGED_AT_MOMENT)
)

DEAD_LETTER_POSTED_STATE = f"CASE WHEN {IS_NO_PAYMENT} THEN NULL ELSE {render_rules(_DEAD_LETTER_FACTS)} END"
"""The posted state of a dead letter; null for a refused patient or charge."""

NEEDS_NO_ACTION = {PostedState.POSTED, PostedState.NOTHING_TO_POST}
"""The states in which a line needs no action. Indexes with the condition MAY_BE_UNPOSTED may lack such a line."""

IS_NOT_IN_BILLING = f"posted IN ({_quoted(sorted(NOT_IN_BILLING))})"
"""The condition that a row of the feed has one of the states NOT_IN_BILLING."""

REASON_OF_STATE = f"CASE WHEN posted IN ('{PostedState.NOT_SENT}', '{PostedState.INVALID}') THEN reason END"
"""The reason of a feed row whose posted state is NOT_SENT or INVALID. For any other row, null."""


def line_posted_state(*, as_of: bool) -> str:
    """Return the SQL expression of the posted state of a row of `lines`.

    `as_of` is True if the query reads an earlier state of the tables.
    """
    return _LINE_STATE_AS_OF if as_of else _LINE_STATE


def line_is_in(chosen: PostedFilter, *, as_of: bool) -> str:
    """Return the condition that the posted state of a row of `lines` is one of the chosen states.

    `as_of` is True if the query reads an earlier state of the tables.
    """
    first = "" if chosen.states & NEEDS_NO_ACTION else f"({MAY_BE_UNPOSTED}) AND "
    return f"{first}{line_posted_state(as_of=as_of)} {_in_list(chosen)}"


def dead_letter_is_in(chosen: PostedFilter, table: str) -> str:
    """Return the condition that the posted state of a dead letter in `table` is one of the chosen states."""
    return f"{DEAD_LETTER_POSTED_STATE.format(table)} {_in_list(chosen)}"


def _in_list(chosen: PostedFilter) -> str:
    return f"IN ({_quoted(sorted(chosen.states))})"
