"""Create work for sweeps, let the database refuse some rows, and read the postponed work."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from uuid import uuid4

from sqlalchemy import text

from payments.journeys import configuring, importing
from payments.journeys.configuring import CompanyUpdate
from payments.store.db.connection import Database, transaction
from tasks.adjusting import accept_by_policy
from tasks.detecting import detect_exceptions
from tasks.distributing import apply_immediately, distribute_payments
from tests.builders.committed import CommittedLedger
from tests.builders.events import (
    NOW,
    deleted_payment,
    paid,
    run_context,
    saved_charge,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.builders.office import Office

DAY = "2020-06-05"


@contextmanager
def refused_rows(database: Database, table: str, condition: str, sqlstate: str = "P0001") -> Iterator[None]:
    """Refuse each new or changed row of a table that meets a condition, such as `NEW.patient_id = 'bob'`."""
    with transaction(database) as tx:
        tx.execute(
            text(
                "CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION 'this row is refused' USING ERRCODE = '{sqlstate}'; END $$"
            )
        )
        tx.execute(
            text(
                f"CREATE TRIGGER refuse_row BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW WHEN ({condition}) "
                "EXECUTE FUNCTION refuse_row()"
            )
        )
    try:
        yield
    finally:
        with transaction(database) as tx:
            tx.execute(text("DROP FUNCTION refuse_row CASCADE"))


def postponed_work_of(database: Database, *companies: str) -> list[tuple[str, str, str, int]]:
    """Return the postponed work of these companies as (company, kind, item, failed attempts)."""
    found = (
        "SELECT company_id, kind, item_id, failed_attempts FROM postponed_work WHERE company_id = ANY(:companies) "
        "ORDER BY company_id, kind, item_id"
    )
    with transaction(database) as tx:
        return [tuple(row) for row in tx.execute(text(found), {"companies": list(companies)})]


def let_delays_end(database: Database) -> None:
    """Make the next attempt at all postponed work due now."""
    with transaction(database) as tx:
        tx.execute(
            text("UPDATE postponed_work SET next_try_at = now() - CAST(:margin AS interval)"),
            {"margin": timedelta(seconds=1)},
        )


def logged_items(log_entries: list) -> list[tuple[str, str, str]]:
    """Return the logged errors about postponed work as (company, kind, item)."""
    return [
        (each["company_id"], each["kind"], each["item_id"])
        for each in log_entries
        if each["event"] == "work_postponed" and each["log_level"] == "error"
    ]


def new_company(resources, prefix="zz"):
    """Create a company with the policy `auto`, and return its id, which begins with the prefix."""
    name = f"{prefix}-{uuid4()}"
    with transaction(resources.database) as tx:
        office = Office(tx, date(2020, 6, 10), name, name)
        configuring.set_company(tx, CompanyUpdate(name, adjustments="auto"), now=office.now, who="user:admin")
    return name


def finish_work(resources):
    """Finish or cancel the work that earlier tests left."""
    with transaction(resources.database) as tx:
        tx.execute(text("UPDATE company_months SET state = 'OPEN' WHERE state IN ('SCHEDULED', 'CLOSING')"))
        tx.execute(text("DELETE FROM postponed_work"))
        tx.execute(text("DELETE FROM job_runs"))
    detect_exceptions()
    accept_by_policy()
    apply_immediately()
    distribute_payments()


def delete_in_closed_month(resources, payments, *, detected=False):
    """Import `payments`, a dict from company to payment ids, close their month, and delete them.

    If `detected`, then detect exceptions.
    """
    deleted = []
    for company, names in payments.items():
        ids = {"company_id": company, "clinic_id": company}
        with transaction(resources.database) as tx:
            office = Office(tx, date(2020, 6, 10), company, company)
            office.publish(*(saved_payment(payment_id=each, **ids, **paid("25.00", "2020-04-08")) for each in names))
            office.close_months("2020-04")
        deleted += [deleted_payment(payment_id=each, version=2, **ids) for each in names]
    CommittedLedger(resources.database, NOW).import_events(*deleted)
    if detected:
        detect_exceptions()


def import_visits(resources, company, patients, **more):
    """Import a charge of 20.00 and a payment of 30.00 for each patient."""
    events = []
    for each in patients:
        ids = {"company_id": company, "clinic_id": company, "patient_id": each}
        events += [
            saved_patient(each, company_id=company),
            saved_charge(f"visit-{each}", "20.00", date_of_service=DAY, **ids),
            saved_payment(payment_id=each, **(paid("30.00", DAY) | more), **ids),
        ]
    with transaction(resources.database) as tx:
        importing.import_events(tx, stream_entries(events), run_context())


def query(resources, statement, **parameters):
    """Return the rows of a statement or, if the rows have one column, the values of this column."""
    with transaction(resources.database) as tx:
        return [row[0] if len(row) == 1 else tuple(row) for row in tx.execute(text(statement), parameters)]


def line_id(resources, company, payment):
    """Return the row id of the first line of a payment."""
    (found,) = query(
        resources,
        "SELECT id FROM lines WHERE company_id = :company AND payment_id = :payment",
        company=company,
        payment=payment,
    )
    return found


def payments_with(resources, table, *companies):
    """Return the sorted ids of those payments of `companies` that have a row in `table`."""
    return query(
        resources,
        f"SELECT payment_id FROM lines WHERE company_id = ANY(:companies) AND id IN (SELECT line_ref FROM {table}) "
        "ORDER BY payment_id",
        companies=list(companies),
    )
