"""EMRs for `bench.moving`: companies that publish continuously, and one whose events go through an outbox."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from emr import outbox
from emr.client import PaymentFeed
from payments.contract.event import ChargeType, Event, read_event

CLINICS, PATIENTS_PER_CLINIC = 10, 200
FIRST_DAY, DAYS = date(2026, 4, 1), 90
EDITED_SHARE = 0.2
"""The share of saves that change a payment. All other saves are new payments."""
_TYPES = [kind.value for kind in ChargeType if kind is not ChargeType.PAYMENT_ON_ACCOUNT]


class Company:
    """A simulated EMR of one company. `newest` holds the newest save of each payment, by payment id."""

    def __init__(self, company_id: str, seed: int = 1) -> None:
        self.id, self.newest = company_id, dict[str, bytes]()
        self._rng, self._ids = Random(f"{company_id}/{seed}"), list[str]()

    @property
    def clinics(self) -> list[str]:
        """The ids of the company's clinics. They are the same for every company."""
        return [f"clinic-{number}" for number in range(CLINICS)]

    def patients(self) -> Iterator[bytes]:
        """Yield a save of every patient, except each hundredth. Payments of the omitted patients are held."""
        for number in range(CLINICS * PATIENTS_PER_CLINIC):
            if number % 100:
                yield self._body({"type": "patient.saved", "patient_id": f"patient-{number}", "version": 1})

    def payments(self, count: int) -> Iterator[bytes]:
        """Yield the saves of `count` new payments."""
        for _ in range(count):
            yield self._payment(f"p-{len(self._ids)}")

    def save(self) -> bytes:
        """Return the next save, of a new or a changed payment."""
        if self._ids and self._rng.random() < EDITED_SHARE:
            return self._payment(self._rng.choice(self._ids))
        return self._payment(f"p-{len(self._ids)}")

    def events(self) -> list[Event]:
        """Return the newest save of each payment."""
        return [read_event(body) for body in self.newest.values()]

    def _payment(self, payment_id: str) -> bytes:
        before = json.loads(self.newest[payment_id]) if payment_id in self.newest else self._first_save(payment_id)
        amount = f"{self._rng.randrange(5, 200)}.{self._rng.randrange(100):02d}"
        content = before | {"version": before["version"] + 1, "amount_due": amount, "amount_paid": amount}
        self.newest[payment_id] = body = self._body(content)
        return body

    def _first_save(self, payment_id: str) -> dict[str, Any]:
        self._ids.append(payment_id)
        rng, day = self._rng, FIRST_DAY + timedelta(days=self._rng.randrange(DAYS))
        patient = rng.randrange(CLINICS * PATIENTS_PER_CLINIC)
        return {
            "type": "payment.saved",
            "clinic_id": f"clinic-{patient % CLINICS}",
            "patient_id": f"patient-{patient}",
            "payment_id": payment_id,
            "line_id": "1",
            "version": 0,
            "charge_type": rng.choice(_TYPES),
            "paid": True,
            "internal_payment": rng.random() < 0.02,
            "method": "Cash",
            "transaction_date": f"{day}",
            "date_of_service": f"{day}",
        }

    def _body(self, content: dict[str, Any]) -> bytes:
        event_id = str(UUID(int=self._rng.getrandbits(128), version=4))
        saved_at = f"2026-07-01T12:00:00.{content['version'] % 1_000:03d}Z"
        fixed = {"schema": 1, "event_id": event_id, "company_id": self.id, "saved_at": saved_at}
        return json.dumps(content | fixed, separators=(",", ":")).encode()


class FrontDesk:
    """A front desk: a thread that saves payments of a company at a rate until `close`. `send` publishes a save."""

    def __init__(self, company: Company, send: Callable[[bytes], object], a_second: int) -> None:
        self.company, self._send, self._pause = company, send, 1 / a_second
        self._ended, self._thread = threading.Event(), threading.Thread(target=self._save_repeatedly)
        self._error: BaseException | None = None
        self._thread.start()

    def close(self) -> None:
        """End the thread. If an error has ended the thread earlier, raise this error."""
        self._ended.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _save_repeatedly(self) -> None:
        try:
            while not self._ended.wait(self._pause):
                self._send(self.company.save())
        except BaseException as error:  # noqa: BLE001 (raised again by `close`)
            self._error = error


class Outbox:
    """An EMR's outbox in a PostgreSQL database, and its relay."""

    def __init__(self, url: str) -> None:
        self._url, self._writer = url, psycopg.connect(url)
        outbox.create_table(self._writer)
        self._writer.commit()
        self.last_published = 0.0

    def write(self, event: bytes) -> None:
        """Store an event in the outbox and commit, as an EMR does when it saves a payment."""
        outbox.write(self._writer, event)
        self._writer.commit()

    def waiting(self) -> int:
        """Return the number of events that wait to be published."""
        count = outbox.waiting(self._writer)
        self._writer.rollback()
        return count

    def start_relay(self, redis_url: str) -> Callable[[], None]:
        """Start a relay that publishes to this feed. Return a function that stops it.

        After that function has returned, no event is published until another relay starts.
        """
        ended = threading.Event()
        thread = threading.Thread(target=self._relay, args=(redis_url, ended))
        thread.start()

        def stop() -> None:
            ended.set()
            thread.join()

        return stop

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    def _relay(self, redis_url: str, ended: threading.Event) -> None:
        with PaymentFeed(redis_url) as feed, psycopg.connect(self._url) as connection:
            relay = outbox.Relay(connection, feed)
            while not ended.is_set():
                if relay.publish_chunk():
                    self.last_published = time.monotonic()
                else:
                    ended.wait(0.02)
