"""The page of a refused event: the unchanged event, and the error that names the wrong field."""

from fastapi import APIRouter, Response

from console.reports.refused_event import REFUSED_EVENT, event_text
from console.web.auth import Requeuer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import RowId
from payments import wording
from payments.journeys import refused_events
from payments.journeys.refused_events import RefusedEventRow

router = APIRouter(include_in_schema=False)


@router.get("/refused-events/{event_id}")
def show(event_id: RowId, context: Requeuer) -> Response:
    """Show a refused event with the error."""
    event = read_audited(context, event_id, "viewed refused event")
    return context.page(
        "refused_event.html",
        report=REFUSED_EVENT,
        event=event,
        text=event_text(event),
        sentence=wording.reason(event.reason),
    )


@router.get("/refused-events/{event_id}/file")
def download(event_id: RowId, context: Requeuer) -> Response:
    """Send the bytes of a refused event as a file."""
    event = read_audited(context, event_id, "exported refused event")
    name = f'attachment; filename="refused-event-{event.id}.txt"'
    return Response(event.body, media_type="application/octet-stream", headers={"Content-Disposition": name})


def read_audited(context: RequestContext, event_id: int, action: str, detail: str = "") -> RefusedEventRow:
    """Return a refused event, and record in the audit history that the user has read it.

    Raises PageError (404) if there is no event with this id in the user's scope.
    """
    with context.transaction() as tx:
        event = refused_events.read_event(tx, event_id, context.user.scope)
        if event is None:
            raise PageError(404, f"There is no refused event {event_id}.", "Open it from the Claims Feed.")
        context.audit(tx, action, event.key, detail, event.company)
    return event
