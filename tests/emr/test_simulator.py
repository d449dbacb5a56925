"""The content and order of simulated days, and their dependence on the seed."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest

from emr.client import body_of
from emr.simulation_weights import CHARGE_TYPE_WEIGHTS, METHOD_WEIGHTS, SCENARIO_WEIGHTS, TYPES_UNSELECTED
from emr.simulator import Delivery, Scenario, SimulatedEvent, clinics_of, simulate
from payments.contract.event import ChargeType, Method, PatientSaved, PaymentDeleted, PaymentSaved, read_event
from payments.contract.keys import LineKey, LocalKey

pytestmark = pytest.mark.slow

FIRST_DAY = date(2026, 9, 1)


@pytest.fixture(scope="module")
def fortnight() -> list[SimulatedEvent]:
    return list(simulate(5, 14, 7, FIRST_DAY))


def arrivals_by_line(arrivals: list[SimulatedEvent]) -> dict[LineKey, list[SimulatedEvent]]:
    lines: dict[LineKey, list[SimulatedEvent]] = defaultdict(list)
    for arrival in arrivals:
        if isinstance(arrival.event, PaymentSaved | PaymentDeleted):
            lines[arrival.event.key].append(arrival)
    return lines


def saves_of(arrivals: list[SimulatedEvent]) -> list[PaymentSaved]:
    return [arrival.event for arrival in arrivals if isinstance(arrival.event, PaymentSaved)]


@pytest.mark.slow
def test_simulation_bytes_depend_on_the_seed(fortnight: list[SimulatedEvent]) -> None:
    again = [body_of(arrival.event) for arrival in simulate(5, 14, 7, FIRST_DAY)]
    other = {body_of(arrival.event) for arrival in simulate(5, 14, 8, FIRST_DAY)}

    assert again == [body_of(arrival.event) for arrival in fortnight]
    assert other.isdisjoint(again)


def test_seeds_share_no_event_line_or_patient(fortnight: list[SimulatedEvent]) -> None:
    other = list(simulate(5, 14, 8, FIRST_DAY))

    assert arrivals_by_line(fortnight).keys().isdisjoint(arrivals_by_line(other))
    assert {a.event.event_id for a in fortnight}.isdisjoint(a.event.event_id for a in other)
    assert {a.event.patient_id for a in fortnight}.isdisjoint(a.event.patient_id for a in other)


@pytest.mark.slow
def test_simulation_with_more_clinics_and_days_contains_the_smaller_one(fortnight: list[SimulatedEvent]) -> None:
    more = {arrival.event.event_id: arrival.event.content_hash for arrival in simulate(7, 20, 7, FIRST_DAY)}

    assert {arrival.event.event_id: arrival.event.content_hash for arrival in fortnight}.items() <= more.items()


def test_shared_days_are_equal_for_a_later_first_day() -> None:
    from_monday = {a.event.event_id: a.event.content_hash for a in simulate(2, 10, 7, FIRST_DAY)}
    from_thursday = {a.event.event_id: a.event.content_hash for a in simulate(2, 7, 7, FIRST_DAY + timedelta(days=3))}

    shared = from_monday.keys() & from_thursday.keys()
    assert len(shared) > 100
    assert all(from_monday[event_id] == from_thursday[event_id] for event_id in shared)


def test_simulated_events_fit_the_contract(fortnight: list[SimulatedEvent]) -> None:
    for arrival in fortnight:
        read = read_event(body_of(arrival.event))
        assert read == arrival.event
        assert read.content_hash == arrival.event.content_hash
        assert read.saved_at.utcoffset() == arrival.event.saved_at.utcoffset()


def test_simulated_events_are_in_arrival_order(fortnight: list[SimulatedEvent]) -> None:
    assert all(earlier.arrives_at <= later.arrives_at for earlier, later in pairwise(fortnight))
    assert all(arrival.event.saved_at <= arrival.arrives_at for arrival in fortnight)


def test_simulated_saves_are_on_the_simulated_days(fortnight: list[SimulatedEvent]) -> None:
    days = {arrival.event.saved_at.date() for arrival in fortnight}

    assert days == {FIRST_DAY + timedelta(days=number) for number in range(14)}


def test_line_versions_increase_by_one_in_save_order(fortnight: list[SimulatedEvent]) -> None:
    for arrivals in arrivals_by_line(fortnight).values():
        by_version = {arrival.event.version: arrival.event for arrival in arrivals}
        assert sorted(by_version) == list(range(1, len(by_version) + 1))
        saved_at = [by_version[version].saved_at for version in sorted(by_version)]
        assert all(earlier < later for earlier, later in pairwise(saved_at))


def test_newest_flag_is_set_on_the_highest_version_only(fortnight: list[SimulatedEvent]) -> None:
    for arrivals in arrivals_by_line(fortnight).values():
        newest = {arrival.event.version for arrival in arrivals if arrival.is_newest}
        assert newest == {max(arrival.event.version for arrival in arrivals)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_two_weeks_of_five_clinics_contain_every_scenario(seed: int) -> None:
    arrivals = list(simulate(5, 14, seed, FIRST_DAY))
    saves = saves_of(arrivals)

    assert {arrival.scenario for arrival in arrivals} == {*Scenario, None}
    assert {arrival.delivery for arrival in arrivals} == set(Delivery)
    assert {save.charge_type for save in saves} == set(ChargeType)
    assert {save.method for save in saves} == set(Method)
    assert any(isinstance(arrival.event, PaymentDeleted) for arrival in arrivals)
    assert any(save.internal_payment for save in saves)
    assert any(not save.paid for save in saves)
    assert any(save.version == 4 for save in saves)
    assert any(save.transaction_date < save.saved_at.date() - timedelta(days=2) for save in saves)


@pytest.mark.slow
def test_simulation_frequencies_match_the_weights() -> None:
    lines = arrivals_by_line(list(simulate(20, 14, 7, FIRST_DAY))).values()
    firsts = [line[0] for line in lines if not line[0].event.payment_id.split("-")[-1].startswith("R")]
    scenarios = Counter(first.scenario for first in firsts)
    saves = [first.event for first in firsts if isinstance(first.event, PaymentSaved)]

    assert len(firsts) > 2_500
    compared: list[tuple[Counter[Any], dict[Any, int]]] = [
        (scenarios, SCENARIO_WEIGHTS),
        (Counter(save.charge_type for save in saves), CHARGE_TYPE_WEIGHTS),
        (Counter(save.method for save in saves), METHOD_WEIGHTS),
    ]
    for counts, table in compared:
        assert sum(table.values()) == 100
        assert all(
            abs(counts[kind] * 100 - percent * counts.total()) < 2 * counts.total() for kind, percent in table.items()
        )
    assert sum(TYPES_UNSELECTED.values()) == 100


def test_late_event_arrives_after_its_newer_version(fortnight: list[SimulatedEvent]) -> None:
    late = [arrival for arrival in fortnight if arrival.delivery is Delivery.LATE and arrival.scenario]
    lines = arrivals_by_line(fortnight)

    assert late
    for arrival in late:
        assert isinstance(arrival.event, PaymentSaved)
        assert arrival.event.version == 1
        second = next(other for other in lines[arrival.event.key] if other.event.version == 2)
        assert second.arrives_at < arrival.arrives_at


def test_repeated_event_has_identical_bytes(fortnight: list[SimulatedEvent]) -> None:
    sent = Counter(body_of(arrival.event) for arrival in fortnight)
    repeated = {body_of(arrival.event) for arrival in fortnight if arrival.delivery is Delivery.REPEATED}

    assert repeated
    assert {body for body, times in sent.items() if times == 2} == repeated
    assert max(sent.values()) == 2
    assert len({arrival.event.event_id for arrival in fortnight}) == len(sent)


def test_refund_is_a_negative_line_naming_the_refunded_one(fortnight: list[SimulatedEvent]) -> None:
    lines = arrivals_by_line(fortnight)
    refunds = [save for save in saves_of(fortnight) if save.refund_of]

    assert refunds
    for refund in refunds:
        refunded = lines[LineKey(refund.company_id, *next(LocalKey.parse_all(str(refund.refund_of))))][0].event
        assert isinstance(refunded, PaymentSaved)
        assert (refund.amount_due, refund.amount_paid) == (-refunded.amount_due, -refunded.amount_paid)
        assert refund.transaction_date > refunded.transaction_date
        assert refund.patient_id == refunded.patient_id
    assert all(save.amount_paid >= 0 for save in saves_of(fortnight) if not save.refund_of)


def test_only_payments_on_account_have_no_date_of_service(fortnight: list[SimulatedEvent]) -> None:
    for save in saves_of(fortnight):
        assert (save.date_of_service is None) == (save.charge_type is ChargeType.PAYMENT_ON_ACCOUNT)


def test_few_patients_are_saved_late_or_never(fortnight: list[SimulatedEvent]) -> None:
    known_at: dict[str, datetime] = {}
    first_paid_at: dict[str, datetime] = {}
    for arrival in fortnight:
        times = known_at if isinstance(arrival.event, PatientSaved) else first_paid_at
        times.setdefault(arrival.event.patient_id, arrival.arrives_at)

    never = first_paid_at.keys() - known_at.keys()
    late = {patient for patient in known_at if known_at[patient] > first_paid_at[patient]}
    assert known_at.keys() <= first_paid_at.keys()
    assert 0 < len(never) < len(first_paid_at) // 10
    assert 0 < len(late) < len(first_paid_at) // 5
    assert late <= {arrival.event.patient_id for arrival in fortnight if arrival.delivery is Delivery.LATE}


def test_simulated_clinics_have_own_settings_and_company_time_zone() -> None:
    clinics = clinics_of(40, 7)

    assert [clinic.clinic_id for clinic in clinics[:2]] == ["clinic-001", "clinic-002"]
    assert len({clinic.company_id for clinic in clinics}) == 8
    assert sum(not clinic.integration for clinic in clinics) == 4
    assert sum(not clinic.integration for clinic in clinics[:5]) == 1
    assert clinics[0].integration
    assert all(ChargeType.COPAY in clinic.types for clinic in clinics)
    assert {7, 6} < {len(clinic.types) for clinic in clinics} <= {7, 6, 5, 4}
    zones = {(clinic.company_id, clinic.timezone) for clinic in clinics}
    assert len(zones) == len({company_id for company_id, _ in zones})
    assert len({clinic.timezone for clinic in clinics}) > 2


def test_simulated_events_are_saved_in_local_office_hours(fortnight: list[SimulatedEvent]) -> None:
    clinics = {clinic.clinic_id: clinic for clinic in clinics_of(5, 7)}

    for arrival in fortnight:
        hours = arrival.event.saved_at.hour
        assert 6 <= hours <= 18
        assert arrival.event.saved_at.utcoffset() != timedelta(0)
        if isinstance(arrival.event, PaymentSaved | PaymentDeleted):
            assert clinics[arrival.event.clinic_id].company_id == arrival.event.company_id


def test_long_simulation_yields_first_events_before_simulating_later_days() -> None:
    first = list(islice(simulate(20, 36_500, 7, FIRST_DAY), 50))

    assert all(arrival.arrives_at < datetime(2026, 9, 2, tzinfo=UTC) for arrival in first)


@pytest.mark.parametrize(("clinics", "days"), [(0, 1), (1, 0), (-1, 1)])
def test_simulation_rejects_zero_clinics_or_days(clinics: int, days: int) -> None:
    with pytest.raises(ValueError, match=r"1 (clinic|day) or more"):
        simulate(clinics, days, 7, FIRST_DAY)
