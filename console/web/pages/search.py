"""The page of the search in the header: patients and payments by name, id, key, check number or amount."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from console.reports.search import MATCHES, NEVER_SENT, SEARCH, SearchParameters, search_records
from console.web.auth import Viewer
from console.web.filters import ReportQuery, optional_report_query
from console.web.pages.choices import list_offered_ids
from payments import wording
from payments.contract.errors import dead_letter_id
from payments.journeys import searching

router = APIRouter(include_in_schema=False)


@router.get("/search")
def show(
    query: Annotated[ReportQuery[SearchParameters] | None, Depends(optional_report_query(SearchParameters))],
    context: Viewer,
) -> Response:
    """Show the patients and payments that match a text. Without a text, show the search form."""
    chosen = query.parameters if query else None
    with context.transaction() as tx:
        found = searching.search(tx, chosen.q, chosen.scope(context.user.scope)) if chosen else None
        offered = list_offered_ids(tx, context)
        if chosen:
            context.audit(tx, "searched", chosen.q)
    records = search_records(found) if found else []
    return context.page(
        "search.html",
        report=SEARCH,
        chosen=chosen,
        patients=[each for each in records if each["kind"] == "patient"],
        payments=[_page_row(each) for each in records if each["kind"] == "payment"],
        has_more=bool(found and found.has_more),
        matches=MATCHES,
        never_sent=NEVER_SENT,
        offered=offered,
    )


def _page_row(record: Any) -> dict[str, Any]:
    refused = record["refused"]
    return {
        **record,
        "key": refused or record["payment"],
        "shown": record["payment"] or f"Refused event {dead_letter_id(refused or '')}",
        "sentence": wording.reason(record["reason"]),
    }
