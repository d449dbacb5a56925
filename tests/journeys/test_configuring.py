"""The settings of a clinic: history, defaults and company (rule D1)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.core.timezone import TimezoneError
from payments.journeys import importing
from payments.journeys.configuring import (
    ClinicOfOtherCompanyError,
    ClinicRow,
    CompanyUpdate,
    SettingsUpdate,
    companies_without_timezone,
    list_clinic_settings,
    set_clinic,
    set_company,
)
from tests.builders.events import NOW, run_context, saved_payment, stream_entries
from tests.builders.ledger import add_earlier_clinic_key

COPAY, SUPPLIES = ChargeType.COPAY, ChargeType.SUPPLIES


def set_settings(tx, *, days=0, **changes):
    return set_clinic(
        tx, SettingsUpdate("clinic", "company", **changes), now=NOW + timedelta(days=days), who="user:admin"
    )


def test_new_clinic_has_the_integration_off_and_omitted_settings_stay(tx):
    assert set_settings(tx) == ClinicRow("clinic", "company", False, [])
    assert set_settings(tx, charge_types=[SUPPLIES, COPAY], days=1) == ClinicRow(
        "clinic", "company", False, [COPAY, SUPPLIES]
    )
    assert set_settings(tx, integration=True, days=2) == ClinicRow("clinic", "company", True, [COPAY, SUPPLIES])


def test_changed_clinic_settings_are_recorded_and_unchanged_ones_are_not(tx):
    for day, integration in enumerate([True, True, False, True]):
        set_settings(tx, integration=integration, days=day)

    found = tx.execute(text("SELECT since, integration, set_by FROM settings_changes ORDER BY since")).all()
    assert found == [(NOW + timedelta(days=day), day != 2, "user:admin") for day in (0, 2, 3)]
    assert [row.integration for day in range(4) for row in list_clinic_settings(tx, NOW + timedelta(days=day))] == [
        True,
        True,
        False,
        True,
    ]


def test_changed_company_settings_are_audited_and_unchanged_ones_are_not(tx):
    for day, changes in enumerate(
        [{"adjustments": "auto"}, {"adjustments": "auto"}, {"hold_days": 3, "dos_first": True}]
    ):
        set_company(tx, CompanyUpdate("company", **changes), now=NOW + timedelta(days=day), who="user:admin")

    found = tx.execute(text("SELECT at, who, action, subject, detail FROM audit ORDER BY id")).all()
    assert found == [
        (NOW, "user:admin", "changed company", "company", "adjustments: review to auto"),
        (
            NOW + timedelta(days=2),
            "user:admin",
            "changed company",
            "company",
            "hold_days: 30 to 3, dos_first: False to True",
        ),
    ]


def test_clinic_cannot_move_to_another_company(tx):
    add_earlier_clinic_key(tx)
    set_settings(tx, integration=True)

    with pytest.raises(ClinicOfOtherCompanyError, match="clinic clinic belongs to another company"):
        set_clinic(tx, SettingsUpdate("clinic", "other", integration=False), now=NOW, who="user:admin")
    assert list_clinic_settings(tx, NOW, "clinic") == [ClinicRow("clinic", "company", True, [])]


def test_unknown_clinic_has_no_settings(tx):
    assert list_clinic_settings(tx, NOW, "unheard-of") == []


def default_time_zones(tx):
    """Return the default time zone of each company that has not chosen one."""
    return {row.company: row.timezone for row in companies_without_timezone(tx)}


def test_new_company_has_the_default_time_zone_until_one_is_chosen(tx):
    set_company(tx, CompanyUpdate("set"), now=NOW, who="user:admin", default_timezone="America/Denver")
    set_clinic(tx, SettingsUpdate("c", "of-clinic"), now=NOW, who="user:admin", default_timezone="America/Denver")
    run = replace(run_context(NOW), default_timezone="America/Phoenix")
    importing.import_events(tx, stream_entries([saved_payment(clinic_id="n", company_id="imported")]), run)
    assert default_time_zones(tx) == {
        "set": "America/Denver",
        "of-clinic": "America/Denver",
        "imported": "America/Phoenix",
    }

    for company, zone in (("set", "America/Denver"), ("imported", "UTC")):
        after = set_company(tx, CompanyUpdate(company, timezone=zone), now=NOW, who="user:admin")
        assert (after.timezone, after.timezone_chosen) == (zone, True)
    assert default_time_zones(tx) == {"of-clinic": "America/Denver"}
    set_company(tx, CompanyUpdate("of-clinic", hold_days=3), now=NOW, who="user:admin")
    assert default_time_zones(tx) == {"of-clinic": "America/Denver"}


def test_time_zone_that_postgresql_does_not_know_is_refused(tx):
    tx.execute(text("CREATE TEMP VIEW pg_timezone_names AS SELECT 'America/Detroit' AS name"))
    tx.execute(text("SET LOCAL search_path = pg_temp, public, pg_catalog"))

    set_company(tx, CompanyUpdate("a", timezone="America/Detroit"), now=NOW, who="user:admin")
    with pytest.raises(TimezoneError, match=r"timezone: expected an IANA name, .* got 'US/Michigan'"):
        set_company(tx, CompanyUpdate("a", timezone="US/Michigan"), now=NOW, who="user:admin")
