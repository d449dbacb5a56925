"""Two companies with the same ids of clinics, patients, payments, charges and events, for the simulator's fortnight.

Their amounts, methods, settings and names differ, and each lacks some lines of the other. A report that confuses the
two companies therefore shows a difference.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from emr.payment_log import write_payment_log
from emr.simulator import clinics_of, simulate
from payments.contract.event import ChargeType, read_event
from payments.core.due_selection import DueSelection
from payments.core.month import Month
from payments.core.outcome import Status
from payments.core.postponed_work import Selection
from payments.core.scope import Scope
from payments.journeys import (
    adjusting,
    balancing,
    closing,
    configuring,
    detecting,
    distributing,
    importing,
    reporting,
    requeueing,
    retrying,
)
from payments.journeys.configuring import CompanyUpdate, SettingsUpdate
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.journeys.reporting import ExceptionFilter, FeedFilter
from payments.store.db.connection import Database, Transaction, transaction
from tests.builders.events import run_context, stream_entries

# In the past: commands and pages read the clock.
SEED, FIRST_DAY, CLINICS, DAYS = 7, date(2024, 9, 24), 3, 14
SET_UP, CLOSED_ON = datetime(2024, 9, 1, tzinfo=UTC), date(2024, 10, 2)
MONTHS_TO_CLOSE = (Month(2024, 8), Month(2024, 9))
CORRECTED_ON, SHARE_CORRECTED = date(2024, 10, 4), 6
BILLER = "user:biller"
CHUNKS_A_DAY, DAYS_AFTERWARDS, BATCH = 3, 4, 500
CHUNK_SPAN = timedelta(days=1) / CHUNKS_A_DAY


class IdenticalCompany(NamedTuple):
    """One of the two companies. Its amounts are the simulator's amounts times `factor`.

    It lacks every id whose CRC-32 is divisible by `modulus`. Its time zone is `timezone`.
    """

    id: str
    factor: int
    modulus: int
    timezone: str

    def lacks(self, key: str) -> bool:
        """Return whether this id does not exist in this company. It may exist in the other company."""
        return crc32(key.encode()) % self.modulus == 0


ALPHA = IdenticalCompany("alpha", 1, 7, "America/New_York")
BETA = IdenticalCompany("beta", 3, 5, "America/Los_Angeles")


class ArrivingEvent(NamedTuple):
    """The body of an event, and the time at which it arrives."""

    at: datetime
    body: bytes


@cache
def arrivals(company: IdenticalCompany) -> list[ArrivingEvent]:
    """Return the events of a company: the simulator's events, charges, invalid events and late corrections."""
    found = []
    for each in simulate(CLINICS, DAYS, SEED, FIRST_DAY):
        content = json.loads(each.event.model_dump_json(by_alias=True))
        own = [(each.arrives_at, changed) for changed in _events_of(company, content)]
        late = datetime.combine(CORRECTED_ON, time(number := crc32(each.event.event_id.bytes) % 20), UTC)
        own += [(late, event) for _, saved in own for event in _late_corrections(saved, number)]
        found += [ArrivingEvent(at, json.dumps(event).encode()) for at, event in own]
    return found


def _events_of(company: IdenticalCompany, content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    own = content | {"company_id": company.id}
    if own["type"] == "patient.saved":
        if not company.lacks(own["patient_id"] + "/patient"):
            yield own | {"name": f"{own['name']} of {company.id}"}
        return
    if company.lacks(f"{own['clinic_id']}/{own['payment_id']}"):
        return
    if own["type"] == "payment.deleted":
        yield own
        return
    own |= {name: str(Decimal(own[name]) * company.factor) for name in ("amount_due", "amount_paid")}
    yield own
    number = crc32(f"{own['clinic_id']}/{own['payment_id']}/{own['version']}".encode()) % 40
    if own["date_of_service"] and number % 2 == 0 and own["version"] == 1:
        yield _charge(own, insurance_open=number % 3 == 0)
    if number == 0:
        # An invalid payment, and a version that was sent before with another content.
        yield own | {"event_id": _event_id(own, "invalid"), "payment_id": f"{own['payment_id']}-x", "method": "Shell"}
        yield own | {"event_id": _event_id(own, "conflict"), "amount_paid": str(Decimal(own["amount_paid"]) + 1)}


def _late_corrections(saved: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Yield later versions of a payment after its month was closed: another amount, a deletion or an added line."""
    if saved["type"] != "payment.saved" or saved["transaction_date"] >= "2024-10" or number >= SHARE_CORRECTED:
        return
    changed = saved | {"event_id": _event_id(saved, "late"), "saved_at": f"{CORRECTED_ON}T01:00:00Z", "version": 9}
    match number % 3:
        case 0:
            yield changed | {name: str(Decimal(saved[name]) + 2) for name in ("amount_due", "amount_paid")}
        case 1:
            keys = "schema event_id company_id clinic_id patient_id payment_id line_id version saved_at".split()
            yield {name: changed[name] for name in keys} | {"type": "payment.deleted"}
        case 2:
            yield changed | {"line_id": f"{saved['line_id']}-late", "version": 1}


def _charge(payment: dict[str, Any], *, insurance_open: bool) -> dict[str, Any]:
    keys = "schema company_id clinic_id patient_id saved_at date_of_service".split()
    return {name: payment[name] for name in keys} | {
        "type": "charge.saved",
        "event_id": _event_id(payment, "charge"),
        "charge_id": f"charge-{payment['payment_id']}-{payment['line_id']}",
        "version": 1,
        "patient_balance": str(abs(Decimal(payment["amount_due"]))),
        "insurance_open": insurance_open,
    }


def _event_id(payment: dict[str, Any], kind: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{payment['event_id']}/{kind}"))


def payment_log(company: IdenticalCompany, file: Any) -> None:
    """Write the Payment Log that the EMR of a company would export. A few lines are missing."""
    bodies = [
        each.body for each in arrivals(company) if b"Shell" not in each.body and not company.lacks(str(each.body))
    ]
    write_payment_log(map(read_event, bodies), file)


def _slot_of(at: datetime) -> int:
    """Return the number of the eight-hour slot that contains a time. Slot 0 starts at 0:00 UTC on FIRST_DAY."""
    return (at - datetime.combine(FIRST_DAY, time(), UTC)) // CHUNK_SPAN


class Fortnight:
    """Two weeks of work in one database, for one company or for several. Each step commits."""

    def __init__(self, database: Database, companies: Sequence[IdenticalCompany]) -> None:
        self._database, self._companies, self._now = database, companies, SET_UP

    def run(self) -> None:
        """Set up the companies. Then run each day: imports, sweeps, decisions, and the nightly work."""
        self._set_up()
        mixed = sorted((each for company in self._companies for each in arrivals(company)), key=lambda each: each.at)
        # The same hours in each run, whether a company sends something or not. A version that arrives in the same hours
        # as a newer one is posted with it, and a retry depends on the hour.
        chunks = {hours: [*of_hours] for hours, of_hours in groupby(mixed, key=lambda each: _slot_of(each.at))}
        for number in range((DAYS + DAYS_AFTERWARDS) * CHUNKS_A_DAY):
            day, chunk_of_day = FIRST_DAY + timedelta(days=number // CHUNKS_A_DAY), number % CHUNKS_A_DAY
            self._now = datetime.combine(day, time(), UTC) + (chunk_of_day + 1) * CHUNK_SPAN - timedelta(minutes=1)
            bodies = [each.body for each in chunks.pop(number, ())]
            self._do(lambda tx, bodies=bodies: self._import(tx, bodies))
            self._do(self._sweep)
            if chunk_of_day == CHUNKS_A_DAY - 1:
                self._end_day(day)
        assert not chunks
        self._for_each_company(self._requeue)
        self._do(self._sweep)

    def _end_day(self, day: date) -> None:
        if day == CLOSED_ON:
            self._for_each_company(self._close_months)
            self._do(self._sweep)
        if day > CLOSED_ON:
            self._for_each_company(self._decide)
        self._do(lambda tx: distributing.distribute_accounts(tx, BEFORE_FIRST_ACCOUNT, None, self._now, 10_000))
        self._do(self._balance)

    def _balance(self, tx: Transaction) -> None:
        while balancing.balance_next_due(tx, self._now, BATCH, Selection()) is not None:
            pass

    def _do(self, work: Any) -> None:
        with transaction(self._database) as tx:
            work(tx)

    def _for_each_company(self, work: Any) -> None:
        for company in self._companies:
            self._do(lambda tx, company=company: work(tx, company))

    def _set_up(self) -> None:
        for clinic in clinics_of(CLINICS, SEED):
            for company in self._companies:
                types = clinic.types if company is ALPHA else (ChargeType.COPAY, *clinic.types[2:])
                update = SettingsUpdate(clinic.clinic_id, company.id, clinic.integration, types)
                self._do(lambda tx, update=update: configuring.set_clinic(tx, update, now=SET_UP, who="user:admin"))
        self._for_each_company(self._set_company)

    def _set_company(self, tx: Transaction, company: IdenticalCompany) -> None:
        update = CompanyUpdate(
            company.id, hold_days=company.factor, dos_first=company is BETA, timezone=company.timezone
        )
        configuring.set_company(tx, update, now=SET_UP, who="user:admin")

    def _import(self, tx: Transaction, bodies: Sequence[bytes]) -> None:
        importing.import_events(tx, stream_entries(bodies), run_context(self._now))

    def _sweep(self, tx: Transaction) -> None:
        retrying.retry_due(tx, run_context(self._now), DueSelection(BATCH))
        importing.retry_dead_letters(tx, run_context(self._now), DueSelection(BATCH))
        while detecting.detect(tx, self._now, "tests-1", BATCH).examined:
            pass
        while distributing.distribute_queued(tx, None, self._now, BATCH).last:
            pass

    def _close_months(self, tx: Transaction, company: IdenticalCompany) -> None:
        for month in MONTHS_TO_CLOSE:
            closing.begin_close(tx, company.id, month, self._now, BILLER)
            closing.finish_close(tx, company.id, month, self._now)

    def _decide(self, tx: Transaction, company: IdenticalCompany) -> None:
        """Accept a third of the acceptable exceptions, and acknowledge a ninth of all, chosen by a hash of the key."""
        acceptable = {*adjusting.list_acceptable(tx, company.id)}
        for row in [*reporting.exceptions(tx, ExceptionFilter(scope=Scope.of_companies(company.id)))]:
            number = crc32(row.payment.encode()) % 9
            if number % 3 == 1 and row.id in acceptable:
                adjusting.accept(tx, row.id, None, self._now, BILLER)
            elif number == 0:
                adjusting.acknowledge(tx, row.id, "as agreed", self._now, BILLER)

    def _requeue(self, tx: Transaction, company: IdenticalCompany) -> None:
        scope = Scope.of_companies(company.id)
        rows = [*reporting.claims_feed(tx, FeedFilter(status=Status.NOT_SENT, scope=scope))]
        requeueing.requeue(tx, [str(row.payment) for row in rows[::3]], self._now, "user:support", scope)
