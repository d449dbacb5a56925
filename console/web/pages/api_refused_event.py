"""The API of refused events: the unchanged event, and the error that names the wrong field."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from console.reports.output import to_json_value
from console.reports.refused_event import REFUSED_EVENT, refused_event_record
from console.web.auth import Requeuer
from console.web.filters import RowId
from console.web.pages.refused_event import read_audited
from console.web.schemas import PROBLEMS, RefusedEvent, success_response

router = APIRouter(prefix="/api", responses=PROBLEMS)


@router.get("/refused-events/{event_id}", responses=success_response(RefusedEvent))
def refused_event(event_id: RowId, context: Requeuer) -> Response:
    """Return a refused event unchanged. `error` says what is wrong, and `field` names the wrong field."""
    record = refused_event_record(read_audited(context, event_id, "viewed refused event", "API"))
    return JSONResponse({key: to_json_value(record[key]) for key in REFUSED_EVENT.keys})
