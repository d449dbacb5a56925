"""Rule D2: which saved payments belong in Billing, in the order in which the office asks."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from payments.contract.event import ChargeType
from payments.core.eligibility import (
    SWITCHED_OFF,
    ClinicSettings,
    Eligible,
    Ineligible,
    NeedsReview,
    SettingsChange,
    check_eligibility,
    in_force,
)
from payments.core.import_rule import ImportContext, decide
from payments.core.outcome import Reason
from tests.make import BACKOFF, COPAYS, NOW, edited, saved

NOTHING_SELECTED = ClinicSettings(integration=True, charge_types=frozenset())

# Each row of the table: what makes it true, and the answer. An earlier row wins over every later one.
ROWS = {
    "not paid": ({"paid": False}, None, Ineligible(None)),
    "internal payment": ({"internal_payment": True}, None, Ineligible(Reason.INTERNAL_PAYMENT)),
    "integration off": ({}, SWITCHED_OFF, Ineligible(Reason.INTEGRATION_OFF)),
    "type not selected": ({}, NOTHING_SELECTED, Ineligible(Reason.TYPE_NOT_SELECTED)),
    "amount due is zero": ({"amount_due": "0.00"}, None, NeedsReview("Amount Due is 0.00")),
    "otherwise": ({}, None, Eligible()),
}


def imported(event):
    return decide(event, event.content_hash, None, ImportContext(NOW, BACKOFF, COPAYS)).line


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_its_answer(row):
    changes, settings, verdict = ROWS[row]

    assert check_eligibility(saved(**changes), None, settings or COPAYS) == verdict


@pytest.mark.parametrize(("earlier", "later"), [*combinations(ROWS, 2)])
def test_the_first_row_that_fits_wins(earlier, later):
    (changes, settings, verdict), (also, other_settings, _) = ROWS[earlier], ROWS[later]

    assert check_eligibility(saved(**also | changes), None, settings or other_settings or COPAYS) == verdict


@pytest.mark.parametrize("charge_type", ChargeType)
def test_a_charge_type_flows_where_it_is_selected_and_nowhere_else(charge_type):
    event = saved(charge_type=charge_type)
    for selected in ChargeType:
        fits = check_eligibility(event, None, ClinicSettings(integration=True, charge_types=frozenset({selected})))
        assert (fits == Eligible()) is (selected is charge_type)


@pytest.mark.parametrize("settings", [SWITCHED_OFF, NOTHING_SELECTED], ids=["switched off", "type unticked"])
def test_a_line_once_imported_stays_eligible_whatever_the_settings_become(settings):
    first = saved()

    assert check_eligibility(edited(first, memo="mended"), imported(first), settings) == Eligible()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"charge_type": "Supplies"}, Ineligible(Reason.TYPE_NOT_SELECTED)),
        ({"internal_payment": True}, Ineligible(Reason.INTERNAL_PAYMENT)),
        ({"paid": False}, Ineligible(None)),
    ],
    ids=["type", "internal", "paid"],
)
def test_a_line_once_imported_leaves_by_a_change_of_its_own(change, verdict):
    first = saved()

    assert check_eligibility(edited(first, **change), imported(first), COPAYS) == verdict


def test_a_line_that_was_never_sent_does_not_stay_eligible():
    first = saved(internal_payment=True)

    assert check_eligibility(edited(first, internal_payment=False), imported(first), SWITCHED_OFF) == Ineligible(
        Reason.INTEGRATION_OFF
    )


def test_the_settings_of_the_save_time_count():
    noon = datetime(2026, 6, 5, 12, tzinfo=UTC)
    history = [
        SettingsChange(noon - timedelta(days=1), SWITCHED_OFF),
        SettingsChange(noon, COPAYS),
        SettingsChange(noon + timedelta(days=1), NOTHING_SELECTED),
    ]
    moments = {
        timedelta(seconds=-1): SWITCHED_OFF,
        timedelta(0): COPAYS,
        timedelta(hours=23): COPAYS,
        timedelta(days=1): NOTHING_SELECTED,
        timedelta(days=-30): SWITCHED_OFF,  # before the first settings: those
    }

    assert {after: in_force(history, noon + after) for after in moments} == moments


def test_a_clinic_without_settings_sends_nothing():
    assert in_force([], NOW) == SWITCHED_OFF
