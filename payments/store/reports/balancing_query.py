"""The SQL of Payment Balancing (rule D9): both sides line by line, and the lines on which they may differ."""

from payments.contract.keys import LineKey, LocalKey
from payments.core.scope import Scope
from payments.store.db.conditions import in_optional_scope, in_scope
from payments.store.db.line_entries import LINKED_AMOUNTS_QUERY, entries_of_line, linked_amount
from payments.store.db.patient_names import join_names
from payments.store.feed.current import current_dead_letters_cte
from payments.store.feed.posted import DEAD_LETTER_EMR_AMOUNT, LINE_EMR_AMOUNT
from payments.store.reports.emr_log import LOGGED_LINES_CTE

_LINE_KEY_LIST = ", ".join(LineKey._fields)
_IN_RANGE = "{0} BETWEEN :since AND :until AND " + in_optional_scope("{1}.company_id", "{1}.clinic_id")
_IS_OF_COMPANIES = "(CAST(:companies AS text[]) IS NULL OR company_id = ANY(:companies))"

# A dead letter counts if its amount and day are readable, and its version or time decides that it is newer.
_IS_COMPARABLE = """
AND set_aside.amount_paid IS NOT NULL AND set_aside.transaction_date IS NOT NULL
AND (lines.id IS NULL OR num_nulls(set_aside.version, set_aside.saved_at) < 2)
"""
_CURRENT_DEAD_LETTERS_CTE = current_dead_letters_cte(_IS_COMPARABLE)
_SUMS_BY_KIND = """
sum(amount) FILTER (WHERE kind = 'import') AS imported, sum(amount) FILTER (WHERE kind <> 'import') AS adjusted
"""

# Of a range of days: an index finds the lines and entries of the range. Other lines are read only if an entry, a dead
# letter or the log names them.
_IS_IMPORTED_IN_RANGE = f"kind = 'import' AND {_IN_RANGE.format('deposit_date', 'entries')}"
_LINES_OF_RANGE = f"""
    SELECT * FROM lines WHERE {_IN_RANGE.format("transaction_date", "lines")}
    UNION ALL
    SELECT own.* FROM (
        (SELECT company_id, line_ref FROM entries WHERE {_IS_IMPORTED_IN_RANGE}
            UNION SELECT company_id, line_ref FROM current_dead_letters {{logged}})
        EXCEPT SELECT company_id, id FROM lines WHERE {_IN_RANGE.format("transaction_date", "lines")}
    ) AS others, LATERAL (
        SELECT * FROM lines WHERE lines.company_id = others.company_id AND id = line_ref LIMIT 1) AS own
"""
_LINES_OF_DEAD_LETTERS = """
    SELECT own.* FROM current_dead_letters AS dead, LATERAL (
        SELECT * FROM lines WHERE lines.company_id = dead.company_id AND id = line_ref LIMIT 1) AS own
"""
_POSTED_BY_LINE = f"""
emr_side LEFT JOIN LATERAL (
    SELECT sum(amount) FILTER (WHERE {_IS_IMPORTED_IN_RANGE}) AS imported_in_range, {_SUMS_BY_KIND},
        {linked_amount("line_company_id", "emr_side.line_ref")} AS linked FROM entries
    WHERE entries.company_id = line_company_id AND entries.line_ref = emr_side.line_ref) AS posted ON true
"""

# Of all days: each table is read once, as a whole.
_ALL_LINES = f"SELECT * FROM lines WHERE {_IS_OF_COMPANIES}"
_ALL_POSTED = f"""
emr_side LEFT JOIN (
    SELECT line_ref, sum(amount) FILTER (WHERE kind = 'import') AS imported_in_range, {_SUMS_BY_KIND} FROM entries
    WHERE line_ref IS NOT NULL AND {_IS_OF_COMPANIES} GROUP BY line_ref) AS posted USING (line_ref)
    LEFT JOIN (SELECT line_ref, linked FROM ({LINKED_AMOUNTS_QUERY}) AS links) AS linked_to USING (line_ref)
"""

# The outer join adds the dead letters that supersede no line. It is a hash or merge join even without statistics.
_EMR_LINES_CTE = f"""
emr_lines AS (
    SELECT line.id AS line_ref, line.company_id AS line_company_id,
        coalesce(line.company_id, dead.company_id) AS company_id,
        coalesce(line.clinic_id, dead.clinic_id) AS clinic_id,
        CASE WHEN line.id IS NOT NULL THEN line.payment_id
            WHEN key_line_ref IS NULL AND dead.company_id IS NOT NULL THEN dead.payment_id END AS payment_id,
        coalesce(line.line_id, dead.line_id) AS line_id,
        coalesce(dead.patient_id, line.patient_id) AS patient_id,
        CASE WHEN line.id IS NULL THEN dead.id END AS dead_letter_id,
        coalesce(dead.transaction_date, line.transaction_date) AS day,
        CASE WHEN dead.id IS NULL THEN accepted_amount ELSE rejected_amount END AS latest_amount, accepted_amount,
        dead.status AS rejected_status, line.status, line.reason,
        CASE WHEN line.id IS NULL THEN 'none' ELSE application END AS application,
        CASE WHEN line.id IS NULL THEN 0.00 ELSE target END AS target,
        coalesce(dead.charge_type, line.charge_type) AS charge_type,
        CASE WHEN dead.id IS NULL THEN line.internal_payment END AS internal_payment,
        coalesce(dead.version, line.version) AS version
    FROM relevant_lines AS line FULL JOIN current_dead_letters AS dead
            ON dead.company_id = line.company_id AND dead.line_ref = line.id,
        LATERAL (SELECT {LINE_EMR_AMOUNT.format("line")} AS accepted_amount,
            {DEAD_LETTER_EMR_AMOUNT.format("dead")} AS rejected_amount) AS amounts
),
"""
_LOGGED_LINES = f"UNION SELECT company_id, id FROM lines JOIN logged_lines USING ({_LINE_KEY_LIST})"
_EMR_SIDE_FROM_FEED = f"""
emr_side AS (
    SELECT feed.*, coalesce({_IN_RANGE.format("day", "feed")}, false) AS is_in_range,
        NULL::numeric AS log_amount, NULL::date AS log_day, NULL::text AS log_charge_type,
        NULL::boolean AS log_internal_payment, NULL::bigint AS log_version, false AS is_logged, true AS is_same
    FROM emr_lines AS feed
),
"""
_IS_IN_LOG = "log.day BETWEEN :since AND :until AND " + in_optional_scope("company_id", "clinic_id")
_EMR_SIDE_FROM_LOG = f"""
emr_side AS (
    SELECT line_ref, line_company_id, {_LINE_KEY_LIST}, patient_id, dead_letter_id, feed.day, latest_amount,
        accepted_amount, rejected_status,
        status, reason, application, target, feed.charge_type, feed.internal_payment, feed.version,
        coalesce({_IN_RANGE.format("feed.day", "feed")}, false) AS is_in_range,
        log.amount AS log_amount, log.day AS log_day, log.charge_type AS log_charge_type,
        log.internal_payment AS log_internal_payment, log.version AS log_version,
        coalesce({_IS_IN_LOG}, false) AS is_logged,
        (log.amount, log.day, log.charge_type, log.internal_payment, coalesce(log.version, feed.version))
            IS NOT DISTINCT FROM
            (latest_amount, feed.day, feed.charge_type, feed.internal_payment, feed.version)
        OR log.day IS NULL AND latest_amount = 0 AS is_same
    FROM emr_lines AS feed FULL JOIN logged_lines AS log USING ({_LINE_KEY_LIST})
),
"""
_LINE_COLUMNS = (
    "payment_id line_id dead_letter_id is_in_range accepted_amount rejected_status status reason application target "
    "imported_elsewhere adjusted linked day charge_type internal_payment version is_logged log_amount log_day "
    "log_charge_type log_internal_payment log_version line_ref patient_id patient_name"
).split()
_COMPARISON_CTE = """
comparison AS (
    SELECT compared.*, coalesce(imported, 0) - imported_in_range AS imported_elsewhere,
        is_in_range AND is_same AND coalesce(
            latest_amount = accepted_amount AND accepted_amount = target AND target = imported_in_range
            AND coalesce(imported, 0) = imported_in_range AND adjusted = 0 AND linked = 0, false) AS is_equal
    FROM (
        SELECT emr_side.*, coalesce(imported_in_range, 0.00) AS imported_in_range, imported,
            coalesce(adjusted, 0.00) AS adjusted, coalesce(linked, 0.00) AS linked
        FROM {posted} WHERE is_in_range OR is_logged OR imported_in_range <> 0
    ) AS compared
)
"""
_EVERY_LINE_QUERY = f"""
SELECT 1 AS line_count, is_equal, company_id, clinic_id, latest_amount, imported_in_range, {", ".join(_LINE_COLUMNS)}
FROM comparison {join_names("comparison")}
"""
_DIFFERING_LINES_QUERY = f"{_EVERY_LINE_QUERY} WHERE NOT is_equal"
_SUMS_OF_EQUAL_LINES = f"""
UNION ALL
SELECT count(*), true, company_id, clinic_id, sum(latest_amount), sum(imported_in_range),
    {", ".join("NULL" for _ in _LINE_COLUMNS)}
FROM comparison WHERE is_equal GROUP BY company_id, clinic_id
"""
_ORDER_BY_KEY = f" ORDER BY line_ref IS NULL, {_LINE_KEY_LIST}, dead_letter_id"

# No index serves IS NOT DISTINCT FROM. Otherwise PostgreSQL might read all dead letters of a company by another index.
_HAS_KEY_OF_LINE = " AND ".join(f"set_aside.{each} = lines.{each}" for each in LocalKey._fields) + (
    " AND set_aside.company_id IS NOT DISTINCT FROM lines.company_id"
)
# A line may differ if its amounts do, or if it has a dead letter. The lines are read in the order of their index, and
# the entries and dead letters of each by theirs. So the first lines are found without reading the others.
_SCANNED_LINES_QUERY = f"""
SELECT id, CASE WHEN transaction_date IS NULL THEN coalesce(imported <> 0, false) ELSE NOT coalesce(
        {LINE_EMR_AMOUNT.format("lines")} = target AND target = coalesce(imported, 0)
        AND coalesce(adjusted, 0) = 0, false)
    END OR EXISTS (
        SELECT FROM set_aside WHERE closed_at IS NULL AND {_HAS_KEY_OF_LINE} OFFSET 0
    ) OR {linked_amount("lines.company_id", "lines.id")} <> 0 AS may_differ
FROM lines, LATERAL (SELECT {_SUMS_BY_KIND} FROM entries
    WHERE entries.company_id = lines.company_id AND entries.line_ref = lines.id) AS own
WHERE true{{scope}} ORDER BY {", ".join(f"lines.{name}" for name in LineKey._fields)}
"""
# Each CTE replaces the table of the same name in the statement that follows.
_CTES_OF_LINE_REFS = f"""
lines AS MATERIALIZED (
    SELECT own.* FROM unnest(CAST(:line_refs AS bigint[])) AS asked(line_ref),
        LATERAL (SELECT * FROM lines WHERE lines.id = asked.line_ref OFFSET 0) AS own
),
set_aside AS MATERIALIZED (
    SELECT own.* FROM lines, LATERAL (
        SELECT * FROM set_aside WHERE {_HAS_KEY_OF_LINE} OFFSET 0) AS own
),
entries AS MATERIALIZED (
    SELECT own.* FROM lines, LATERAL ({entries_of_line("lines.company_id", "lines.id")}) AS own
),
"""


def of_range(*, with_log: bool) -> str:
    """Return the query for a range of days: each line that may differ, and the sums of the equal lines by clinic.

    Its parameters are those of `in_optional_scope`, `since` and `until`. With `with_log`, the EMR's amounts are those
    of the Payment Log.
    """
    lines = _LINES_OF_RANGE.format(logged=_LOGGED_LINES if with_log else "")
    return f"WITH {_ctes(lines, _POSTED_BY_LINE, with_log=with_log)}{_DIFFERING_LINES_QUERY}{_SUMS_OF_EQUAL_LINES}"


def of_every_line(*, with_log: bool) -> str:
    """Return the query for each line of a range of days, including equal lines. It has the parameters of `of_range`."""
    lines = _LINES_OF_RANGE.format(logged=_LOGGED_LINES if with_log else "")
    return f"WITH {_ctes(lines, _POSTED_BY_LINE, with_log=with_log)}{_EVERY_LINE_QUERY}"


def of_all_days(*, with_log: bool) -> str:
    """Return the query for all days. It reads whole tables. Its rows and parameters are those of `of_range`."""
    return f"WITH {_ctes(_ALL_LINES, _ALL_POSTED, with_log=with_log)}{_DIFFERING_LINES_QUERY}{_SUMS_OF_EQUAL_LINES}"


def in_key_order(query: str) -> str:
    """Return the query with its rows sorted by the lines' keys. Rows without a line come last."""
    return f"SELECT * FROM ({query}) AS found{_ORDER_BY_KEY}"


def scanned_lines(scope: Scope) -> str:
    """Return the query for the id of each line of a scope, and the flag `may_differ`, sorted by the lines' keys.

    The parameters of the query are those of `scope_parameters`.
    """
    return _SCANNED_LINES_QUERY.format(scope=in_scope(scope, "lines"))


def of_line_refs() -> str:
    """Return the query for the lines whose ids are in the parameter `line_refs`, sorted by key.

    The query compares the lines on all days, without the sums of the equal lines.
    """
    return f"WITH {_CTES_OF_LINE_REFS}{_ctes(_ALL_LINES, _ALL_POSTED)}{_DIFFERING_LINES_QUERY}{_ORDER_BY_KEY}"


def of_dead_letters_alone() -> str:
    """Return the query for dead letters that supersede no line, on all days. It has the parameters of `of_range`."""
    ctes = _ctes(_LINES_OF_DEAD_LETTERS, _POSTED_BY_LINE)
    return f"WITH {ctes}{_DIFFERING_LINES_QUERY} AND line_ref IS NULL{_ORDER_BY_KEY}"


def _ctes(lines: str, posted: str, *, with_log: bool = False) -> str:
    """Return the CTEs that compare both sides of lines.

    `lines` is the query that selects the lines. `posted` is the join that adds the sums of the lines' entries.
    """
    logged, emr_side = (LOGGED_LINES_CTE, _EMR_SIDE_FROM_LOG) if with_log else ("", _EMR_SIDE_FROM_FEED)
    comparison = _COMPARISON_CTE.format(posted=posted)
    return f"{logged}{_CURRENT_DEAD_LETTERS_CTE},relevant_lines AS ({lines}),{_EMR_LINES_CTE}{emr_side}{comparison}"
