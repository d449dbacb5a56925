"""Requeueing all that match: counted before, confirmed, done in steps that can be watched and stopped."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Response
from pydantic import ValidationError

from console.web.auth import Requeuer
from console.web.context import AppState, RequestContext
from console.web.errors import PageError
from console.web.filters import FeedChoice
from console.web.pages.claims_feed import REQUEUEABLE
from console.web.rendering import url
from payments.core.outcome import Reason
from payments.journeys import requeueing
from payments.journeys.requeueing import FeedFilter, RequeueRun
from tasks import enqueue

router = APIRouter(include_in_schema=False)

STEP_ROWS = 500
STALLED_AFTER = timedelta(seconds=30)


@router.get("/requeue-runs/new")
def confirm(choice: Annotated[FeedChoice, Query()], context: Requeuer) -> Response:
    """Count what matches, foresee what would become of it, and ask."""
    _check(choice)
    wanted = choice.wanted(context.user)
    with context.app.transaction() as tx:
        foreseen = requeueing.preview_requeue(tx, wanted, context.now)
    return context.page("requeue_new.html", foreseen=foreseen, chosen=_in_words(wanted), fields=_fields(choice))


@router.post("/requeue-runs")
def begin(tasks: BackgroundTasks, context: Requeuer) -> Response:
    """Begin a run; it goes on whoever watches."""
    try:
        choice = FeedChoice.model_validate({name: value for name, value in context.form.items() if name != "csrf"})
    except ValidationError:
        raise PageError(422, "This choice of payments cannot be read.", "Go back to the Claims Feed.") from None
    _check(choice)
    wanted = choice.wanted(context.user)
    with context.app.transaction() as tx:
        number = requeueing.start_run(tx, wanted, context.now, context.user.signature)
        context.audit(tx, "requeued all that match", f"run {number}", ", ".join(_in_words(wanted)))
    return _going(context, number, tasks)


@router.get("/requeue-runs/{number}")
def show(number: int, context: Requeuer) -> Response:
    """Show how far a run is; the page loads itself again while it goes on."""
    run = own_run(context, number)
    stalled = run.state == "running" and context.now - run.updated_at > STALLED_AFTER
    percent = 100 if run.state == "done" or not run.total else min(99, run.done * 100 // run.total)
    feed = url(
        "/claims-feed",
        clinic=(run.feed_filter.clinics or ("",))[0] if len(run.feed_filter.clinics or ()) == 1 else None,
    )
    chosen = _in_words(run.feed_filter)
    return context.page("requeue_run.html", run=run, stalled=stalled, percent=percent, feed=feed, chosen=chosen)


@router.post("/requeue-runs/{number}/stop")
def stop(number: int, context: Requeuer) -> Response:
    """Stop a run after the step that it is at."""
    own_run(context, number)
    with context.app.transaction() as tx:
        requeueing.stop_run(tx, number, context.now)
        context.audit(tx, "requeue stopped", f"run {number}")
    return context.redirect(f"/requeue-runs/{number}")


@router.post("/requeue-runs/{number}/resume")
def resume(number: int, tasks: BackgroundTasks, context: Requeuer) -> Response:
    """Go on with a run that was stopped, or that ended with its console."""
    own_run(context, number)
    with context.app.transaction() as tx:
        requeueing.resume_run(tx, number, context.now)
        context.audit(tx, "requeue resumed", f"run {number}")
    return _going(context, number, tasks)


def own_run(context: RequestContext, number: int) -> RequeueRun:
    """Return a run, of which the visitor has to be allowed to see all."""
    with context.app.transaction() as tx:
        run = requeueing.show_run(tx, number) if 0 < number < 2**62 else None
    seen = context.user.clinics
    if run is None or (seen is not None and not set(run.feed_filter.clinics or ("",)) <= set(seen)):
        raise PageError(404, "There is no such run.", "Choose payments on the Claims Feed and requeue them.")
    return run


def run_to_its_end(app: AppState, number: int) -> None:
    """Do a run step by step until it is done or stopped, and nudge the importer at each."""
    goes_on = True
    while goes_on:
        with app.transaction() as tx:
            goes_on = requeueing.requeue_next_chunk(tx, number, datetime.now(UTC), STEP_ROWS)
        enqueue.enqueue_retry_due(app.settings, app.engines)


def _going(context: RequestContext, number: int, tasks: BackgroundTasks) -> Response:
    # It begins once the answer is on its way; the answer carries it, because FastAPI asks that of a response of ours.
    tasks.add_task(run_to_its_end, context.app, number)
    answer = context.redirect(f"/requeue-runs/{number}")
    answer.background = tasks
    return answer


def _check(choice: FeedChoice) -> None:
    if choice.status not in REQUEUEABLE and not (choice.status is None and choice.reason):
        raise PageError(
            422,
            "Choose which payments to requeue: by their status Not Sent, Transmission Pending or Validation Failed, "
            "or by a reason.",
            "Set it on the Claims Feed.",
        )


def _fields(choice: FeedChoice) -> dict[str, object]:
    return choice.model_dump(mode="json", exclude_none=True, exclude={"after"})


def _in_words(feed_filter: FeedFilter) -> list[str]:
    clinics = feed_filter.clinics or ()
    said = {
        "": feed_filter.status,
        "reason:": feed_filter.reason and Reason(feed_filter.reason).sentence.rstrip("."),
        "saved from": feed_filter.since,
        "saved until": feed_filter.until,
        "clinic": ", ".join(clinics) if len(clinics) < 4 else f"one of {len(clinics)}",
        "patient": feed_filter.patient,
        "payment": feed_filter.payment,
        "amount": feed_filter.amount,
    }
    return [f"{name} {value}".strip() for name, value in said.items() if value not in (None, "")]
