"""Set which payments of a clinic flow, and what its company decides. Every change stays on record."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import available_timezones

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.contract.event import ChargeType
from payments.core.eligibility import ClinicSettings
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics
from payments.store.ledger.clinics import ClinicOfOtherCompanyError, CompanyRow, SettingsRow

__all__ = ["ClinicOfOtherCompanyError", "ClinicRow", "CompanyRow", "SettingsRow"]


class ClinicRow(NamedTuple):
    """A clinic's settings of now."""

    clinic: str
    company: str
    integration: bool
    types: list[ChargeType]


class Wish(NamedTuple):
    """The settings that a clinic is to have; None keeps what is set."""

    clinic_id: str
    company_id: str
    integration: bool | None = None
    charge_types: Collection[ChargeType] | None = None


class CompanyWish(NamedTuple):
    """What a company is to have; None keeps what is set."""

    company_id: str
    hold_days: int | None = None
    dos_first: bool | None = None
    adjustments: str | None = None
    timezone: str | None = None


class TimezoneError(ValueError):
    """There is no such time zone."""


def set_company(tx: Transaction, wish: CompanyWish, *, now: datetime, who: str) -> CompanyRow:
    """Set what a company decides; it comes into being if need be. Raises TimezoneError for an unknown time zone."""
    if wish.timezone is not None and wish.timezone not in available_timezones():
        raise TimezoneError(f"timezone: expected an IANA name, e.g. America/Denver; got {wish.timezone!r}")
    clinics.create_companies(tx, [wish.company_id])
    before = clinics.lock_company(tx, wish.company_id)
    chosen = {name: value for name, value in wish._asdict().items() if name != "company_id" and value is not None}
    after = clinics.change_company(tx, wish.company_id, chosen)
    if changes := _changes(before, after):
        audit.add(tx, AuditEntry(now, who, "changed company", wish.company_id, changes))
    return after


def set_clinic(tx: Transaction, wish: Wish, *, now: datetime, who: str) -> ClinicRow:
    """Set a clinic's settings from now on; the clinic and its company come into being if need be.

    Raises ClinicOfOtherCompanyError where the clinic belongs to another company.
    """
    clinics.create(tx, [(wish.clinic_id, wish.company_id)])
    clinic = clinics.load(tx, [wish.clinic_id])[wish.clinic_id]
    if clinic.company_id != wish.company_id:
        raise ClinicOfOtherCompanyError(wish.clinic_id, clinic.company_id)
    before = clinic.settings_at(now)
    settings = ClinicSettings(
        before.integration if wish.integration is None else wish.integration,
        before.charge_types if wish.charge_types is None else frozenset(wish.charge_types),
    )
    if not clinic.changes or settings != before:
        clinics.change_settings(tx, wish.clinic_id, settings, since=now, who=who)
    return _row(wish.clinic_id, wish.company_id, settings)


def show_clinics(tx: Transaction, now: datetime, clinic_id: str | None = None) -> list[ClinicRow]:
    """Return the settings of one clinic or of all; empty if there is none."""
    found = clinics.load(tx, [clinic_id]) if clinic_id else clinics.load_all(tx)
    return [_row(clinic.clinic_id, clinic.company_id, clinic.settings_at(now)) for clinic in found.values()]


def clinic_names(tx: Transaction, clinic_ids: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
    """Return the ids of all clinics, or of those of these that exist, sorted, and no more than a limit."""
    return clinics.names(tx, clinic_ids, limit)


def show_history(tx: Transaction, clinic_id: str) -> list[SettingsRow]:
    """Return every setting of a clinic so far, the newest first."""
    return clinics.settings_history(tx, clinic_id)


def show_companies(tx: Transaction, clinic_ids: Sequence[str] | None = None) -> list[CompanyRow]:
    """Return every company, or those of these clinics."""
    return clinics.companies(tx, clinic_ids)


def _changes(before: CompanyRow, after: CompanyRow) -> str:
    both = zip(CompanyRow._fields, before, after, strict=True)
    return ", ".join(f"{name}: {old} to {new}" for name, old, new in both if old != new)


def _row(clinic_id: str, company_id: str, settings: ClinicSettings) -> ClinicRow:
    types = [kind for kind in ChargeType if kind in settings.charge_types]
    return ClinicRow(clinic_id, company_id, settings.integration, types)
