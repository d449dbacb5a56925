"""Payment Balancing (rule D9): the EMR's amounts and the ledger's entries, line by line.

One statement reads both sides, so that both are read at the same moment. The database counts and sums the lines on
which the sides agree. Only the other lines are returned individually. `stream` returns only these lines, each as soon
as it is read.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping

from payments.contract.money import ZERO
from payments.contract.payment_log import PaymentDetails
from payments.core.balancing import BalancedLine, LineComparison
from payments.core.outcome import Outcome, Status
from payments.core.patient import PatientOfLine
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import optional_scope_parameters, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.printed_key import shared_clinic_ids
from payments.store.db.statement import text
from payments.store.db.streaming import disable_nested_loops, read_batches
from payments.store.ledger.outcome_columns import OutcomeColumns, from_columns
from payments.store.reports import balancing_query

_CHUNK_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class BalanceFilter:
    """Filter of a balance. A field that is None does not restrict it.

    `since` and `until` are inclusive. They apply to the transaction dates of the EMR and the deposit dates of Billing.
    `as_of` is a moment: both sides are read as they were then.
    """

    since: date | None = None
    until: date | None = None
    scope: Scope = EVERYTHING
    as_of: datetime | None = None

    @property
    def has_all_days(self) -> bool:
        """Whether the balance covers all days."""
        return self.since is None and self.until is None

    @property
    def has_all_clinics(self) -> bool:
        """Whether the balance covers all clinics of its companies."""
        return self.scope.clinics is None and self.scope.clinic_keys is None


def compare(
    tx: Transaction, balance_filter: BalanceFilter, *, with_log: bool
) -> Iterator[LineComparison | BalancedLine]:
    """Yield a comparison of each line on which the sides may differ, and one sum per clinic of all other lines.

    With `with_log`, the EMR's side is the Payment Log that `emr_log.load_into_temporary_tables` loaded. Otherwise it is
    the feed.
    """
    yield from _read_comparisons(tx, balance_filter, _query(balance_filter, with_log=with_log), with_log=with_log)


def read_every_line(tx: Transaction, balance_filter: BalanceFilter, *, with_log: bool) -> Iterator[LineComparison]:
    """Yield the comparison of each line, including lines on which the sides agree, in the order of the keys."""
    query = balancing_query.in_key_order(balancing_query.of_every_line(with_log=with_log))
    for row in _read_comparisons(tx, balance_filter, query, with_log=with_log, sums_equal_lines=False):
        assert isinstance(row, LineComparison)  # noqa: S101 (no line is summed)
        yield row


def stream(
    tx: Transaction, balance_filter: BalanceFilter, *, with_log: bool
) -> Iterator[LineComparison | BalancedLine]:
    """Yield the comparisons of `compare` in the order of the lines' keys. Payments without a line come last.

    The sums of equal lines may be missing. If the filter has no period and no `as_of`, and `with_log` is False, several
    statements read the ledger while comparisons are yielded. The transaction must then be a snapshot. In all other
    cases all lines are compared before the first comparison is yielded.
    """
    if with_log or balance_filter.as_of or not balance_filter.has_all_days:
        query = balancing_query.in_key_order(_query(balance_filter, with_log=with_log))
        yield from _read_comparisons(tx, balance_filter, query, with_log=with_log)
        return
    scope = balance_filter.scope
    parameters, shared = _parameters(balance_filter), shared_clinic_ids(tx, scope)
    of_line_refs = balancing_query.of_line_refs()
    for lines in read_batches(tx, balancing_query.scanned_lines(scope), scope_parameters(scope)):
        disable_nested_loops(tx)
        if line_refs := [line.id for line in lines if line.may_differ]:
            found = tx.execute(text(of_line_refs), parameters | {"line_refs": line_refs})
            yield from (_comparison(row, _printed_key(row, shared), with_log=False) for row in found.mappings())
    yield from _read_comparisons(tx, balance_filter, balancing_query.of_dead_letters_alone(), with_log=False)


def _query(balance_filter: BalanceFilter, *, with_log: bool) -> str:
    if balance_filter.has_all_days and balance_filter.has_all_clinics:
        return balancing_query.of_all_days(with_log=with_log)
    return balancing_query.of_range(with_log=with_log)


def _parameters(balance_filter: BalanceFilter) -> dict[str, Any]:
    return {
        "since": balance_filter.since or date.min,
        "until": balance_filter.until or date.max,
        "as_of": balance_filter.as_of,
        **optional_scope_parameters(balance_filter.scope),
    }


def _read_comparisons(
    tx: Transaction, balance_filter: BalanceFilter, query: str, *, with_log: bool, sums_equal_lines: bool = True
) -> Iterator[LineComparison | BalancedLine]:
    """Run a query of `balancing_query`, and yield a comparison for each line.

    With `sums_equal_lines`, the query returns the sum of equal lines as one row. Yield it as a balanced line.
    """
    # All rows are fetched; by default PostgreSQL plans a cursor for its first rows only.
    tx.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
    if balance_filter.since is None or balance_filter.until is None:
        disable_nested_loops(tx)
    statement = as_of_query(balance_filter.as_of, "lines set_aside entries entry_links", query)
    shared = shared_clinic_ids(tx, balance_filter.scope)
    # Closes the cursor even if a row cannot be read, because the transaction may continue.
    with tx.execute(
        text(statement), _parameters(balance_filter), execution_options={"yield_per": _CHUNK_ROWS}
    ) as found:
        for row in found.mappings():
            if row["is_equal"] and sums_equal_lines:
                yield _sum_of_equal_lines(row)
            else:
                yield _comparison(row, _printed_key(row, shared), with_log=with_log)


def _sum_of_equal_lines(row: RowMapping) -> BalancedLine:
    return BalancedLine(
        payment=None,
        company=row["company_id"],
        clinic=row["clinic_id"],
        emr=row["latest_amount"],
        billing=row["imported_in_range"],
        count=row["line_count"],
    )


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
        linked=row["linked"],
        feed=PaymentDetails(row["day"], row["charge_type"], row["internal_payment"], row["version"]),
        log=_log_details(row) if row["log_day"] else None,
        patient=PatientOfLine(row["patient_id"], row["patient_name"]),
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
