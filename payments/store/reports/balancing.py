"""Payment Balancing (rule D9): the EMR's amounts and the ledger's entries, line by line.

One statement reads both sides, so both are from the same moment. The database counts and sums the lines on which both
sides agree; only the other lines are returned one by one.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import RowMapping

from payments.contract.keys import LineKey
from payments.contract.money import ZERO
from payments.contract.payment_log import PaymentDetails
from payments.core.balancing import BalancedLine, LineComparison
from payments.core.outcome import Outcome, Status
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import in_optional_scope, optional_scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.printed_key import shared_clinic_ids
from payments.store.db.statement import text
from payments.store.db.streaming import read_as_sets
from payments.store.feed.current import current_dead_letters_cte
from payments.store.ledger.outcome_columns import OutcomeColumns, from_columns
from payments.store.reports.emr_log import LOGGED_LINES

_CHUNK_ROWS = 10_000
_LINE_KEY = ", ".join(LineKey._fields)
_IN_RANGE = "{0} BETWEEN :since AND :until AND " + in_optional_scope("{1}.company_id", "{1}.clinic_id")

# A dead letter counts if its amount and day are readable, and its version or time decides that it is newer.
_READABLE = """
AND set_aside.amount_paid IS NOT NULL AND set_aside.transaction_date IS NOT NULL
AND (lines.id IS NULL OR num_nulls(set_aside.version, set_aside.saved_at) < 2)
"""
_IMPORTED = f"""
WITH {current_dead_letters_cte(_READABLE)},
imported AS (
    SELECT line_ref, sum(amount) AS amount FROM entries
    WHERE kind = 'import' AND {_IN_RANGE.format("deposit_date", "entries")} GROUP BY line_ref
),
"""
_REJECTED_AMOUNT = "CASE WHEN dead.paid IS FALSE THEN 0.00 ELSE dead.amount_paid END"
# An index finds the lines of the range. Other lines are read only if an entry, a dead letter or the log names them.
_EMR_LINES = f"""
relevant_lines AS (
    SELECT * FROM lines WHERE {_IN_RANGE.format("transaction_date", "lines")}
    UNION ALL
    SELECT own.* FROM (
        (SELECT line_ref FROM imported UNION SELECT line_ref FROM current_dead_letters {{more}})
        EXCEPT SELECT id FROM lines WHERE {_IN_RANGE.format("transaction_date", "lines")}
    ) AS others, LATERAL (SELECT * FROM lines WHERE id = line_ref LIMIT 1) AS own
),
emr_lines AS (
    SELECT line.id AS line_ref, line.company_id, line.clinic_id, line.payment_id, line.line_id,
        NULL::bigint AS dead_letter_id, coalesce(dead.transaction_date, line.transaction_date) AS day,
        CASE WHEN dead.id IS NULL THEN accepted_amount ELSE rejected_amount END AS latest_amount, accepted_amount,
        dead.status AS rejected_status, line.status, line.reason, application, target,
        coalesce(dead.charge_type, line.charge_type) AS charge_type,
        CASE WHEN dead.id IS NULL THEN line.internal_payment END AS internal_payment,
        coalesce(dead.version, line.version) AS version
    FROM relevant_lines AS line LEFT JOIN current_dead_letters AS dead ON dead.line_ref = line.id,
        LATERAL (SELECT
            CASE WHEN line.paid AND NOT deleted THEN line.amount_paid ELSE 0.00 END AS accepted_amount,
            {_REJECTED_AMOUNT} AS rejected_amount) AS amounts
    UNION ALL
    SELECT NULL, company_id, clinic_id,
        CASE WHEN key_line_ref IS NULL AND company_id IS NOT NULL THEN payment_id END, line_id, id, transaction_date,
        {_REJECTED_AMOUNT}, 0.00, status, NULL, NULL, 'none', 0.00, charge_type, NULL, version
    FROM current_dead_letters AS dead WHERE line_ref IS NULL
),
"""
_LOGGED_LINES = f"UNION SELECT id FROM lines JOIN logged_lines USING ({_LINE_KEY})"
_EMR_SIDE_FROM_FEED = f"""{_EMR_LINES.format(more="")}
emr_side AS (
    SELECT feed.*, coalesce({_IN_RANGE.format("day", "feed")}, false) AS is_in_range,
        NULL::numeric AS log_amount, NULL::date AS log_day, NULL::text AS log_charge_type,
        NULL::boolean AS log_internal_payment, NULL::bigint AS log_version, false AS is_logged, true AS is_same
    FROM emr_lines AS feed
),
"""
_IN_LOG = "log.day BETWEEN :since AND :until AND " + in_optional_scope("company_id", "clinic_id")
_EMR_SIDE_FROM_LOG = f"""{LOGGED_LINES}{_EMR_LINES.format(more=_LOGGED_LINES)}
emr_side AS (
    SELECT line_ref, {_LINE_KEY}, dead_letter_id, feed.day, latest_amount, accepted_amount,
        rejected_status, status, reason, application, target, feed.charge_type, feed.internal_payment, feed.version,
        coalesce({_IN_RANGE.format("feed.day", "feed")}, false) AS is_in_range,
        log.amount AS log_amount, log.day AS log_day, log.charge_type AS log_charge_type,
        log.internal_payment AS log_internal_payment, log.version AS log_version,
        coalesce({_IN_LOG}, false) AS is_logged,
        (log.amount, log.day, log.charge_type, log.internal_payment, coalesce(log.version, feed.version))
            IS NOT DISTINCT FROM
            (latest_amount, feed.day, feed.charge_type, feed.internal_payment, feed.version)
        OR log.day IS NULL AND latest_amount = 0 AS is_same
    FROM emr_lines AS feed FULL JOIN logged_lines AS log USING ({_LINE_KEY})
),
"""
_LINE_COLUMNS = (
    "payment_id line_id dead_letter_id is_in_range accepted_amount rejected_status status reason application target "
    "imported_elsewhere adjusted day charge_type internal_payment version is_logged log_amount log_day "
    "log_charge_type log_internal_payment log_version"
).split()
_COMPARISON = f"""
compared AS (
    SELECT emr_side.*, coalesce(imported.amount, 0.00) AS imported_in_range
    FROM emr_side LEFT JOIN imported USING (line_ref)
    WHERE is_in_range OR is_logged OR imported.amount <> 0
),
posted AS (
    SELECT line_ref, own.* FROM (SELECT DISTINCT company_id, line_ref FROM compared WHERE is_in_range) AS of_range,
        LATERAL (SELECT sum(amount) FILTER (WHERE kind = 'import') AS imported,
            sum(amount) FILTER (WHERE kind <> 'import') AS adjusted
        FROM entries WHERE entries.company_id = of_range.company_id AND entries.line_ref = of_range.line_ref) AS own
),
comparison AS (
    SELECT compared.*, coalesce(posted.imported, imported_in_range) - imported_in_range AS imported_elsewhere,
        coalesce(posted.adjusted, 0.00) AS adjusted,
        is_in_range AND is_same AND coalesce(
            latest_amount = accepted_amount AND accepted_amount = target AND target = imported_in_range
            AND coalesce(posted.imported, 0) = imported_in_range
            AND coalesce(posted.adjusted, 0) = 0, false) AS is_equal
    FROM compared LEFT JOIN posted USING (line_ref)
)
SELECT 1 AS line_count, is_equal, company_id, clinic_id, latest_amount, imported_in_range, {", ".join(_LINE_COLUMNS)}
FROM comparison WHERE NOT is_equal
UNION ALL
SELECT count(*), true, company_id, clinic_id, sum(latest_amount), sum(imported_in_range),
    {", ".join("NULL" for _ in _LINE_COLUMNS)}
FROM comparison WHERE is_equal GROUP BY company_id, clinic_id
"""


@dataclass(frozen=True, slots=True)
class BalanceFilter:
    """Filter of a balance; a field that is None does not restrict it.

    `since` and `until` are inclusive: transaction dates of the EMR and deposit dates of Billing. `as_of` reads both
    sides as they were at that moment.
    """

    since: date | None = None
    until: date | None = None
    scope: Scope = EVERYTHING
    as_of: datetime | None = None


def compare(
    tx: Transaction, balance_filter: BalanceFilter, *, with_log: bool
) -> Iterator[LineComparison | BalancedLine]:
    """Yield a comparison of each line on which the sides may differ, and one sum per clinic of the lines that agree.

    `with_log` takes the side of the EMR from the tables of `emr_log.create_temporary_tables`, in place of the feed.
    """
    # All rows are fetched; by default PostgreSQL plans a cursor for its first rows only.
    tx.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
    if balance_filter.since is None or balance_filter.until is None:
        read_as_sets(tx)
    emr_side = _EMR_SIDE_FROM_LOG if with_log else _EMR_SIDE_FROM_FEED
    statement = as_of_query(balance_filter.as_of, "lines set_aside entries", _IMPORTED + emr_side + _COMPARISON)
    parameters = {
        "since": balance_filter.since or date.min,
        "until": balance_filter.until or date.max,
        "as_of": balance_filter.as_of,
        **optional_scope_parameters(balance_filter.scope),
    }
    shared = shared_clinic_ids(tx, balance_filter.scope)
    # Closes the cursor even if a row cannot be read, because the transaction may continue.
    with tx.execute(text(statement), parameters, execution_options={"yield_per": _CHUNK_ROWS}) as found:
        for row in found.mappings():
            if row["is_equal"]:
                yield BalancedLine(
                    payment=None,
                    company=row["company_id"],
                    clinic=row["clinic_id"],
                    emr=row["latest_amount"],
                    billing=row["imported_in_range"],
                    count=row["line_count"],
                )
            else:
                yield _comparison(row, _printed_key(row, shared), with_log=with_log)


def _comparison(row: RowMapping, payment: str, *, with_log: bool) -> LineComparison:
    feed_amount = row["latest_amount"] if row["is_in_range"] else ZERO
    log_amount = row["log_amount"] if row["is_logged"] else ZERO
    return LineComparison(
        payment=payment,
        company=row["company_id"],
        clinic=row["clinic_id"],
        is_in_range=row["is_in_range"],
        emr_amount=log_amount if with_log else feed_amount,
        latest_amount=row["latest_amount"] or ZERO,
        accepted_amount=row["accepted_amount"] or ZERO,
        rejected_status=Status(row["rejected_status"]) if row["rejected_status"] else None,
        outcome=_outcome(row) if row["application"] else None,
        imported_in_range=row["imported_in_range"],
        imported_elsewhere=row["imported_elsewhere"],
        adjusted=row["adjusted"],
        feed=PaymentDetails(row["day"], row["charge_type"], row["internal_payment"], row["version"]),
        log=_log_details(row) if row["log_day"] else None,
    )


def _printed_key(row: RowMapping, shared_clinic_ids: Collection[str]) -> str:
    key = (row["clinic_id"], row["payment_id"], row["line_id"])
    if None in key:
        return f"refused:{row['dead_letter_id']}"
    company = f"{row['company_id']}:" if row["company_id"] and row["clinic_id"] in shared_clinic_ids else ""
    return company + "/".join(key)


def _outcome(row: RowMapping) -> Outcome:
    return from_columns(OutcomeColumns(row["status"], row["reason"], row["application"], row["target"]))


def _log_details(row: RowMapping) -> PaymentDetails:
    return PaymentDetails(row["log_day"], row["log_charge_type"], row["log_internal_payment"], row["log_version"])
