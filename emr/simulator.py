"""Simulate several days of several clinics from a seed, one day after the other.

The same arguments give the same bytes. The events of a clinic and a day depend only on the seed, the clinic and the
date. So a simulation with more clinics or days contains the same events, and others in addition. The frequencies are in
`emr.simulation_weights`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from zoneinfo import ZoneInfo

from emr.client import event_id_for
from emr.scenarios import SimulatedEvent, Visit, chance, line_events, pick
from emr.simulation_weights import (
    CLINICS_A_COMPANY,
    CLINICS_A_SWITCHED_OFF_ONE,
    PATIENT_LATE_PERCENT,
    PATIENT_NEVER_PERCENT,
    PATIENTS_IN_CARE,
    PATIENTS_NEW_A_WEEK,
    TWO_LINES_PERCENT,
    TYPES_UNSELECTED,
    VISITS_A_DAY,
    VISITS_A_WEEKEND_DAY,
    Delivery,
    Scenario,
)
from payments.contract.event import ChargeType, PatientSaved

__all__ = ["Delivery", "Scenario", "SimulatedClinic", "SimulatedEvent", "clinics_of", "simulate"]

_TIMEZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles")
_GIVEN_NAMES = ("Ada", "Ben", "Carla", "Dev", "Elena", "Frank", "Grace", "Hugo", "Ines", "Jonas", "Kim", "Lena", "Mara")
_FAMILY_NAMES = ("Abbott", "Brandt", "Castillo", "Dawson", "Ellis", "Ferreira", "Gupta", "Haines", "Ito", "Jansen")


@dataclass(frozen=True, slots=True)
class SimulatedClinic:
    """A clinic and its settings. `timezone` is the IANA name of its company's time zone."""

    clinic_id: str
    company_id: str
    timezone: str
    integration: bool
    types: tuple[ChargeType, ...]


def clinics_of(clinics: int, seed: int) -> list[SimulatedClinic]:
    """Return the simulated clinics with their settings.

    The caller must store these settings before it publishes events. Raises ValueError for fewer than one clinic.
    """
    if clinics < 1:
        raise ValueError(f"a simulation needs 1 clinic or more, not {clinics}")
    return [_make_clinic(number, seed) for number in range(clinics)]


def simulate(clinics: int, days: int, seed: int, first_day: date) -> Iterator[SimulatedEvent]:
    """Yield the events of `days` days from `first_day`, in the order in which they arrive at the feed.

    Each save is on one of these days in the clinic's local time. Late events may arrive after the last day. The
    simulation keeps the events of one day, and the later saves of open lines, in memory. Raises ValueError for fewer
    than one clinic or day.
    """
    if days < 1:
        raise ValueError(f"a simulation needs 1 day or more, not {days}")
    return _arrivals(clinics_of(clinics, seed), [first_day + timedelta(days=n) for n in range(days)], seed)


def _arrivals(roster: list[SimulatedClinic], days: Sequence[date], seed: int) -> Iterator[SimulatedEvent]:
    under_way: list[tuple[datetime, int, SimulatedEvent]] = []
    sequence = count()  # orders arrivals of the same second
    met: dict[str, set[str]] = {clinic.clinic_id: set() for clinic in roster}
    for day in days:
        for clinic in roster:
            for arrival in _events_of_day(clinic, day, days[-1], seed, met[clinic.clinic_id]):
                heappush(under_way, (arrival.arrives_at, next(sequence), arrival))
        # All clinics are west of Greenwich, so no save of the next day comes before midnight UTC.
        midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
        while under_way and under_way[0][0] < midnight:
            yield heappop(under_way)[2]
    while under_way:
        yield heappop(under_way)[2]


def _make_clinic(number: int, seed: int) -> SimulatedClinic:
    clinic_id, company_id = f"clinic-{number + 1:03d}", f"company-{number // CLINICS_A_COMPANY + 1}"
    rng = _random_generator(seed, clinic_id)
    unselected = rng.sample([kind for kind in ChargeType if kind is not ChargeType.COPAY], pick(rng, TYPES_UNSELECTED))
    switched_off = _random_generator(seed, "switched off").randrange(1, CLINICS_A_COMPANY)
    return SimulatedClinic(
        clinic_id=clinic_id,
        company_id=company_id,
        timezone=_random_generator(seed, company_id).choice(_TIMEZONES),
        integration=number % CLINICS_A_SWITCHED_OFF_ONE != switched_off,
        types=tuple(kind for kind in ChargeType if kind not in unselected),
    )


def _events_of_day(
    clinic: SimulatedClinic, day: date, last_day: date, seed: int, met: set[str]
) -> Iterator[SimulatedEvent]:
    rng = _random_generator(seed, clinic.clinic_id, day.isoformat())
    visit_count = rng.choice(VISITS_A_WEEKEND_DAY if day.weekday() >= 5 else VISITS_A_DAY)
    # In time order, so that a patient's record comes with the first of two visits.
    for number, at in enumerate(sorted(_random_opening_time(day, clinic.timezone, rng) for _ in range(visit_count))):
        visit = Visit(
            company_id=clinic.company_id,
            clinic_id=clinic.clinic_id,
            patient_id=_patient_in_care(clinic, day, seed, rng),
            payment_id=f"s{seed}-{day:%Y%m%d}-{number + 1:03d}",
            at=at,
            last_day=last_day,
        )
        if visit.patient_id not in met:
            met.add(visit.patient_id)
            yield from _patient_record(visit, seed)
        for line_number in range(2 if chance(rng, TWO_LINES_PERCENT) else 1):
            yield from line_events(visit, str(line_number + 1), rng)


def _patient_in_care(clinic: SimulatedClinic, day: date, seed: int, rng: Random) -> str:
    first = day.toordinal() // 7 * PATIENTS_NEW_A_WEEK
    return f"{clinic.clinic_id}-s{seed}-p{first + rng.randrange(PATIENTS_IN_CARE)}"


def _random_opening_time(day: date, timezone: str, rng: Random) -> datetime:
    opened = time(rng.randrange(7, 18), rng.randrange(60), rng.randrange(60), tzinfo=ZoneInfo(timezone))
    return datetime.combine(day, opened)


def _patient_record(visit: Visit, seed: int) -> Iterator[SimulatedEvent]:
    rng = _random_generator(seed, visit.patient_id)
    saved_at = visit.at - timedelta(seconds=rng.randrange(120, 900))
    share = rng.randrange(100)
    if share < PATIENT_NEVER_PERCENT:
        return
    late = share < PATIENT_NEVER_PERCENT + PATIENT_LATE_PERCENT
    event = PatientSaved.model_validate(
        {
            "schema": 1,
            "type": "patient.saved",
            "event_id": event_id_for("patient.saved", visit.company_id, visit.patient_id, version=1),
            "company_id": visit.company_id,
            "patient_id": visit.patient_id,
            "version": 1,
            "saved_at": saved_at.isoformat(),
            "name": f"{rng.choice(_GIVEN_NAMES)} {rng.choice(_FAMILY_NAMES)}",
        }
    )
    minutes = rng.randrange(60, 3 * 24 * 60) if late else 0
    arrives_at = saved_at + timedelta(minutes=minutes)
    yield SimulatedEvent(event, arrives_at, None, Delivery.LATE if late else Delivery.PROMPT, is_newest=True)


def _random_generator(seed: int, *names: str) -> Random:
    # One generator per name keeps each clinic independent of the number of clinics.
    return Random("/".join((str(seed), *names)))
