"""Create the data of two companies, and name the texts that users of the first one must not see."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from payments.access import authentication, users
from payments.access.authentication import AuditEntry
from payments.access.rights import Role, User
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import closing, requeue_runs
from payments.journeys.requeueing import FeedFilter
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import event_body, paid, payment_fields, saved_charge, saved_patient, saved_payment
from tests.console.web.balancing_probes import add_log
from tests.console.web.deposit_probes import add_deposit
from tests.console.web.drawer_probes import CHECKS, add_drawer
from tests.console.web.entry_probes import AMOUNT, add_entry
from tests.console.web.exception_probes import add_note
from tests.console.web.list_probes import add_views
from tests.console.web.operations_rows import add_operations
from tests.console.web.refund_probes import REFUNDED, add_refund
from tests.console.web.transfer_probes import MOVED, SISTER, add_transfer

OWN, FOREIGN = "alpha", "beta-company"
OWN_CLINIC, FOREIGN_CLINIC = "north", "beta-clinic"
FOREIGN_PATIENT, FOREIGN_USER, MONTH = "beta-patient", "beta-biller", "2026-05"
# A user of an earlier release whose companies are unknown: they belong to no company.
EARLIER_USER = "beta-earlier"
NEW_CLINIC, NEW_COMPANY = "beta-new-clinic", "beta-new-company"
FOREIGN_KEY = f"{FOREIGN_CLINIC}/beta-open/1"
# The data of the other company: its ids, the name of its patient, and its amounts, which are no seconds of a time.
FOREIGN_TEXTS = (
    FOREIGN,
    FOREIGN_CLINIC,
    FOREIGN_PATIENT,
    FOREIGN_USER,
    "beta-",
    "Beatrix",
    "73.19",
    "91.87",
    "67.31",
    "88.53",
    AMOUNT,
    CHECKS,
    REFUNDED,
    MOVED,
)
TEXTS_IN_REQUESTS = {
    *FOREIGN_TEXTS[:3],
    "beta-",
    "Beatrix",
    "73.19",
}  # the audit history shows what a user has asked for
ADMIN_OF_ALL = "operator-of-all"
TASK_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
# Their responses have no ids, names or amounts of payments. Another test compares their figures.
FIGURE_QUERIES = ({}, {"since": "2026-01-01"}, {"company": FOREIGN})
REQUESTS_WITHOUT_PAYMENT_DATA = {
    *("GET /claims-feed/newer", "GET /api/trends", "GET /balancing/emr-logs/{log_id}"),
    "GET /requeue-runs/new/export",
    "GET /claims-feed/newer",
    "GET /audit/summary",
    *("GET /api/openapi.json", "GET /api/would-flow", "GET /requeue-runs/new", "GET /api/requeue-preview"),
    *("GET /api/requeue-runs/{run_id}", "GET /own-account", "GET /help"),
}


class ForeignIds(NamedTuple):
    """Row ids of the other company.

    These are an exception, requeue runs, dead letters, a manual entry, a drawer, a deposit, a refund, and a transfer.

    The first run selects payments without a company. The last run selects payments of the other company.
    """

    exception: int
    runs: list[int]
    dead_letters: list[int]
    entry: int
    drawer: int
    deposit: int
    refund: int
    transfer: int


def publish_events(ledger: ClinicLedger, clinic: str, *events: Any, company: str) -> None:
    ledger.in_office(clinic, lambda office: office.publish(*events), company_id=company)


def fill_ledger(database: Database) -> None:
    """Store payments, exceptions, months, accounts, dead letters, runs and audit entries of both companies."""
    ledger, now = ClinicLedger(database), datetime.now(UTC)
    own = {"company_id": OWN, "clinic_id": OWN_CLINIC}
    publish_events(
        ledger, OWN_CLINIC, saved_payment(payment_id="own", **paid("25.00", "2026-06-05"), **own), company=OWN
    )
    ids = {"company_id": FOREIGN, "clinic_id": FOREIGN_CLINIC, "patient_id": FOREIGN_PATIENT}
    publish_events(
        ledger,
        FOREIGN_CLINIC,
        saved_patient(FOREIGN_PATIENT, company_id=FOREIGN, name="Beatrix"),
        saved_patient(SISTER, company_id=FOREIGN),
        saved_charge("beta-charge", "91.87", **ids),
        saved_payment(payment_id="beta-open", **paid("73.19", "2026-05-05"), **ids),
        company=FOREIGN,
    )
    with transaction(database) as tx:
        closing.begin_close(tx, FOREIGN, Month.parse(MONTH), now, f"user:{FOREIGN_USER}")
        closing.finish_close(tx, FOREIGN, Month.parse(MONTH), now)
    publish_events(
        ledger,
        FOREIGN_CLINIC,
        saved_payment(payment_id="beta-open", version=2, **paid("67.31", "2026-05-05"), **ids),
        saved_payment(payment_id="beta-held", **paid("88.53", "2026-06-05"), **ids | {"patient_id": "beta-nobody"}),
        event_body(payment_fields(payment_id="beta-refused", charge_type="Parking", **ids)),
        # Refused events of the other company, and of no readable company, that name the own clinic.
        event_body(payment_fields(charge_type="Parking", **ids | {"clinic_id": OWN_CLINIC}, payment_id="beta-a")),
        json.dumps({"clinic_id": OWN_CLINIC, "payment_id": "own", "line_id": "1", "patient_id": "beta-b"}).encode(),
        b"beta-unreadable",
        company=FOREIGN,
    )
    _add_unconfirmed(ledger)
    add_operations(database, FOREIGN, TASK_ID)
    _add_work(database, now)


def _add_work(database: Database, now: datetime) -> None:
    """Add a note, requeue runs, users, audit entries and an uploaded file of the other company."""
    with transaction(database) as tx:
        add_note(tx, FOREIGN, now)
        add_entry(tx, FOREIGN, FOREIGN_CLINIC, now)
        add_drawer(tx, FOREIGN, FOREIGN_CLINIC, now)
        add_deposit(tx, FOREIGN, FOREIGN_CLINIC, now)
        add_refund(tx, FOREIGN, FOREIGN_CLINIC, now)
        add_transfer(tx, FOREIGN, FOREIGN_CLINIC, now)
        for scope in (Scope(frozenset()), Scope.of_companies(FOREIGN)):
            chosen = FeedFilter(reason="invalid_event", find=FOREIGN_PATIENT, scope=scope)
            requeue_runs.start_run(tx, chosen, now, f"user:{FOREIGN_USER}")
        unknown = Scope(frozenset(), frozenset({FOREIGN_CLINIC}))
        users.add(tx, User(EARLIER_USER, Role.BILLING, unknown), "", now, "tests")
        for name in (FOREIGN_USER, EARLIER_USER):
            authentication.record_audit(tx, AuditEntry(now, f"user:{name}", "viewed account", FOREIGN_PATIENT))
    add_log(database, EARLIER_USER)


def _add_unconfirmed(ledger: ClinicLedger) -> None:
    """Add saved views, a new clinic and a new company. Both count as empty: each has only an Internal Payment."""
    named = {"clinic_id": NEW_CLINIC, "patient_id": FOREIGN_PATIENT, "payment_id": "beta-internal"}
    ledger.import_events(
        *(saved_payment(internal_payment=True, company_id=each, **named) for each in (FOREIGN, NEW_COMPANY))
    )
    add_views(ledger.database, FOREIGN, FOREIGN_USER)
