"""Export the lines on which the EMR and Billing differ as a file."""

from collections.abc import Iterator

from fastapi import APIRouter, Response

from console.reports.balancing import DIFFERENCES, difference_record
from console.reports.output import Record
from console.web.auth import Exporter
from console.web.exporting import Export, FileFormat, send_file
from console.web.filters import RowId
from console.web.pages.balancing import BalanceQuery, balanced_scope, with_default_days
from console.web.pages.uploaded import load_log, reading_log
from payments.journeys import balancing
from payments.journeys.balancing import LineGroup
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)


@router.get("/balancing/export")
def export(
    query: BalanceQuery,
    context: Exporter,
    form: FileFormat = FileFormat.CSV,
    log: RowId | None = None,
    group: LineGroup | None = None,
) -> Response:
    """Export the lines that differ, or the lines of one group, as a file.

    If `log` is given, the uploaded Payment Log is compared instead of the feed.
    """
    scope = balanced_scope(query, context)
    balance_filter = with_default_days(query, context, scope).to_filter(scope)

    def records(tx: Transaction) -> Iterator[Record]:
        with reading_log(load_log(tx, context, log) if log else None) as rows:
            found = (
                balancing.lines_of_group(tx, balance_filter, group, rows)
                if group
                else balancing.differing_lines(tx, balance_filter, rows)
            )
            yield from map(difference_record, found)

    subject = balance_filter.scope.only_clinic or ""
    return send_file(context, Export(DIFFERENCES, form, lambda tx: sum(1 for _ in records(tx)), records, subject))
