"""Wording of nightly jobs, postponed work and requeue results: render codes as text for operators."""

from collections.abc import Mapping

from payments import wording
from payments.core.month import Month
from payments.core.nightly_job import NightlyJob, NightlyState, Progress
from payments.core.outcome import Reason
from payments.core.postponed_work import WorkKind
from payments.core.requeue_result import RequeueResult

JOB_NAMES: Mapping[NightlyJob, str] = {
    NightlyJob.DISTRIBUTION: "Nightly distribution",
    NightlyJob.BALANCING: "Nightly balancing",
    NightlyJob.CLOSE: "Month close",
}
WORK_KIND_NAMES: Mapping[WorkKind, str] = {
    WorkKind.DETECT_EXCEPTION: "Detect an exception",
    WorkKind.ACCEPT_EXCEPTION: "Accept an exception by policy",
    WorkKind.APPLY_IMMEDIATELY: "Apply an account's money immediately",
    WorkKind.DISTRIBUTE_ACCOUNT: "Distribute an account",
    WorkKind.DISTRIBUTE_COMPANY: "Distribute a company",
    WorkKind.BALANCE_COMPANY: "Balance a company",
    WorkKind.SNAPSHOT_COMPANY: "Record the work queues of a company",
    WorkKind.CLOSE_MONTH: "Close a month",
    WorkKind.REQUEUE_RUN: "Continue a requeue run",
}
REQUEUE_RESULT_SENTENCES: Mapping[RequeueResult, str] = {
    RequeueResult.IMPORTED: "Imported.",
    RequeueResult.ZERO_DUE: "Exception: Amount Due is 0.00. A biller decides.",
    RequeueResult.CLOSED_MONTH: "Exception: the month is closed. A biller decides.",
    RequeueResult.NOTHING_TO_POST: "Transmitted; nothing to post.",
    RequeueResult.PATIENT_NOT_FOUND: "Held until the EMR sends the patient.",
    RequeueResult.MONTH_CLOSING: "Held until the month is closed.",
    RequeueResult.RETRYING: "Held after an error; tried again later.",
    RequeueResult.PROCESSED_AGAIN: "Processed again.",
    RequeueResult.WAITING: "Waiting for evaluation.",
    RequeueResult.NOT_SENT: "Still Not Sent.",
}


def job_name(kind: NightlyJob, month: Month | None) -> str:
    """Return the name of a nightly job. `month` is the month of a close, otherwise None."""
    return f"{JOB_NAMES[kind]} {month}" if month else JOB_NAMES[kind]


def work_kind_name(kind: str) -> str:
    """Return the name of a kind of recurring work. An unknown kind, of a later release, is returned unchanged."""
    return WORK_KIND_NAMES[WorkKind(kind)] if kind in set(WorkKind) else kind


def requeue_result(result: RequeueResult, reason: Reason | None) -> str:
    """Return the result of requeued payments as a sentence. `reason` is the reason of payments that are not sent."""
    words = (
        f"Still {reason.status}." if result is RequeueResult.NOT_SENT and reason else REQUEUE_RESULT_SENTENCES[result]
    )
    return " ".join(filter(None, (words, wording.reason(reason))))


def nightly_result(kind: NightlyJob, progress: Progress | None, failed_items: int) -> str:
    """Return the work that a nightly job did, as a sentence. Empty if no progress is stored."""
    failed = f"{failed_items:,} accounts failed and are tried again." if failed_items else ""
    if progress is None:
        return failed
    if kind is NightlyJob.DISTRIBUTION:
        done = f"{progress.examined:,} accounts, {progress.found:,} allocations, {progress.amount:,.2f} applied."
    elif progress.found:
        done = f"{progress.examined:,} clinics; unexplained: {progress.amount:,.2f} in {progress.found:,} payments."
    else:
        done = f"{progress.examined:,} clinics; balanced to the cent."
    return " ".join(filter(None, (done, failed)))


def nightly_next_step(kind: NightlyJob, state: NightlyState, progress: Progress | None, failed_items: int) -> str:
    """Return the next step for a nightly job. Empty if nothing needs to be done."""
    match state:
        case NightlyState.FAILED:
            return "It is tried again automatically. If it fails again, search the log for work_postponed."
        case NightlyState.OVERDUE:
            return "Check that the scheduler and the back office run."
        case _ if failed_items:
            return "See these accounts under Postponed work, with their errors."
        case _ if kind is NightlyJob.BALANCING and progress is not None and progress.found:
            return "Open Balancing for the last full week: it lists the payments whose amounts differ."
        case _:
            return ""
