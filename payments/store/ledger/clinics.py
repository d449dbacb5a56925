"""Companies, clinics, and the history of each clinic's settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from payments.contract.event import ChargeType
from payments.core.eligibility import ClinicSettings, SettingsChange, in_force
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class ClinicOfOtherCompanyError(ValueError):
    """A clinic belongs to one company and is never moved to another."""

    def __init__(self, clinic_id: str, owner: str) -> None:
        self.clinic_id, self.owner = clinic_id, owner
        super().__init__(f"clinic {clinic_id} belongs to company {owner}")


class CompanyRow(NamedTuple):
    """What a company decides for all of its clinics."""

    company: str
    timezone: str
    hold_days: int
    dos_first: bool
    adjustments: str


class SettingsRow(NamedTuple):
    """A clinic's settings from a moment on, and who set them."""

    since: datetime
    integration: bool
    charge_types: list[str]
    set_by: str


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic, whose company it is, that company's time zone, and all its settings so far, oldest first."""

    clinic_id: str
    company_id: str
    timezone: str
    changes: tuple[SettingsChange, ...]

    def settings_at(self, moment: datetime) -> ClinicSettings:
        """Return the settings in force at the moment."""
        return in_force(self.changes, moment)


def load(tx: Transaction, clinic_ids: Iterable[str]) -> dict[str, Clinic]:
    """Return the clinics that exist under these ids, by id."""
    ids = sorted(set(clinic_ids))
    return _load(tx, "WHERE clinics.clinic_id = ANY(:ids)", {"ids": ids}) if ids else {}


def load_all(tx: Transaction) -> dict[str, Clinic]:
    """Return every clinic, by id, in the order of the ids."""
    return _load(tx, "", {})


def local_day(tx: Transaction, company_id: str, now: datetime) -> date:
    """Return the day that it is for a company."""
    found = tx.execute(text("SELECT timezone FROM companies WHERE company_id = :id"), {"id": company_id})
    return now.astimezone(ZoneInfo(found.scalar_one_or_none() or "UTC")).date()


def create(tx: Transaction, owners: Iterable[tuple[str, str]]) -> None:
    """Let clinics and their companies come into being, from (clinic, company); what exists stays as it is."""
    clinics = dict(owners)
    create_companies(tx, clinics.values())
    tx.execute(
        text(
            "INSERT INTO clinics (clinic_id, company_id) SELECT * FROM unnest(CAST(:clinics AS text[]), "
            "CAST(:companies AS text[])) ORDER BY 1 ON CONFLICT DO NOTHING"
        ),
        {"clinics": list(clinics), "companies": list(clinics.values())},
    )


def create_companies(tx: Transaction, company_ids: Iterable[str]) -> None:
    """Let companies come into being; what exists stays as it is."""
    tx.execute(
        text("INSERT INTO companies (company_id) SELECT unnest(CAST(:ids AS text[])) ON CONFLICT DO NOTHING"),
        {"ids": sorted(set(company_ids))},
    )


def lock_company(tx: Transaction, company_id: str) -> CompanyRow:
    """Return a company as it stands, and keep others from changing it until the commit."""
    found = tx.execute(
        text(
            "SELECT company_id, timezone, hold_days, dos_first, adjustments FROM companies "
            "WHERE company_id = :company_id FOR NO KEY UPDATE"
        ),
        {"company_id": company_id},
    )
    return CompanyRow(*found.one())


def change_company(tx: Transaction, company_id: str, chosen: Mapping[str, object]) -> CompanyRow:
    """Set some of a company's columns, and return all of them."""
    assignments = ", ".join(f"{name} = :{name}" for name in ("company_id", *chosen))
    found = tx.execute(
        text(
            f"UPDATE companies SET {assignments} WHERE company_id = :company_id "
            "RETURNING company_id, timezone, hold_days, dos_first, adjustments"
        ),
        {"company_id": company_id, **chosen},
    )
    return CompanyRow(*found.one())


def change_settings(tx: Transaction, clinic_id: str, settings: ClinicSettings, *, since: datetime, who: str) -> None:
    """Add to the history of a clinic's settings."""
    tx.execute(
        text(
            "INSERT INTO clinic_settings (clinic_id, since, integration, charge_types, set_by) "
            "VALUES (:clinic_id, :since, :integration, :charge_types, :who)"
        ),
        {
            "clinic_id": clinic_id,
            "since": since,
            "integration": settings.integration,
            "charge_types": [kind.value for kind in ChargeType if kind in settings.charge_types],
            "who": who,
        },
    )


def names(tx: Transaction, clinic_ids: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
    """Return the ids of all clinics, or of those of these that exist, sorted, and no more than a limit."""
    found = tx.execute(
        text(
            "SELECT clinic_id FROM clinics WHERE CAST(:ids AS text[]) IS NULL OR clinic_id = ANY(:ids) "
            "ORDER BY 1 LIMIT :limit"
        ),
        {"ids": None if clinic_ids is None else list(clinic_ids), "limit": limit},
    )
    return list(found.scalars())


def companies(tx: Transaction, clinic_ids: Sequence[str] | None = None) -> list[CompanyRow]:
    """Return every company, or those of these clinics."""
    found = tx.execute(
        text(
            "SELECT company_id, timezone, hold_days, dos_first, adjustments FROM companies "
            "WHERE CAST(:ids AS text[]) IS NULL OR company_id IN "
            "(SELECT company_id FROM clinics WHERE clinic_id = ANY(:ids)) ORDER BY company_id"
        ),
        {"ids": None if clinic_ids is None else list(clinic_ids)},
    )
    return [CompanyRow(*row) for row in found]


def settings_history(tx: Transaction, clinic_id: str) -> list[SettingsRow]:
    """Return every setting of a clinic so far, the newest first."""
    found = tx.execute(
        text(
            "SELECT since, integration, charge_types, set_by FROM clinic_settings WHERE clinic_id = :id "
            "ORDER BY since DESC, id DESC"
        ),
        {"id": clinic_id},
    )
    return [SettingsRow(*row) for row in found]


def _load(tx: Transaction, where: str, parameters: dict[str, Any]) -> dict[str, Clinic]:
    found = tx.execute(
        text(
            "SELECT clinics.clinic_id, company_id, timezone, since, integration, charge_types "
            "FROM clinics JOIN companies USING (company_id) "
            f"LEFT JOIN clinic_settings ON clinic_settings.clinic_id = clinics.clinic_id {where} "
            "ORDER BY clinics.clinic_id, since, clinic_settings.id"
        ),
        parameters,
    )
    clinics: dict[str, Clinic] = {}
    for clinic_id, company_id, timezone, since, integration, charge_types in found:
        clinic = clinics.get(clinic_id, Clinic(clinic_id, company_id, timezone, ()))
        if since is not None:
            settings = ClinicSettings(integration, frozenset(map(ChargeType, charge_types)))
            clinic = replace(clinic, changes=(*clinic.changes, SettingsChange(since, settings)))
        clinics[clinic_id] = clinic
    return clinics
