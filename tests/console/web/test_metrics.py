"""The metrics for Prometheus, and the names and labels that the dashboard and the alerts use."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from fastapi import FastAPI
from httpx import Client
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from config.schedule import RECURRING
from console.web.company_metrics import Unexplained
from console.web.context import AppState
from console.web.metric_definitions import METRICS
from console.web.metrics import CachedGauge, unexplained_by_company
from payments.core.outage import OutageReason
from payments.core.postponed_work import WorkItem, WorkKind
from payments.journeys import postponing
from payments.store.db.connection import transaction
from payments.store.db.isolation import ALL_COMPANIES
from tasks import recurring
from tasks.feed import outage
from tasks.feed.heartbeat import SCHEDULER_HEARTBEAT_KEY, send_heartbeat
from tests.builders.committed import ClinicLedger
from tests.builders.events import event_body, paid, payment_fields, saved_patient, saved_payment
from tests.console.web.conftest import METRICS_TOKEN
from tests.console.web.scenarios import edit_in_closed_month

OPS_FOLDER = Path(__file__).resolve().parents[3] / "docs" / "ops"
METRIC_NAME_PATTERN = re.compile(r"payments_[a-z_]+")
Samples = dict[str, dict[tuple[str, ...], float]]


def scrape(anonymous_client: Client) -> Samples:
    """Scrape the metrics, and return the value of each sample by metric name and sorted label values."""
    answer = anonymous_client.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})
    assert answer.status_code == 200
    return {
        family.name: {tuple(sorted(sample.labels.values())): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(answer.text)
    }


def test_metrics_match_the_ledger(anonymous_client: Client, ledger: ClinicLedger) -> None:
    before = scrape(anonymous_client)
    ledger.publish("measured", saved_payment(clinic_id="measured", internal_payment=True), b"{no event, measured")
    after = scrape(anonymous_client)

    assert set(after) == set(METRICS)
    for labels in (("Not Sent", "internal_payment"), ("Validation Failed", "invalid_event")):
        assert after["payments_count"][labels] - before["payments_count"].get(labels, 0) == 1
    assert after["payments_feed_up"] == {(): 1}
    assert after["payments_feed_length"] == {(): 0}
    assert after["payments_import_chunks"][()] >= 1
    assert after["payments_count"]["Not Sent", "retries_exhausted"] == 0


def test_outage_is_measured_in_seconds(anonymous_client: Client, site: FastAPI) -> None:
    feed = site.state.console.feed
    try:
        assert scrape(anonymous_client)["payments_import_paused_seconds"] == {(): 0}
        outage.report(feed, OutageReason.DISK_FULL)
        assert scrape(anonymous_client)["payments_import_paused_seconds"][()] > 0
    finally:
        feed.delete(outage.OUTAGE_KEY)


def test_payment_that_waits_for_its_patient_counts_as_no_retry(anonymous_client: Client, ledger: ClinicLedger) -> None:
    before = scrape(anonymous_client)
    ledger.publish("measured", saved_payment(clinic_id="measured", payment_id="early", patient_id="comes-later"))
    after = scrape(anonymous_client)

    assert after["payments_retrying"][()] - before["payments_retrying"][()] == 1
    assert after["payments_retries"][()] - before["payments_retries"][()] == 0


def test_failures_and_exceptions_are_counted_by_company(anonymous_client: Client, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "counted-a", "company-counted-a")
    ledger.in_office("counted-b", lambda office: None, company_id="company-counted-b")
    invalid = event_body(payment_fields(company_id="company-counted-b", clinic_id="counted-b", method="wrong"))
    before = scrape(anonymous_client)
    ledger.publish("counted-b-other", invalid)
    after = scrape(anonymous_client)

    assert after["payments_company_exceptions_open"]["company-counted-a",] == 1
    assert after["payments_company_exceptions_open"]["company-counted-b",] == 0
    assert after["payments_company_exceptions_oldest_seconds"]["company-counted-a",] >= 0
    for samples, counts in ((before, [0, 0]), (after, [0, 1])):
        failed = samples["payments_company_failed"]
        assert [failed[f"company-counted-{each}", "invalid_event"] for each in "ab"] == counts
    assert after["payments_company_failed"]["company-counted-a", "retries_exhausted"] == 0


def test_postponed_work_is_counted_by_company_and_kind(anonymous_client: Client, ledger: ClinicLedger) -> None:
    kind = WorkKind.DETECT_EXCEPTION
    for item in ("1", "2"):
        with transaction(ledger.database) as tx:
            postponing.postpone(tx, kind, WorkItem("company-postponed", item), "ValueError", ledger.now())

    postponed = scrape(anonymous_client)["payments_postponed_work"]

    assert postponed["company-postponed", kind] == 2


def test_unexplained_amounts_of_companies_do_not_cancel_out(site: FastAPI, ledger: ClinicLedger) -> None:
    day = "2031-03-05"
    for company in ("cancel-a", "cancel-b"):
        ledger.in_office(company, lambda office: None, company_id=company)
        paid_then = saved_payment(company_id=company, clinic_id=company, **paid("25.00", day))
        ledger.import_events(saved_patient(company_id=company), paid_then)
    app, changes = site.state.console, {"cancel-a": 5, "cancel-b": -5}
    change_amounts(app, changes)
    found = unexplained_by_company(app, datetime(2031, 3, 12, tzinfo=UTC))
    change_amounts(app, {company: -change for company, change in changes.items()})

    assert {company: found[company] for company in changes} == {
        "cancel-a": Unexplained(500, 1),
        "cancel-b": Unexplained(-500, 1),
    }


def test_company_that_cannot_be_balanced_hides_no_other_company(site: FastAPI, ledger: ClinicLedger) -> None:
    day = "2031-04-02"
    for company in ("unreadable", "readable"):
        ledger.in_office(company, lambda office: None, company_id=company)
        paid_then = saved_payment(company_id=company, clinic_id=company, **paid("25.00", day))
        ledger.import_events(saved_patient(company_id=company), paid_then)
    app, changes = site.state.console, {"unreadable": 5, "readable": 5}
    change_amounts(app, changes)
    set_reason = "UPDATE lines SET reason = :reason WHERE company_id = 'unreadable'"
    with transaction(ledger.database) as tx:
        tx.execute(text(set_reason), {"reason": "of a newer release"})
    found = unexplained_by_company(app, datetime(2031, 4, 9, tzinfo=UTC))
    change_amounts(app, {company: -change for company, change in changes.items()})
    with transaction(ledger.database) as tx:
        tx.execute(text(set_reason), {"reason": None})

    assert found == {"readable": Unexplained(500, 1)}


def change_amounts(app: AppState, changes: Mapping[str, int]) -> None:
    """Add dollars to the stored amounts of companies, as an error in the software could."""
    with app.transaction(ALL_COMPANIES) as tx:
        for company, change in changes.items():
            update = "UPDATE lines SET amount_paid = amount_paid + :change WHERE company_id = :company"
            tx.execute(text(update), {"company": company, "change": change})


def test_no_alarm_uses_a_sum_in_which_companies_can_cancel_out() -> None:
    """In a sum over companies, a rise in one company can hide a fall in another."""
    hiding = [each for each in alert_expressions() if "delta(payments_count" in each or "payments_unexplained" in each]

    assert hiding == []


def test_scheduler_and_late_tasks_are_measured(anonymous_client: Client, site: FastAPI) -> None:
    feed, (first, second, *_) = site.state.console.feed, RECURRING
    assert scrape(anonymous_client)["payments_scheduler_up"] == {(): 0}

    send_heartbeat(feed, SCHEDULER_HEARTBEAT_KEY, 30)
    for task in (first.task, second.task):
        recurring.record_success(feed, task)
    key = recurring.success_key(second.task)
    feed.expire(key, feed.ttl(key) - 250)  # as if it had succeeded 250 s ago
    measured = scrape(anonymous_client)
    feed.flushdb()

    assert measured["payments_scheduler_up"] == {(): 1}
    ages = measured["payments_recurring_task_seconds"]
    assert ages[first.task,] < 60 < ages[second.task,]
    assert measured["payments_recurring_tasks_late"] == {(): 1}


def test_gauge_is_cached_100_times_as_long_as_its_computation_took(site: FastAPI) -> None:
    begun = datetime(2026, 6, 10, tzinfo=UTC)
    clock = iter([begun, begun + timedelta(seconds=3)] * 2)
    timed = replace(site.state.console, clock=lambda: next(clock))
    counted = iter(range(10))
    kept = CachedGauge(lambda *_: next(counted), timedelta(minutes=1))

    def read(minutes: float) -> int:
        return kept.read(timed, begun + timedelta(minutes=minutes))

    assert [read(minutes) for minutes in (0, 1, 4.9, 5, 9.9)] == [0, 0, 0, 1, 1]


def test_dashboard_shows_every_metric_and_no_other() -> None:
    assert {name for expression in dashboard_expressions() for name in METRIC_NAME_PATTERN.findall(expression)} == set(
        METRICS
    )


def test_alerts_use_only_existing_metrics() -> None:
    alerts = alert_expressions()

    assert len(alerts) == (OPS_FOLDER / "alerts.yml").read_text().count("- alert:")
    assert {name for expression in alerts for name in METRIC_NAME_PATTERN.findall(expression)} <= set(METRICS)


def test_dashboard_and_alerts_use_only_existing_labels(anonymous_client: Client, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "labelled", "company-labelled")
    answer = anonymous_client.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})
    families = {family.name: family.samples for family in text_string_to_metric_families(answer.text)}
    expressions = [*alert_expressions(), *dashboard_expressions()]
    matched = [
        (name, label, value)
        for expression in expressions
        for name, labels in re.findall(r"(payments_[a-z_]+){([^}]*)}", expression)
        for label, value in re.findall(r'(\w+)!?="([^"]*)"', labels)
    ]
    grouped = [label for expression in expressions for label in re.findall(r"\bby \((\w+)\)", expression)]

    assert matched
    for name, label, value in matched:
        assert value in {sample.labels.get(label) for sample in families[name]}, (name, label, value)
    assert set(grouped) <= {label for samples in families.values() for sample in samples for label in sample.labels}


def alert_expressions() -> list[str]:
    groups = yaml.safe_load((OPS_FOLDER / "alerts.yml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    dashboard = json.loads((OPS_FOLDER / "grafana.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
