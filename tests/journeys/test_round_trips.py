"""An import needs few round trips to PostgreSQL, because each one costs the delay of the network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.pq import Trace
from sqlalchemy import event

from payments.contract.event import Event
from payments.store.db.connection import Database, connect
from tests.builders.committed import CommittedLedger
from tests.builders.events import next_version, saved_charge, saved_patient, saved_payment

NAMES = {"company_id": "trips", "clinic_id": "trips", "patient_id": "trips"}
WAITS = ("Sync", "Query", "CopyDone")
"""The messages after which a client waits for the server."""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A file for libpq's trace of the messages of a connection."""
    path = tmp_path / "trace"
    path.touch()
    return path


@pytest.fixture
def ledger(shared_database: Database, trace: Path) -> Iterator[CommittedLedger]:
    """A ledger with one connection, whose messages are traced."""
    engine = connect(shared_database.url.render_as_string(hide_password=False), application_name="tests", pool_size=1)
    with trace.open("wb") as file:

        def begin_trace(connection: Any, _record: object) -> None:
            connection.pgconn.trace(file.fileno())
            connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS | Trace.REGRESS_MODE)

        event.listen(engine, "connect", begin_trace)
        yield CommittedLedger(engine)
        engine.dispose()


def round_trips(trace: Path) -> int:
    """Return the number of round trips so far."""
    messages = [line.split("\t") for line in trace.read_text(errors="replace").splitlines()]
    return sum(message[0] == "F" and message[2] in WAITS for message in messages)


@pytest.mark.parametrize(
    ("events", "trips"),
    [
        ([saved_payment(payment_id="lone", **NAMES)], 4),
        ([saved_payment(payment_id=f"of-few-{number}", **NAMES) for number in range(10)], 4),
        ([saved_payment(payment_id="poa", charge_type="Payment on Account", **NAMES)], 4),
        ([next_version(saved_payment(payment_id="warm", **NAMES), amount_paid="20.00")], 5),
        ([saved_charge("trips", "40.00", **NAMES)], 4),
        ([saved_payment(payment_id="unknown", **NAMES | {"patient_id": "never-saved"})], 7),
    ],
    ids=[
        "a payment",
        "ten payments",
        "a Payment on Account",
        "a change",
        "a charge",
        "a payment of an unknown patient",
    ],
)
def test_import_takes_few_round_trips(ledger: CommittedLedger, trace: Path, events: list[Event], trips: int) -> None:
    ledger.set_clinic("trips", company_id="trips")
    ledger.import_events(saved_patient("trips", company_id="trips"), saved_payment(payment_id="warm", **NAMES))
    before = round_trips(trace)

    ledger.import_events(*events)

    assert round_trips(trace) - before == trips
