"""Simulate three weeks of four clinics with readable names, for the screenshots."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cached_property

from emr.client import body_of
from emr.simulator import clinics_of, simulate
from tests.acceptance.events import Event
from tests.acceptance.stack import Stack
from tests.builders.events import event_fields

COMPANY, DAYS, SEED, FIRST_DAY = "acme", 21, 7, date(2026, 9, 21)
CLINIC_NAMES = {"clinic-001": "north", "clinic-002": "south", "clinic-003": "east", "clinic-004": "west"}
SEPTEMBER_CORRECTIONS = 9
_PATIENT, _PAYMENT = re.compile(r"clinic-\d{3}-s7-p\d+(?!\d|-case)"), re.compile(r"s7-20\d{6}-\d{3}")


class ThreeWeeks:
    """The EMR's events of three weeks, in order of publication. Each run generates the same events."""

    @cached_property
    def events(self) -> list[Event]:
        names: dict[str, str] = {}
        return [
            self._with_readable_ids(body_of(each.event).decode(), names) for each in simulate(4, DAYS, SEED, FIRST_DAY)
        ]

    def _with_readable_ids(self, body: str, names: dict[str, str]) -> Event:
        def rename_patient(found: re.Match[str]) -> str:
            return names.setdefault(found[0], f"P-{1001 + sum(name.startswith('P-') for name in names.values())}")

        def rename_payment(found: re.Match[str]) -> str:
            return names.setdefault(found[0], f"p-{1001 + sum(name.startswith('p-') for name in names.values())}")

        body = _PAYMENT.sub(rename_payment, _PATIENT.sub(rename_patient, body)).replace("company-1", COMPANY)
        for simulated, clinic in CLINIC_NAMES.items():
            body = body.replace(simulated, clinic)
        event: Event = json.loads(body)
        return event

    def publish(self, stack: Stack) -> None:
        """Publish all events, and wait until they are imported."""
        stack.run_successfully("company", "set", COMPANY, "--timezone", "America/Phoenix")
        for clinic in clinics_of(len(CLINIC_NAMES), SEED):
            name, switch = CLINIC_NAMES[clinic.clinic_id], "on" if clinic.integration else "off"
            types = ",".join(clinic.types)
            stack.run_successfully(
                "settings", "set", name, "--company", COMPANY, "--integration", switch, "--types", types
            )
        stack.publish(*self.events)
        stack.wait_until_idle()

    def late_corrections(self) -> Iterator[Event]:
        """Yield events that edit, delete and add payments of the closed September."""
        now = datetime.now(UTC).isoformat()
        saved = [each for each in self.events if each["type"] == "payment.saved" and each["clinic_id"] == "north"]
        whole = [each for each in saved if self._is_in_september(each)][5 : 5 + SEPTEMBER_CORRECTIONS]
        for number, event in enumerate(whole):
            later = event | {
                "event_id": f"00000000-0000-4000-8000-{number:012}",
                "saved_at": now,
            }
            match number % 3:
                case 0:
                    amount = f"{float(str(event['amount_paid'])) + 10:.2f}"
                    yield later | {"version": 9, "amount_due": amount, "amount_paid": amount}
                case 1:
                    kept = "schema event_id company_id clinic_id patient_id payment_id line_id saved_at".split()
                    yield {name: later[name] for name in kept} | {"type": "payment.deleted", "version": 9}
                case _:
                    yield later | {"payment_id": f"p-{1900 + number}", "version": 1}

    def charges_of(self, patient_id: str) -> Iterator[Event]:
        """Yield charges of this patient for some visits. The patient still owes money for each."""
        paid = [each for each in self.events if each["patient_id"] == patient_id and each.get("date_of_service")]
        days = sorted({str(each["date_of_service"]) for each in paid})
        for number, day in enumerate(days):
            yield event_fields(
                "charge.saved",
                event_id=f"00000000-0000-4000-8001-{number:012}",
                company_id=COMPANY,
                clinic_id="north",
                patient_id=patient_id,
                charge_id=f"c-{501 + number}",
                saved_at=f"{day}T18:00:00-07:00",
                date_of_service=day,
                patient_balance=("25.00", "40.00", "61.50")[number % 3],
                insurance_open=number == len(days) - 1,
            )

    def _is_in_september(self, event: Event) -> bool:
        plain = event["charge_type"] == "Copay" and event["paid"] and not event["internal_payment"]
        return bool(plain and event["version"] == 1 and str(event["transaction_date"]).startswith("2026-09"))
