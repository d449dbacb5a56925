"""Change the settings of clinics and companies (rule D1). A history keeps every change."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.contract.event import ChargeType
from payments.contract.keys import ClinicKey
from payments.contract.money import Money
from payments.core.company_move import MoveError
from payments.core.conflict import ChangedMeanwhileError
from payments.core.eligibility import ClinicSettings
from payments.core.scope import EVERYTHING, Scope
from payments.core.timezone import DEFAULT_TIMEZONE, TimezoneError, check_timezone
from payments.store.db.connection import Transaction
from payments.store.ledger import clinic_settings, clinics, company_moves, confirmation, timezones
from payments.store.ledger.admission import NamedClinic
from payments.store.ledger.clinic_owners import ClinicOfOtherCompanyError
from payments.store.ledger.clinic_settings import SettingsRow
from payments.store.ledger.clinics import CompanyRow

__all__ = ["ClinicOfOtherCompanyError", "ClinicRow", "CompanyRow", "SettingsRow"]


class ClinicRow(NamedTuple):
    """A clinic's current settings."""

    clinic: str
    company: str
    integration: bool
    types: list[ChargeType]

    @property
    def key(self) -> ClinicKey:
        """The key of the clinic."""
        return ClinicKey(self.company, self.clinic)


class SettingsUpdate(NamedTuple):
    """The settings to change for a clinic. None leaves a setting unchanged.

    `seen` are the settings that the user saw before the change, None to skip the comparison.
    """

    clinic_id: str
    company_id: str
    integration: bool | None = None
    charge_types: Collection[ChargeType] | None = None
    seen: ClinicSettings | None = None

    @property
    def key(self) -> ClinicKey:
        """The key of the clinic."""
        return ClinicKey(self.company_id, self.clinic_id)


class CompanyUpdate(NamedTuple):
    """The settings to change for a company. None leaves a setting unchanged.

    `payments.store.ledger.clinics.CompanyRow` describes the settings. `seen` are the settings that the user saw
    before the change, None to skip the comparison.
    """

    company_id: str
    hold_days: int | None = None
    dos_first: bool | None = None
    adjustments: str | None = None
    timezone: str | None = None
    exception_days: int | None = None
    refund_limit: Money | None = None
    seen: CompanyRow | None = None


def set_company(
    tx: Transaction, update: CompanyUpdate, *, now: datetime, who: str, default_timezone: str = DEFAULT_TIMEZONE
) -> CompanyRow:
    """Change a company's settings, and return the new settings. This confirms the company.

    An unknown company is created with the default time zone. Locks the company's row.

    Raises TimezoneError if this system or PostgreSQL does not know the time zone, ChangedMeanwhileError if the settings
    are not those that the user saw, and MoveError if the company has moved to another installation.
    """
    if update.timezone is not None and not timezones.is_timezone_known(tx, check_timezone(update.timezone)):
        raise TimezoneError(update.timezone)
    _check_has_not_moved(tx, update.company_id)
    clinics.create_companies(tx, [update.company_id], default_timezone)
    if confirmation.confirm(tx, NamedClinic(update.company_id, None), now, who):
        audit.add(tx, AuditEntry(now, who, "confirmed company", update.company_id, company_id=update.company_id))
    before = clinics.lock_company(tx, update.company_id)
    if update.seen is not None and (changes := _changed_columns(update.seen, before)):
        raise ChangedMeanwhileError(f"company {update.company_id}", changes)
    wanted = {name: value for name, value in update._asdict().items() if name not in {"company_id", "seen"}}
    chosen = {name: value for name, value in wanted.items() if value is not None}
    chosen |= {"timezone_chosen": True} if update.timezone is not None else {}
    after = clinics.change_company(tx, update.company_id, chosen)
    if changes := _changed_columns(before, after):
        company_id = update.company_id
        audit.add(tx, AuditEntry(now, who, "changed company", company_id, changes, company_id=company_id))
    return after


def set_clinic(
    tx: Transaction, update: SettingsUpdate, *, now: datetime, who: str, default_timezone: str = DEFAULT_TIMEZONE
) -> ClinicRow:
    """Change a clinic's settings from `now` on, and return the new settings. This confirms the clinic.

    An unknown clinic is created. An unknown company is created with the default time zone. If the clinic's latest
    change is later than `now`, the new change takes effect at that later time. Locks the clinic's row.

    Raises ClinicOfOtherCompanyError if another company has a clinic with this id, ChangedMeanwhileError if the settings
    are not those that the user saw, and MoveError if the company has moved to another installation.
    """
    _check_has_not_moved(tx, update.company_id)
    if update.key not in clinics.load_or_create(tx, [update.key], default_timezone):
        raise ClinicOfOtherCompanyError(update.clinic_id)
    clinics.lock(tx, [update.key])
    if confirmation.confirm(tx, NamedClinic(*update.key), now, who):
        audit.add(tx, AuditEntry(now, who, "confirmed clinic", update.clinic_id, company_id=update.company_id))
    clinic = clinics.load(tx, [update.key])[update.key]
    since = max(now, clinic.changes[-1].since) if clinic.changes else now
    before = clinic.settings_at(since)
    _check_seen(tx, update, before)
    settings = ClinicSettings(
        before.integration if update.integration is None else update.integration,
        before.charge_types if update.charge_types is None else frozenset(update.charge_types),
    )
    if not clinic.changes or settings != before:
        clinic_settings.add(tx, update.key, settings, since=since, who=who)
    return _clinic_row(update.key, settings)


def _check_has_not_moved(tx: Transaction, company_id: str) -> None:
    if not company_moves.has_not_moved(tx, company_id):
        raise MoveError(f"company {company_id} has moved to another installation; nothing was changed")


def list_clinic_settings(
    tx: Transaction, now: datetime, clinic_id: str | None = None, scope: Scope = EVERYTHING
) -> list[ClinicRow]:
    """Return the current settings of the clinics in a scope. `clinic_id` limits them to clinics with this id."""
    found = clinics.load_all(tx, clinic_id)
    return [_clinic_row(key, clinic.settings_at(now)) for key, clinic in found.items() if scope.may_see(*key)]


def unconfigured_clinic_ids(tx: Transaction, company_id: str, clinic_ids: Iterable[str], now: datetime) -> list[str]:
    """Return those of the given ids that belong to no configured clinic of the company.

    A clinic is configured if its integration is on or if it has charge types.
    """
    rows = list_clinic_settings(tx, now, scope=Scope.of_companies(company_id))
    known = {row.clinic for row in rows if row.integration or row.types}
    return [clinic_id for clinic_id in clinic_ids if clinic_id not in known]


def list_clinic_ids(tx: Transaction, scope: Scope = EVERYTHING, limit: int | None = None) -> list[str]:
    """Return the ids of the clinics in a scope, sorted; at most `limit`."""
    return clinics.list_ids(tx, scope, limit)


def list_company_ids(tx: Transaction, scope: Scope = EVERYTHING, limit: int | None = None) -> list[str]:
    """Return the ids of the companies in a scope, sorted; at most `limit`."""
    return clinics.list_company_ids(tx, scope, limit)


def list_clinic_keys(tx: Transaction, scope: Scope = EVERYTHING) -> list[ClinicKey]:
    """Return the keys of the clinics in a scope, sorted."""
    return clinics.list_keys(tx, scope)


def show_history(tx: Transaction, clinic: ClinicKey) -> list[SettingsRow]:
    """Return all settings that a clinic has had, newest first."""
    return clinic_settings.list_versions(tx, clinic)


def list_companies(tx: Transaction, scope: Scope = EVERYTHING) -> list[CompanyRow]:
    """Return the companies in a scope. If the scope is limited to clinics, these are the companies of the clinics."""
    return clinics.list_companies(tx, scope)


def companies_without_timezone(tx: Transaction, company_ids: Sequence[str] | None = None) -> list[CompanyRow]:
    """Return the companies for which nobody has chosen a time zone. `company_ids` limits them to these companies."""
    return clinics.companies_without_timezone(tx, company_ids)


def lock_clinics(tx: Transaction, keys: Collection[ClinicKey]) -> None:
    """Lock clinics that will be changed in one transaction. The fixed order of the locks prevents deadlocks."""
    clinics.lock(tx, keys)


def _check_seen(tx: Transaction, update: SettingsUpdate, now: ClinicSettings) -> None:
    seen = update.seen
    if seen is not None and seen != now:
        last_change, *_ = clinic_settings.list_versions(tx, update.key)
        raise ChangedMeanwhileError(f"clinic {update.clinic_id}", _differences(seen, now), last_change.set_by)


def _differences(before: ClinicSettings, after: ClinicSettings) -> str:
    switch = {True: "on", False: "off"}
    parts = {
        "added": ", ".join(kind for kind in ChargeType if kind in after.charge_types - before.charge_types),
        "removed": ", ".join(kind for kind in ChargeType if kind in before.charge_types - after.charge_types),
    }
    if before.integration != after.integration:
        parts = {"integration": f"{switch[before.integration]} to {switch[after.integration]}", **parts}
    return "; ".join(f"{name}: {text}" for name, text in parts.items() if text)


def _changed_columns(before: CompanyRow, after: CompanyRow) -> str:
    both = zip(CompanyRow._fields, before, after, strict=True)
    return ", ".join(f"{name}: {old} to {new}" for name, old, new in both if old != new)


def _clinic_row(key: ClinicKey, settings: ClinicSettings) -> ClinicRow:
    types = [kind for kind in ChargeType if kind in settings.charge_types]
    return ClinicRow(key.clinic_id, key.company_id, settings.integration, types)
