"""Eligibility (rule D2): the rows of the table, their order, and the clinic settings that apply."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from payments.contract.event import ChargeType
from payments.core.eligibility import (
    NO_SETTINGS,
    ClinicSettings,
    Eligible,
    Ineligible,
    NeedsReview,
    SettingsChange,
    check_eligibility,
    settings_as_of,
)
from payments.core.import_rule import ImportContext, decide
from payments.core.outcome import Reason
from tests.builders.events import BACKOFF, COPAYS, NOW, next_version, saved_payment

NO_TYPE_SELECTED = ClinicSettings(integration=True, charge_types=frozenset())

# Each row of the table: the fields and the settings that match it, and the verdict. The first match decides.
RULE_ROWS = {
    "not paid": ({"paid": False}, None, Ineligible(None)),
    "internal payment": ({"internal_payment": True}, None, Ineligible(Reason.INTERNAL_PAYMENT)),
    "integration off": ({}, NO_SETTINGS, Ineligible(Reason.INTEGRATION_OFF)),
    "type not selected": ({}, NO_TYPE_SELECTED, Ineligible(Reason.TYPE_NOT_SELECTED)),
    "amount due is zero": ({"amount_due": "0.00"}, None, NeedsReview()),
    "otherwise": ({}, None, Eligible()),
}


def imported_line(event):
    return decide(event, event.content_hash, None, ImportContext(NOW, BACKOFF, COPAYS)).line


@pytest.mark.parametrize("row", RULE_ROWS)
def test_each_row_of_rule_d2_decides_eligibility(row):
    changes, settings, verdict = RULE_ROWS[row]

    assert check_eligibility(saved_payment(**changes), None, settings or COPAYS) == verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"amount_paid": "0.00"}, Eligible()),
        ({"amount_paid": "0.01"}, NeedsReview()),
        ({"amount_paid": "-0.01", "refund_of": "clinic/a/1"}, NeedsReview()),
        ({"amount_paid": "0.00", "refund_of": "clinic/a/1"}, Eligible()),
    ],
)
def test_amount_due_of_zero_needs_review_only_if_money_was_paid(changes, verdict):
    assert check_eligibility(saved_payment(**{"amount_due": "0.00"} | changes), None, COPAYS) == verdict


@pytest.mark.parametrize(("earlier", "later"), [*combinations(RULE_ROWS, 2)])
def test_first_matching_row_decides(earlier, later):
    (changes, settings, verdict), (also, other_settings, _) = RULE_ROWS[earlier], RULE_ROWS[later]

    assert check_eligibility(saved_payment(**also | changes), None, settings or other_settings or COPAYS) == verdict


@pytest.mark.parametrize("charge_type", ChargeType)
def test_charge_type_is_eligible_only_if_it_is_selected(charge_type):
    event = saved_payment(charge_type=charge_type)
    for selected in ChargeType:
        settings = ClinicSettings(integration=True, charge_types=frozenset({selected}))
        assert (check_eligibility(event, None, settings) == Eligible()) is (selected is charge_type)


@pytest.mark.parametrize("settings", [NO_SETTINGS, NO_TYPE_SELECTED], ids=["switched off", "type unticked"])
def test_imported_line_stays_eligible_when_settings_change(settings):
    first = saved_payment()

    assert check_eligibility(next_version(first, memo="corrected"), imported_line(first), settings) == Eligible()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"charge_type": "Supplies"}, Ineligible(Reason.TYPE_NOT_SELECTED)),
        ({"internal_payment": True}, Ineligible(Reason.INTERNAL_PAYMENT)),
        ({"paid": False}, Ineligible(None)),
    ],
    ids=["type", "internal", "paid"],
)
def test_imported_line_becomes_ineligible_by_its_own_change(change, verdict):
    first = saved_payment()

    assert check_eligibility(next_version(first, **change), imported_line(first), COPAYS) == verdict


def test_line_that_was_never_imported_does_not_stay_eligible():
    first = saved_payment(internal_payment=True)
    second = next_version(first, internal_payment=False)

    assert check_eligibility(second, imported_line(first), NO_SETTINGS) == Ineligible(Reason.INTEGRATION_OFF)


def test_settings_as_of_a_moment_are_those_of_the_latest_change_before():
    noon = datetime(2026, 6, 5, 12, tzinfo=UTC)
    history = [
        SettingsChange(noon - timedelta(days=1), NO_SETTINGS),
        SettingsChange(noon, COPAYS),
        SettingsChange(noon + timedelta(days=1), NO_TYPE_SELECTED),
    ]
    moments = {
        timedelta(seconds=-1): NO_SETTINGS,
        timedelta(0): COPAYS,
        timedelta(hours=23): COPAYS,
        timedelta(days=1): NO_TYPE_SELECTED,
        timedelta(days=-30): NO_SETTINGS,  # before the first settings: those
    }

    assert {after: settings_as_of(history, noon + after) for after in moments} == moments


def test_clinic_without_settings_has_the_integration_off():
    assert settings_as_of([], NOW) == NO_SETTINGS
