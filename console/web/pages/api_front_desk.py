"""The API of the front desk: whether a payment would be sent to Billing and posted."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from console.web.auth import Viewer
from console.web.pages.would_flow import FlowQuery, preview_flow
from console.web.schemas import PROBLEMS, FlowPreview, success_response
from payments.flow_wording import flow_answer

router = APIRouter(prefix="/api", responses=PROBLEMS)


@router.get("/would-flow", responses=success_response(FlowPreview))
def would_flow(query: Annotated[FlowQuery, Query()], context: Viewer) -> Response:
    """Return whether a payment would be sent to Billing and posted if it were saved now, and what to do about it."""
    preview = preview_flow(context, query)
    answer = flow_answer(preview)
    return JSONResponse(
        {
            "flows": preview.would_be_sent,
            "reason": preview.reason,
            "month_state": preview.month_state,
            "sentence": answer.sentence,
            "posted": preview.would_be_posted,
            "status": preview.status,
            "next": answer.next_step or None,
        }
    )
