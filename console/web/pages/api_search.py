"""The API call of the search."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.search import SEARCH, SearchParameters, search_records
from console.web.api_rows import rows_response
from console.web.auth import Viewer
from console.web.filters import ReportQuery, report_query
from console.web.schemas import PROBLEMS, Rows, success_response
from payments.journeys import searching

router = APIRouter(prefix="/api", responses=PROBLEMS)


@router.get("/search", responses=success_response(Rows))
def search(
    query: Annotated[ReportQuery[SearchParameters], Depends(report_query(SearchParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Find patients and payments by name, id, key, check number or amount. The best hits come first."""
    with context.transaction() as tx:
        found = searching.search(tx, query.parameters.q, query.parameters.scope(context.user.scope))
        context.audit(tx, "searched", query.parameters.q, "API")
    return rows_response(search_records(found), SEARCH)
