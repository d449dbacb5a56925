"""Upload the EMR's Payment Log. A preview shows how the file was read, before it is compared with Billing."""

import io
from typing import Annotated

from fastapi import APIRouter, File, Response, UploadFile

from console.reports.balancing import EMR_LOG_HEADINGS
from console.web.auth import Viewer
from console.web.body_limit import FILE_BYTES_MAX, too_large
from console.web.errors import PageError
from console.web.filters import RowId
from console.web.pages.choices import list_offered_ids
from console.web.pages.uploaded import load_log
from emr.payment_log import COLUMNS
from emr.payment_log_survey import survey_payment_log
from payments.access import uploaded_logs
from payments.journeys import configuring

router = APIRouter(prefix="/balancing/emr-logs", include_in_schema=False)

_NAME_MAX = 200


@router.post("")
def upload(file: Annotated[UploadFile, File()], context: Viewer) -> Response:
    """Store a file for the user, and show its preview.

    Raises PageError if the file is empty (422) or too large (413).
    """
    body = file.file.read(FILE_BYTES_MAX + 1)
    if len(body) > FILE_BYTES_MAX:
        raise too_large()
    if not body:
        raise PageError(422, "No file was chosen, or the file is empty.", "Choose the CSV file of the EMR.")
    name = "".join(each for each in file.filename or "" if each.isprintable())[:_NAME_MAX] or "file"
    with context.transaction() as tx:
        log_id = uploaded_logs.add(tx, context.user.name, name, body, context.now)
        context.audit(tx, "uploaded Payment Log", name, f"{len(body):,} bytes")
    return context.redirect(f"/balancing/emr-logs/{log_id}")


@router.get("/{log_id}")
def show(log_id: RowId, context: Viewer) -> Response:
    """Show how the columns of an uploaded file were read, its first rows, and its problems."""
    with context.transaction() as tx:
        log = load_log(tx, context, log_id)
        survey = survey_payment_log(io.BytesIO(log.body))
        known = {
            clinic
            for clinic in survey.clinics
            if configuring.list_clinic_ids(tx, context.user.scope.narrowed_to_clinic(clinic), 1)
        }
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed uploaded Payment Log", log.file_name)
    return context.page(
        "emr_log.html",
        log=log,
        survey=survey,
        columns={column: EMR_LOG_HEADINGS[column] for column in COLUMNS},
        known=[clinic for clinic in survey.clinics if clinic in known],
        unknown=[clinic for clinic in survey.clinics if clinic not in known],
        offered=offered,
    )


@router.post("/{log_id}/delete")
def delete(log_id: RowId, context: Viewer) -> Response:
    """Delete an uploaded file."""
    with context.transaction() as tx:
        uploaded_logs.remove(tx, context.user.name, log_id)
        context.audit(tx, "deleted uploaded Payment Log", str(log_id))
    return context.redirect("/balancing", "The uploaded file is deleted.")
