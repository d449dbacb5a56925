"""The events of one simulated payment line, from its first save to its last."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple, TypeVar

from emr.client import event_id_for
from emr.simulation_weights import (
    AMOUNTS_CENTS,
    CHARGE_TYPE_WEIGHTS,
    EDIT_DELAYS_DAYS,
    METHOD_WEIGHTS,
    OVERTAKEN_PERCENT,
    REPEATED_PERCENT,
    SCENARIO_WEIGHTS,
    Delivery,
    Scenario,
)
from payments.contract.event import ChargeType, Event, Method, PaymentDeleted, PaymentSaved
from payments.contract.keys import LocalKey

Fields = dict[str, Any]
_OTHER_MEMO: Fields = {"memo": "Receipt sent to the patient"}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """An event, the time at which it arrives at the feed, and facts that only the simulator has.

    `scenario` is None for the record of a patient. `is_newest` is True if no later version was saved on the simulated
    days.
    """

    event: Event
    arrives_at: datetime
    scenario: Scenario | None
    delivery: Delivery
    is_newest: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of a patient. `at` is in the clinic's local time. No event is saved after `last_day`."""

    company_id: str
    clinic_id: str
    patient_id: str
    payment_id: str
    at: datetime
    last_day: date


class _Save(NamedTuple):
    at: datetime
    fields: Fields | None  # None is a deletion


def pick(rng: Random, weights: Mapping[_T, int]) -> _T:
    """Return a random key of `weights`. The probability of a key is proportional to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def chance(rng: Random, percent: int) -> bool:
    """Return True with a probability of `percent` percent."""
    return rng.randrange(100) < percent


def line_events(visit: Visit, line_id: str, rng: Random) -> Iterator[SimulatedEvent]:
    """Yield the events of one payment line and of its refund. They are not in order of arrival."""
    scenario = pick(rng, SCENARIO_WEIGHTS)
    first = _first_save(visit, line_id, scenario, rng)
    changes = _changes(first, scenario, rng)
    overtaken = bool(changes) and chance(rng, OVERTAKEN_PERCENT)
    # Only a change made within minutes can arrive before the version that it changes.
    delays_days = [0 if overtaken and number == 0 else pick(rng, EDIT_DELAYS_DAYS) for number in range(len(changes))]
    saves = _schedule_saves(_Save(visit.at, first), changes, delays_days, rng)
    yield from _deliver(visit, saves, scenario, Delivery.LATE if overtaken else Delivery.PROMPT, rng)
    if scenario is Scenario.REFUNDED:
        at = _time_after(visit.at, max(1, pick(rng, EDIT_DELAYS_DAYS)), rng)
        yield from _deliver(visit, [_Save(at, _refund(visit, first, at))], scenario, Delivery.PROMPT, rng)


def _first_save(visit: Visit, line_id: str, scenario: Scenario, rng: Random) -> Fields:
    charge_type, method = pick(rng, CHARGE_TYPE_WEIGHTS), pick(rng, METHOD_WEIGHTS)
    zero_due = scenario in {Scenario.ZERO_DUE, Scenario.ZERO_DUE_CORRECTED}
    due_cents = 0 if zero_due else rng.choice(AMOUNTS_CENTS[charge_type])
    paid_cents = AMOUNTS_CENTS[charge_type][0] if zero_due else due_cents
    if scenario is Scenario.PAID_LATER:
        paid_cents = 0
    elif scenario is Scenario.PART_PAID:
        paid_cents = due_cents // 2
    day = visit.at.date()
    if scenario is Scenario.BACK_DATED:
        day -= timedelta(days=rng.randrange(3, 46))
    return {
        "payment_id": visit.payment_id,
        "line_id": line_id,
        "charge_type": charge_type,
        "amount_due": _amount_text(due_cents),
        "amount_paid": _amount_text(paid_cents),
        "paid": scenario is not Scenario.PAID_LATER,
        "internal_payment": scenario is Scenario.INTERNAL,
        "method": method,
        "transaction_date": day.isoformat(),
        "date_of_service": None if charge_type is ChargeType.PAYMENT_ON_ACCOUNT else day.isoformat(),
        "case_id": f"{visit.patient_id}-case" if chance(rng, 90) else None,
        "provider_id": f"{visit.clinic_id}-therapist-{rng.randrange(1, 5)}",
        "reference": _random_reference(method, rng),
        "memo": "Taken at check-in" if chance(rng, 20) else None,
    }


def _changes(first: Fields, scenario: Scenario, rng: Random) -> list[Fields | None]:
    changes: list[Fields | None] = []
    match scenario:
        case Scenario.AMOUNT_CORRECTED | Scenario.ZERO_DUE_CORRECTED:
            changes = [_other_amount(first, rng)]
        case Scenario.METHOD_CHANGED:
            changes = [_other_method(first, rng)]
        case Scenario.MEMO_ADDED:
            changes = [_OTHER_MEMO]
        case Scenario.REWORKED:
            changes = [_other_amount(first, rng), _other_method(first, rng), _OTHER_MEMO]
        case Scenario.PAID_LATER:
            changes = [{"paid": True, "amount_paid": first["amount_due"]}]
        case Scenario.DELETED:
            changes = [None]
    return changes


def _other_amount(first: Fields, rng: Random) -> Fields:
    amounts = AMOUNTS_CENTS[first["charge_type"]]
    cents = rng.choice(amounts)
    if _amount_text(cents) == first["amount_due"]:
        cents = amounts[0] if cents != amounts[0] else amounts[-1]
    return {"amount_due": _amount_text(cents), "amount_paid": _amount_text(cents)}


def _other_method(first: Fields, rng: Random) -> Fields:
    method = pick(rng, {method: weight for method, weight in METHOD_WEIGHTS.items() if method is not first["method"]})
    return {"method": method, "reference": _random_reference(method, rng)}


def _refund(visit: Visit, first: Fields, at: datetime) -> Fields:
    return first | {
        "payment_id": f"{visit.payment_id}-R{first['line_id']}",
        "line_id": "1",
        "amount_due": f"-{first['amount_due']}",
        "amount_paid": f"-{first['amount_paid']}",
        "transaction_date": at.date().isoformat(),
        "refund_of": str(LocalKey(visit.clinic_id, visit.payment_id, first["line_id"])),
        "memo": "Refund",
    }


def _schedule_saves(first: _Save, changes: list[Fields | None], delays_days: list[int], rng: Random) -> list[_Save]:
    saves, fields = [first], first.fields or {}
    for change, days in zip(changes, delays_days, strict=True):
        fields = fields | (change or {})
        saves.append(_Save(_time_after(saves[-1].at, days, rng), None if change is None else fields))
    return saves


def _time_after(at: datetime, days: int, rng: Random) -> datetime:
    if days == 0:
        return at + timedelta(seconds=rng.randrange(60, 1_200))
    opened = time(rng.randrange(8, 17), rng.randrange(60), rng.randrange(60), tzinfo=at.tzinfo)
    return datetime.combine(at.date() + timedelta(days=days), opened)


def _deliver(
    visit: Visit, saves: list[_Save], scenario: Scenario, first_delivery: Delivery, rng: Random
) -> Iterator[SimulatedEvent]:
    newest = sum(save.at.date() <= visit.last_day for save in saves)
    for version, save in enumerate(saves, start=1):
        arrives_at, delivery = save.at + timedelta(seconds=rng.randrange(20)), Delivery.PROMPT
        if version == 1 and first_delivery is Delivery.LATE:
            arrives_at, delivery = saves[1].at + timedelta(seconds=rng.randrange(60, 3_600)), Delivery.LATE
        again_at = arrives_at + timedelta(seconds=rng.randrange(5, 7_200))
        repeated = chance(rng, REPEATED_PERCENT)
        # Random numbers are drawn for saves after the last day too, so that other events do not depend on `last_day`.
        if version <= newest:
            event = _make_event(visit, saves[0].fields or {}, save, version)
            arrival = SimulatedEvent(event, arrives_at, scenario, delivery, is_newest=version == newest)
            yield arrival
            if repeated:
                yield replace(arrival, arrives_at=again_at, delivery=Delivery.REPEATED)


def _make_event(visit: Visit, first: Fields, save: _Save, version: int) -> PaymentSaved | PaymentDeleted:
    contract = PaymentDeleted if save.fields is None else PaymentSaved
    key = (visit.clinic_id, first["payment_id"], first["line_id"])
    kind = "payment.deleted" if save.fields is None else "payment.saved"
    return contract.model_validate(
        {
            **(save.fields or {}),
            "schema": 1,
            "type": kind,
            "event_id": event_id_for(kind, *key, version=version),
            "company_id": visit.company_id,
            "clinic_id": visit.clinic_id,
            "patient_id": visit.patient_id,
            "payment_id": first["payment_id"],
            "line_id": first["line_id"],
            "version": version,
            "saved_at": save.at.isoformat(),
        }
    )


def _amount_text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _random_reference(method: Method, rng: Random) -> str | None:
    match method:
        case Method.CHECK:
            return str(rng.randrange(101, 9_999))
        case Method.CREDIT_CARD:
            return f"{rng.randrange(10_000):04d}"
        case _:
            return None
