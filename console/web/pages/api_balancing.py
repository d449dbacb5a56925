"""The Payment Balancing API: lines on which the EMR and Billing differ, and comparison with an EMR Payment Log."""

from collections.abc import AsyncIterator
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from console.reports.balancing import DIFFERENCES, BalancingParameters, balance_record, difference_record
from console.reports.output import to_json_value
from console.web.api_rows import rows_response
from console.web.auth import Viewer
from console.web.body_limit import FILE_BYTES_MAX, too_large
from console.web.errors import PageError
from console.web.filters import ReportQuery, report_query
from console.web.pages.balancing import balanced_scope
from console.web.schemas import PROBLEMS, ROWS_MAX, Rows, success_response
from emr.payment_log import PaymentLogError, read_payment_log
from payments.journeys import balancing
from payments.journeys.balancing import BalancedLine, LineGroup

router = APIRouter(prefix="/api", responses=PROBLEMS)

BalanceQuery = Annotated[ReportQuery[BalancingParameters], Depends(report_query(BalancingParameters, is_paged=False))]
_MEMORY_BYTES = 1_000_000
_CSV_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The Payment Log of the EMR, a CSV file of at most 10 MB.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


async def read_file(request: Request, _: Viewer) -> AsyncIterator[IO[bytes]]:
    """Yield the body of a request as a file. The user and the right are checked before the body is read."""
    with SpooledTemporaryFile(_MEMORY_BYTES) as file:
        async for chunk in request.stream():
            file.write(chunk)
        if file.tell() > FILE_BYTES_MAX:
            raise too_large()
        file.seek(0)
        yield file


@router.get("/balancing/lines", responses=success_response(Rows))
def lines(query: BalanceQuery, context: Viewer, group: LineGroup | None = None) -> Response:
    """Return the lines on which the EMR and Billing differ.

    `group` selects the lines of one total, one reconciling item or one kind of difference.
    """
    balance_filter = query.parameters.to_filter(balanced_scope(query, context))
    with context.snapshot_transaction() as tx:
        context.audit(tx, "viewed Payment Balancing", balance_filter.scope.only_clinic or "", "API")
        found = (
            balancing.lines_of_group(tx, balance_filter, group)
            if group
            else balancing.differing_lines(tx, balance_filter)
        )
        return rows_response(map(difference_record, islice(found, ROWS_MAX)), DIFFERENCES)


@router.post("/balancing", openapi_extra=_CSV_BODY)
def compare(query: BalanceQuery, context: Viewer, file: Annotated[IO[bytes], Depends(read_file)]) -> Response:
    """Balance the Payment Log in the body against Billing. Return the sums, and the first 1,000 lines that differ."""
    balance_filter = query.parameters.to_filter(balanced_scope(query, context))
    try:
        with context.transaction() as tx:
            found = balancing.balance(tx, balance_filter, read_payment_log(file))  # type: ignore[arg-type]
            context.audit(tx, "compared Payment Log", balance_filter.scope.only_clinic or "", "API")
    except PaymentLogError as error:
        raise PageError(422, f"{error}.", "Correct the file and send it again.") from None
    record = balance_record(found, balance_filter)
    return JSONResponse(
        {key: to_json_value(value) for key, value in record.items()}
        | {"lines": [_row_json(line) for line in islice(found.lines, ROWS_MAX)]}
    )


def _row_json(line: BalancedLine) -> dict[str, Any]:
    record = difference_record(line)
    return {key: to_json_value(record[key]) for key in DIFFERENCES.keys}
