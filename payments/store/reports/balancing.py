"""What the EMR said of each line and what the ledger holds for it, side by side: one statement, so one moment.

Lines on which both sides plainly agree are counted and summed by the database; only the rest come out one by one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from sqlalchemy import Boolean, Column, Date, MetaData, RowMapping, Table, Text

from payments.contract.money import ZERO
from payments.contract.payment_log import PaymentDetails, PaymentLogRow
from payments.core.balancing import BalancedLine, LineComparison
from payments.core.outcome import Outcome, Status
from payments.store.db.as_of import as_of_query
from payments.store.db.bulk import arrays, insertion
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import current_dead_letters
from payments.store.ledger.outcome_columns import OutcomeColumns, from_columns
from payments.store.tables import Dollars, lines

_CHUNK_ROWS = 10_000
_INSIDE = "{0} BETWEEN :since AND :until AND (CAST(:clinic_id AS text) IS NULL OR {1} = :clinic_id)"

# The EMR's Payment Log for the length of a transaction; it is no part of the schema.
_emr_log = Table(
    "emr_log",
    MetaData(),
    *(Column(name, Text, nullable=False) for name in ("clinic_id", "payment_id", "line_id")),
    Column("amount", Dollars, nullable=False),
    Column("day", Date, nullable=False),
    Column("charge_type", Text),
    Column("internal_payment", Boolean),
    Column("version", lines.c.version.type),
)
_LOGGED = [column.name for column in _emr_log.columns]

# An event that was set aside speaks for its line where its amount and day can be read, and when it was said.
_READABLE = """
AND set_aside.amount_paid IS NOT NULL AND set_aside.transaction_date IS NOT NULL
AND (lines.id IS NULL OR num_nulls(set_aside.version, set_aside.saved_at) < 2)
"""
_SAID = f"""
WITH {current_dead_letters(_READABLE)},
imported AS (
    SELECT line_ref, sum(amount) AS amount FROM entries
    WHERE kind = 'import' AND {_INSIDE.format("deposit_date", "clinic_id")} GROUP BY line_ref
),
"""
_TOLD = "CASE WHEN aside.paid IS FALSE THEN 0.00 ELSE aside.amount_paid END"
# Lines dated in the days are found by an index; of all others only those that something else brings in.
_LINES = f"""
concerned AS (
    SELECT * FROM lines WHERE {_INSIDE.format("transaction_date", "clinic_id")}
    UNION ALL
    SELECT own.* FROM (
        (SELECT line_ref FROM imported UNION SELECT line_ref FROM current_dead_letters AS aside {{more}})
        EXCEPT SELECT id FROM lines WHERE {_INSIDE.format("transaction_date", "clinic_id")}
    ) AS others, LATERAL (SELECT * FROM lines WHERE id = line_ref LIMIT 1) AS own
),
said AS (
    SELECT concerned.id AS line_ref, concerned.clinic_id, concerned.payment_id, concerned.line_id,
        NULL::bigint AS refused_id, coalesce(aside.transaction_date, concerned.transaction_date) AS day,
        CASE WHEN aside.id IS NULL THEN heard ELSE told END AS said, heard, aside.status AS refused, concerned.status,
        concerned.reason, application, target, coalesce(aside.charge_type, concerned.charge_type) AS charge_type,
        CASE WHEN aside.id IS NULL THEN concerned.internal_payment END AS internal_payment,
        coalesce(aside.version, concerned.version) AS version
    FROM concerned LEFT JOIN current_dead_letters AS aside ON aside.line_ref = concerned.id,
        LATERAL (SELECT
            CASE WHEN concerned.paid AND NOT deleted THEN concerned.amount_paid ELSE 0.00 END AS heard,
            {_TOLD} AS told) AS own
    UNION ALL
    SELECT NULL, clinic_id, CASE WHEN key_line_ref IS NULL THEN payment_id END, line_id, id, transaction_date, {_TOLD},
        0.00, status, NULL, NULL, 'none', 0.00, charge_type, NULL, version
    FROM current_dead_letters AS aside WHERE line_ref IS NULL
),
"""
_LOGGED_LINES = "UNION SELECT id FROM lines JOIN emr_log USING (clinic_id, payment_id, line_id)"
_FEED_ALONE = f"""{_LINES.format(more="")}
both_sides AS (
    SELECT said.*, coalesce({_INSIDE.format("day", "clinic_id")}, false) AS is_inside, NULL::numeric AS log_amount,
        NULL::date AS log_day, NULL::text AS log_charge_type, NULL::boolean AS log_internal_payment,
        NULL::bigint AS log_version, false AS is_logged, true AS is_same
    FROM said
),
"""
_WITH_LOG = f"""{_LINES.format(more=_LOGGED_LINES)}
both_sides AS (
    SELECT line_ref, clinic_id, payment_id, line_id, refused_id, said.day, said.said, heard, refused, status, reason,
        application, target, said.charge_type, said.internal_payment, said.version,
        coalesce({_INSIDE.format("said.day", "clinic_id")}, false) AS is_inside,
        log.amount AS log_amount, log.day AS log_day, log.charge_type AS log_charge_type,
        log.internal_payment AS log_internal_payment, log.version AS log_version,
        coalesce({_INSIDE.format("log.day", "clinic_id")}, false) AS is_logged,
        (log.amount, log.day, log.charge_type, log.internal_payment, coalesce(log.version, said.version))
            IS NOT DISTINCT FROM (said.said, said.day, said.charge_type, said.internal_payment, said.version)
        OR log.day IS NULL AND said.said = 0 AS is_same
    FROM said FULL JOIN emr_log AS log USING (clinic_id, payment_id, line_id)
),
"""
_OF_A_LINE = (
    "payment_id line_id refused_id is_inside heard refused status reason application target elsewhere added "
    "day charge_type internal_payment version is_logged log_amount log_day log_charge_type log_internal_payment "
    "log_version"
).split()
_COMPARED = f"""
chosen AS (
    SELECT both_sides.*, coalesce(imported.amount, 0.00) AS here FROM both_sides LEFT JOIN imported USING (line_ref)
    WHERE is_inside OR is_logged OR imported.amount <> 0
),
posted AS (
    SELECT line_ref, sum(entries.amount) FILTER (WHERE kind = 'import') AS imported,
        sum(entries.amount) FILTER (WHERE kind <> 'import') AS added
    FROM entries JOIN chosen USING (line_ref) WHERE is_inside GROUP BY line_ref
),
facts AS (
    SELECT chosen.*, coalesce(posted.imported, here) - here AS elsewhere, coalesce(posted.added, 0.00) AS added,
        is_inside AND is_same AND coalesce(
            said = heard AND heard = target AND target = here AND coalesce(posted.imported, 0) = here
            AND coalesce(posted.added, 0) = 0, false) AS is_plain
    FROM chosen LEFT JOIN posted USING (line_ref)
)
SELECT 1 AS number, is_plain, clinic_id, said, here, {", ".join(_OF_A_LINE)} FROM facts WHERE NOT is_plain
UNION ALL
SELECT count(*), true, clinic_id, sum(said), sum(here), {", ".join("NULL" for _ in _OF_A_LINE)}
FROM facts WHERE is_plain GROUP BY clinic_id
"""


@dataclass(frozen=True, slots=True)
class BalanceFilter:
    """Which days, from and to (inclusive), and which clinic to balance; None leaves that open.

    `as_of` is a moment: what was known of both sides then.
    """

    since: date | None = None
    until: date | None = None
    clinic_id: str | None = None
    as_of: datetime | None = None


def take_log(tx: Transaction, log: Iterable[PaymentLogRow]) -> None:
    """Hold the EMR's Payment Log beside the ledger until the transaction ends."""
    tx.execute(text("DROP TABLE IF EXISTS pg_temp.emr_log"))
    columns = ", ".join(f"{column.name} {column.type.compile()}" for column in _emr_log.columns)
    tx.execute(text(f"CREATE TEMPORARY TABLE emr_log ({columns}) ON COMMIT DROP"))
    rows = ({**each.key._asdict(), "amount": each.amount, **each.details._asdict()} for each in log)
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        tx.execute(text(insertion(_emr_log, _LOGGED)), arrays(chunk, _LOGGED))
    tx.execute(text("ANALYZE emr_log"))


def compare(tx: Transaction, query: BalanceFilter, *, with_log: bool) -> Iterator[LineComparison | BalancedLine]:
    """Yield, as they come, the facts of each line on which the sides may differ, and sums of those that are equal.

    `with_log` takes the EMR's side from the log that this transaction holds, in place of what the feed said.
    """
    # All of it will be read: without this a cursor is planned for its first rows.
    tx.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
    statement = as_of_query(
        query.as_of, "lines set_aside entries", _SAID + (_WITH_LOG if with_log else _FEED_ALONE) + _COMPARED
    )
    asked = {"since": query.since or date.min, "until": query.until or date.max, "clinic_id": query.clinic_id}
    found = tx.execute(
        text(statement),
        asked | {"as_of": query.as_of},
        execution_options={"yield_per": _CHUNK_ROWS},
    )
    for row in found.mappings():
        if row["is_plain"]:
            yield BalancedLine(None, row["clinic_id"], row["said"], row["here"], count=row["number"])
        else:
            yield _facts(row, with_log=with_log)


def _facts(row: RowMapping, *, with_log: bool) -> LineComparison:
    feed_says = row["said"] if row["is_inside"] else ZERO
    log_says = row["log_amount"] if row["is_logged"] else ZERO
    return LineComparison(
        payment=_payment(row),
        clinic=row["clinic_id"],
        is_in_range=row["is_inside"],
        emr_amount=log_says if with_log else feed_says,
        latest_amount=row["said"] or ZERO,
        accepted_amount=row["heard"] or ZERO,
        rejected_status=Status(row["refused"]) if row["refused"] else None,
        outcome=_outcome(row) if row["application"] else None,
        imported_in_range=row["here"],
        imported_elsewhere=row["elsewhere"],
        adjusted=row["added"],
        feed=PaymentDetails(row["day"], row["charge_type"], row["internal_payment"], row["version"]),
        log=_log(row) if row["log_day"] else None,
    )


def _payment(row: RowMapping) -> str:
    key = (row["clinic_id"], row["payment_id"], row["line_id"])
    return f"refused:{row['refused_id']}" if None in key else "/".join(key)


def _outcome(row: RowMapping) -> Outcome:
    return from_columns(OutcomeColumns(row["status"], row["reason"], row["application"], row["target"]))


def _log(row: RowMapping) -> PaymentDetails:
    return PaymentDetails(row["log_day"], row["log_charge_type"], row["log_internal_payment"], row["log_version"])
