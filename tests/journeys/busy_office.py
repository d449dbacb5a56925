"""Create an office with payments in every state, and read the reports, rows and metrics of its company."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import text

from console.web.company_metrics import Unexplained, company_metrics
from payments.contract.event import Event
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import balancing, closing, dashboard, distributing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import ExceptionFilter, FeedFilter, PaymentLogFilter
from payments.store.db.connection import Transaction
from payments.store.tables import metadata
from tests.builders.events import (
    deleted_payment,
    event_body,
    next_version,
    paid,
    payment_fields,
    saved_charge,
    saved_payment,
)
from tests.builders.office import Office

FIRST_SAVE = saved_payment(payment_id="a", **paid("25.00", "2020-04-08"))
SECOND_SAVE = saved_payment(payment_id="b", **paid("30.00", "2020-06-05"))
CHANGED_SAVE = next_version(FIRST_SAVE, amount_due="35.00", amount_paid="35.00")
CHARGE_EVENT = saved_charge("visit", "10.00", date_of_service="2020-06-05")
LATER_EVENTS = [
    next_version(SECOND_SAVE, amount_due="31.00", amount_paid="31.00"),
    saved_payment(payment_id="new", **paid("7.00", "2020-06-08")),
    saved_charge("visit", "12.00", date_of_service="2020-06-05", version=2),
]
OFFICE_EVENTS: list[Event | bytes] = [
    SECOND_SAVE,
    CHARGE_EVENT,
    CHANGED_SAVE,
    saved_payment(payment_id="b", **paid("99.00", "2020-06-05")),  # a conflict
    saved_payment(payment_id="held", patient_id="stranger", **paid("3.00", "2020-06-07")),
    event_body(payment_fields(payment_id="wrong", method="wrong", version=3)),
    deleted_payment(payment_id="gone"),
]
EVENT_IDS = [str(each.event_id) for each in (FIRST_SAVE, SECOND_SAVE, CHANGED_SAVE, CHARGE_EVENT, *LATER_EVENTS)]
COMPANY_TABLES = [
    table.name
    for table in metadata.sorted_tables
    if "company_id" in table.columns and table.name not in {"account_marks", "events"}
]
RETRIED_AT, MEASURED_AT = (datetime(2020, 6, 10, hour, tzinfo=UTC) for hour in (14, 18))


def create_busy_office(tx: Transaction) -> Office:
    """Return an office with a closed April, and with exceptions, a held payment and dead letters."""
    office = Office(tx, date(2020, 4, 30))
    office.publish(FIRST_SAVE)
    office.set_today(date(2020, 6, 10))
    office.close_months("2020-04")
    office.publish(*OFFICE_EVENTS)
    office.distribute_all()
    return office


def continue_work(office: Office) -> dict[str, Any]:
    """Retry the held payments, and publish the office's later events. Return the reports of the office's company.

    The reports contain no ids of exceptions and entries, and no random delays. They do not depend on rows of other
    companies.
    """
    office.now = RETRIED_AT
    office.run_sweeps()
    office.publish(*LATER_EVENTS)
    office.distribute_all()
    seen = reports_of(office)
    for name in ("feed", "feed of clinic"):  # the delay of the next attempt is random
        seen[name] = [row._replace(next_try_at=None, refused=None) for row in seen[name]]
    seen["exceptions"] = [replace(row, id=0) for row in seen["exceptions"]]
    for name in ("log", "log of patient"):
        numbers = {row.entry: number for number, row in enumerate(seen[name])}
        seen[name] = [row._replace(entry=numbers[row.entry], reverses=numbers.get(row.reverses)) for row in seen[name]]
    return {name: rows for name, rows in seen.items() if name != "timelines"}


def rows_of(office: Office) -> dict[str, list[str]]:
    """Return all rows of the office's company."""
    query, company = "SELECT * FROM {} WHERE company_id = :id", {"id": office.company_id}
    return {name: sorted(map(repr, office.tx.execute(text(query.format(name)), company))) for name in COMPANY_TABLES}


def reports_of(office: Office) -> dict[str, Any]:
    """Return the content of all reports and metrics of the office's company."""
    tx, company = office.tx, office.company_id
    scope = Scope.of_companies(company)
    clinic = Scope.of_clinic(company, office.clinic_id)
    accounts = distributing.show_account(tx, "patient", scope)
    balance = balancing.balance(tx, BalanceFilter(scope=scope))
    return {
        "balance": (balance.emr_total, balance.billing_total, balance.items, list(balance.lines)),
        "feed": list(reporting.claims_feed(tx, FeedFilter(scope=scope))),
        "feed of clinic": list(reporting.claims_feed(tx, FeedFilter(scope=clinic))),
        "exceptions": list(reporting.exceptions(tx, ExceptionFilter(status=None, scope=scope))),
        "log": list(reporting.payment_log(tx, PaymentLogFilter(scope=scope))),
        "log of patient": list(reporting.payment_log(tx, PaymentLogFilter(patient_id="patient", scope=scope))),
        "account": [(row, list(distributing.show_allocations(tx, row, scope))) for row in accounts],
        "months": closing.list_months(tx, company),
        "warnings": [closing.close_warnings(tx, company, Month.parse(month)) for month in ("2020-04", "2020-06")],
        "timelines": [
            list(reporting.timeline(tx, f"clinic/{payment}/1", scope)) for payment in ("a", "b", "held", "gone")
        ],
        "metrics": metrics_of(office),
    }


def metrics_of(office: Office) -> list[tuple[str, dict[str, str], float]]:
    """Return the samples of the metrics that are labelled with the office's company."""
    balances = balancing.balance_last_week(office.tx, MEASURED_AT.date(), lambda error: True)
    unexplained = {
        clinic.company_id: Unexplained(int(balance.unexplained * 100), balance.unexplained_count)
        for clinic, balance in balances.items()
        if clinic.company_id == office.company_id
    }
    metrics = company_metrics(dashboard.read_gauges(office.tx, MEASURED_AT), unexplained, MEASURED_AT)
    samples = (sample for metric in metrics for sample in metric.samples)
    return [(each.name, each.labels, each.value) for each in samples if each.labels["company"] == office.company_id]
