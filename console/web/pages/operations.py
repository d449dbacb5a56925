"""The health of the installation, for operators: services, last night's jobs, waiting work and failures."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from console.installation_health import SECTIONS, HealthRequest, Installation, read_installation
from console.reports.operations import TASK_EVENTS, task_event_records
from console.reports.output import to_json_value
from console.web.auth import Operator
from console.web.context import RequestContext
from console.web.filters import Text
from console.web.schemas import PROBLEMS, InstallationHealth, success_response
from payments.journeys.operations import Operations, read_history_of_task, read_operations

router = APIRouter()

TASK_EVENTS_MAX = 500


@router.get("/operations", include_in_schema=False)
def show(context: Operator) -> Response:
    """Show the health of the installation. The page pings no workers, because it refreshes itself."""
    found = _read(context)
    return context.page("operations.html", found=found, reports=SECTIONS)


@router.get("/import-tasks/{task_id}", include_in_schema=False)
def show_task(task_id: Text, context: Operator) -> Response:
    """Show the payments that a Celery task imported or evaluated. Flower's page of the task links to this page."""
    with context.transaction() as tx:
        events = read_history_of_task(tx, task_id, context.user.scope, TASK_EVENTS_MAX + 1)
        context.audit(tx, "viewed task", task_id)
    rows = task_event_records(events[:TASK_EVENTS_MAX])
    has_more = len(events) > TASK_EVENTS_MAX
    return context.page("import_task.html", task_id=task_id, report=TASK_EVENTS, rows=rows, has_more=has_more)


@router.get("/api/operations", responses=PROBLEMS | success_response(InstallationHealth))
def health_of_installation(context: Operator) -> Response:
    """Return the health of the installation: its components, last night's jobs, waiting work and failures.

    Figures by company are limited to the user's companies.
    """
    found = _read(context)
    lists = {
        name: [{key: to_json_value(record[key]) for key in SECTIONS[name].keys} for record in records]
        for name, records in found.sections.items()
    }
    return JSONResponse({"is_healthy": found.is_healthy} | lists)


def _read(context: RequestContext) -> Installation:
    def read() -> Operations:
        with context.transaction() as tx:
            return read_operations(tx, context.now, context.user.scope)

    request = HealthRequest(context.app.engines, context.app.settings, context.user.scope)
    return read_installation(request, read)
