"""The metrics for Prometheus: their names, help texts and labels.

The metrics named `payments_company_*` have a value for each company, so that alarms find a problem of one company that
a sum over all companies would hide. The other metrics describe the installation.
"""

from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily


class MetricDefinition(NamedTuple):
    """Help text and labels of a metric."""

    meaning: str
    labels: tuple[str, ...] = ()


METRICS = {
    "payments_feed_up": MetricDefinition("1 if Redis answered, else 0."),
    "payments_feed_length": MetricDefinition("Entries of the event streams that are not yet acknowledged."),
    "payments_feed_unread": MetricDefinition("Entries that no importer has read yet."),
    "payments_feed_outstanding": MetricDefinition(
        "Entries that an importer has read and that are not yet acknowledged."
    ),
    "payments_feed_kept": MetricDefinition(
        "Acknowledged entries that are still on the event streams (`PAYMENTS_KEEP_ENTRIES`)."
    ),
    "payments_feed_trimmed_early": MetricDefinition(
        "Kept entries that were deleted before their time, because the memory of Redis was short."
    ),
    "payments_feed_deleted": MetricDefinition(
        "Pending entries that were deleted from a stream before they were imported."
    ),
    "payments_import_paused_seconds": MetricDefinition("How long an outage has paused the import; 0 while it runs."),
    "payments_feed_oldest_seconds": MetricDefinition(
        "Age of the oldest entry: by the timestamp in its id or, if that is not plausible, since it was first seen."
    ),
    "payments_scheduler_up": MetricDefinition(
        "1 if the scheduler has told Redis within 30 seconds that it runs, else 0."
    ),
    "payments_recurring_task_seconds": MetricDefinition("Time since each recurring task last succeeded.", ("task",)),
    "payments_recurring_tasks_late": MetricDefinition(
        "Recurring tasks whose last success is older than three of their intervals plus one minute."
    ),
    "payments_count": MetricDefinition("Payments by status and reason.", ("status", "reason")),
    "payments_retrying": MetricDefinition("Payments that wait: for a retry, their patient, or the close of a month."),
    "payments_retries": MetricDefinition("Attempts of the last five minutes that failed and are tried again."),
    "payments_waiting_oldest_seconds": MetricDefinition(
        "Time since the save of the oldest payment that waits for a retry."
    ),
    "payments_exceptions_open": MetricDefinition("Open Billing Exceptions.", ("reason",)),
    "payments_exceptions_oldest_seconds": MetricDefinition("Age of the oldest open Billing Exception.", ("reason",)),
    "payments_company_failed": MetricDefinition(
        "A company's payments that failed for a reason that needs action.", ("company", "reason")
    ),
    "payments_company_exceptions_open": MetricDefinition("Open Billing Exceptions of a company.", ("company",)),
    "payments_company_exceptions_oldest_seconds": MetricDefinition(
        "Age of a company's oldest open Billing Exception.", ("company",)
    ),
    "payments_company_unexplained_cents": MetricDefinition(
        "Unexplained amount between the EMR and Billing of a company, last full week.", ("company",)
    ),
    "payments_company_unexplained_lines": MetricDefinition(
        "Unexplained payments of a company, last full week.", ("company",)
    ),
    "payments_postponed_work": MetricDefinition(
        "Items of recurring work that failed and wait for their next attempt.",
        ("company", "kind"),
    ),
    "payments_standbys_synchronous": MetricDefinition(
        "Connected standbys of PostgreSQL for which commits wait. Needs `GRANT pg_read_all_stats TO payments_console`, "
        "as do the other metrics of standbys."
    ),
    "payments_standbys_asynchronous": MetricDefinition("Connected standbys that may lack the latest commits."),
    "payments_standby_lag_seconds": MetricDefinition("Longest time until a connected standby has a change on disk."),
    "payments_commits_wait_for_standby": MetricDefinition(
        "1 if `synchronous_standby_names` has commits wait for a standby, else 0."
    ),
    "payments_import_chunks": MetricDefinition("Import chunks of the last five minutes."),
    "payments_import_chunk_seconds": MetricDefinition(
        "Duration of the import chunks of the last five minutes: median and slowest.", ("which",)
    ),
    "payments_import_chunk_size": MetricDefinition(
        "Payments in the import chunks of the last five minutes: median and largest.", ("which",)
    ),
    "payments_unexplained_cents": MetricDefinition("Unexplained amount between the EMR and Billing, last full week."),
    "payments_unexplained_lines": MetricDefinition("Unexplained payments, last full week."),
}


def new_metric(name: str, value: float | None = None) -> GaugeMetricFamily:
    """Return a metric. If a value is given, the metric has one sample without labels, otherwise no samples."""
    meaning, labels = METRICS[name]
    return GaugeMetricFamily(name, meaning, value=value, labels=list(labels) or None)
