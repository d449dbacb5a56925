"""Companies and their clinics, with the settings of each clinic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from payments.contract.event import ChargeType
from payments.contract.keys import ClinicKey
from payments.contract.money import Money
from payments.core.eligibility import ClinicSettings, SettingsChange, settings_as_of
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.conditions import HAS_MOVED, company_in_scope, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import Query, fetch
from payments.store.db.statement import text
from payments.store.ledger import clinic_owners
from payments.store.tables import clinics as clinics_table


class CompanyRow(NamedTuple):
    """A company and the settings that apply to all its clinics.

    `timezone` is an IANA name, the default one unless `timezone_chosen`. Rule 4 of D8 applies a payment `hold_days`
    after its deposit date. `dos_first` runs rule 2 of D8 before rule 1. `adjustments` is `review` or `auto`. An
    exception must be decided within `exception_days` business days (rule D6). A refund above `refund_limit` dollars
    needs an approval.
    """

    company: str
    timezone: str
    hold_days: int
    dos_first: bool
    adjustments: str
    timezone_chosen: bool
    exception_days: int
    refund_limit: Money


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic, its company's time zone (IANA name), and all versions of its settings, oldest first.

    A clinic of a retired company counts as retired.
    """

    key: ClinicKey
    timezone: str
    is_retired: bool
    changes: tuple[SettingsChange, ...] = ()

    def settings_at(self, moment: datetime) -> ClinicSettings:
        """Return the settings that applied at this moment (rule D2)."""
        return settings_as_of(self.changes, moment)


_KEY_COLUMNS = list(ClinicKey._fields)
_COMPANY_COLUMNS = ", ".join(["company_id AS company", *CompanyRow._fields[1:]])
# A retired clinic, or a clinic of a company that is retired or has moved to another installation, is in no list and has
# no settings: it counts as switched off.
_IS_COMPANY_LISTED = f"(companies.retired_at IS NULL AND (companies.{HAS_MOVED}) IS NOT TRUE)"
_IS_LISTED = f"(clinics.retired_at IS NULL AND {_IS_COMPANY_LISTED})"


def load(tx: Transaction, keys: Iterable[ClinicKey]) -> dict[ClinicKey, Clinic]:
    """Return the clinics that exist under these keys, by key."""
    return fetch(tx, load_query(keys))


def load_query(keys: Iterable[ClinicKey]) -> Query[dict[ClinicKey, Clinic]]:
    """Return the query of `load`."""
    wanted = f"JOIN {unnest_item(clinics_table, _KEY_COLUMNS)} USING (company_id, clinic_id)"
    return _query(wanted, column_arrays(_key_rows(keys), _KEY_COLUMNS))


def load_all(tx: Transaction, clinic_id: str | None = None) -> dict[ClinicKey, Clinic]:
    """Return the clinics that are not retired, sorted by id and company. `clinic_id` limits them to this id."""
    of_id = " AND clinic_id = :clinic_id" if clinic_id else ""
    return fetch(tx, _query(f"WHERE {_IS_LISTED}{of_id}", {"clinic_id": clinic_id}))


def load_or_create(tx: Transaction, keys: Iterable[ClinicKey], default_timezone: str) -> dict[ClinicKey, Clinic]:
    """Return these clinics. Create missing clinics as `create` does."""
    wanted = set(keys)
    found = load(tx, wanted)
    return found | create(tx, wanted - set(found), default_timezone)


def company_exists(tx: Transaction, company_id: str) -> bool:
    """Return whether Billing has a company with this id."""
    found = tx.execute(text("SELECT EXISTS (SELECT FROM companies WHERE company_id = :id)"), {"id": company_id})
    return bool(found.scalar_one())


def local_date(tx: Transaction, company_id: str, now: datetime) -> date:
    """Return the date at `now` in the company's time zone. If the company does not exist, return the date in UTC."""
    return local_dates(tx, [company_id], now).get(company_id, now.astimezone(UTC).date())


def local_dates(tx: Transaction, company_ids: Iterable[str], now: datetime) -> dict[str, date]:
    """Return the date at `now` in the time zone of each company. Unknown companies are omitted."""
    query = "SELECT company_id, timezone FROM companies WHERE company_id = ANY(:ids)"
    found = tx.execute(text(query), {"ids": list(company_ids)})
    return {company_id: now.astimezone(ZoneInfo(timezone)).date() for company_id, timezone in found}


def create(tx: Transaction, keys: Iterable[ClinicKey], default_timezone: str) -> dict[ClinicKey, Clinic]:
    """Create clinics and their companies, and return these clinics. Existing clinics are not changed.

    A clinic whose id another company has is neither created nor returned.
    """
    missing = sorted(set(keys))
    if not missing or not (missing := clinic_owners.available_keys(tx, missing)):
        return {}
    create_companies(tx, (key.company_id for key in missing), default_timezone)
    tx.execute(
        text(insert_statement(clinics_table, _KEY_COLUMNS, "ORDER BY company_id, clinic_id ON CONFLICT DO NOTHING")),
        column_arrays(_key_rows(missing), _KEY_COLUMNS),
    )
    return load(tx, missing)


def lock(tx: Transaction, keys: Iterable[ClinicKey]) -> None:
    """Lock clinics, so that no other transaction changes their settings.

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    tx.execute(
        text(
            f"SELECT FROM clinics JOIN {unnest_item(clinics_table, _KEY_COLUMNS)} USING (company_id, clinic_id) "
            "ORDER BY company_id, clinic_id FOR NO KEY UPDATE OF clinics"
        ),
        column_arrays(_key_rows(keys), _KEY_COLUMNS),
    )


def create_companies(tx: Transaction, company_ids: Iterable[str], default_timezone: str) -> None:
    """Create companies with the default time zone, which counts as not chosen. Existing companies are not changed."""
    tx.execute(
        text(
            "INSERT INTO companies (company_id, timezone) SELECT unnest(CAST(:ids AS text[])), :timezone "
            "ON CONFLICT DO NOTHING"
        ),
        {"ids": sorted(set(company_ids)), "timezone": default_timezone},
    )


def companies_without_timezone(tx: Transaction, company_ids: Sequence[str] | None) -> list[CompanyRow]:
    """Return the companies without a chosen time zone, sorted by id; only those in `company_ids` unless it is None."""
    found = tx.execute(
        text(
            f"SELECT {_COMPANY_COLUMNS} FROM companies WHERE NOT timezone_chosen AND {_IS_COMPANY_LISTED} "
            "AND (CAST(:ids AS text[]) IS NULL OR company_id = ANY(:ids)) ORDER BY company_id"
        ),
        {"ids": None if company_ids is None else list(company_ids)},
    )
    return [CompanyRow(**row) for row in found.mappings()]


def lock_company(tx: Transaction, company_id: str) -> CompanyRow:
    """Lock a company, and return it. Locks: its row FOR NO KEY UPDATE. Raises NoResultFound if it does not exist."""
    found = tx.execute(
        text(f"SELECT {_COMPANY_COLUMNS} FROM companies WHERE company_id = :company_id FOR NO KEY UPDATE"),
        {"company_id": company_id},
    )
    return CompanyRow(**found.mappings().one())


def change_company(tx: Transaction, company_id: str, changes: Mapping[str, object]) -> CompanyRow:
    """Change columns of a company, and return the company. `changes` maps column names to values."""
    assignments = ", ".join(f"{name} = :{name}" for name in ("company_id", *changes))
    found = tx.execute(
        text(f"UPDATE companies SET {assignments} WHERE company_id = :company_id RETURNING {_COMPANY_COLUMNS}"),
        {"company_id": company_id, **changes},
    )
    return CompanyRow(**found.mappings().one())


def list_ids(tx: Transaction, scope: Scope = EVERYTHING, limit: int | None = None) -> list[str]:
    """Return up to `limit` clinic ids of a scope that are not retired, sorted."""
    found = tx.execute(
        text(
            f"SELECT DISTINCT clinic_id FROM clinics JOIN companies USING (company_id) WHERE {_IS_LISTED}"
            f"{in_scope(scope, 'clinics')} ORDER BY 1 LIMIT :limit"
        ),
        scope_parameters(scope) | {"limit": limit},
    )
    return list(found.scalars())


def list_keys(tx: Transaction, scope: Scope = EVERYTHING) -> list[ClinicKey]:
    """Return the keys of the clinics in a scope that are not retired, sorted."""
    listed = f"clinics JOIN companies USING (company_id) WHERE {_IS_LISTED}{in_scope(scope, 'clinics')}"
    query = f"SELECT company_id, clinic_id FROM {listed} ORDER BY 1, 2"
    return [ClinicKey._make(row) for row in tx.execute(text(query), scope_parameters(scope))]


def list_companies(tx: Transaction, scope: Scope = EVERYTHING) -> list[CompanyRow]:
    """Return the companies of a scope that are not retired, sorted by id.

    If the scope is limited to clinics, these are the companies of the clinics.
    """
    query = f"SELECT {_COMPANY_COLUMNS} FROM companies WHERE {_is_company_in(scope)} ORDER BY company_id"
    return [CompanyRow(**row) for row in tx.execute(text(query), scope_parameters(scope)).mappings()]


def list_timezones(tx: Transaction, scope: Scope) -> list[str]:
    """Return the distinct time zones of the companies that `list_companies` returns."""
    query = f"SELECT DISTINCT timezone FROM companies WHERE {_is_company_in(scope)} ORDER BY timezone"
    return list(tx.execute(text(query), scope_parameters(scope)).scalars())


def list_company_ids(tx: Transaction, scope: Scope = EVERYTHING, limit: int | None = None) -> list[str]:
    """Return up to `limit` ids of the companies that `list_companies` returns."""
    query = f"SELECT company_id FROM companies WHERE {_is_company_in(scope)} ORDER BY company_id LIMIT :limit"
    return list(tx.execute(text(query), scope_parameters(scope) | {"limit": limit}).scalars())


def _is_company_in(scope: Scope) -> str:
    owners = f"SELECT company_id FROM clinics WHERE true{in_scope(scope, 'clinics')}"
    is_owner = "" if scope.clinics is None else f" AND company_id IN ({owners})"
    return f"{_IS_COMPANY_LISTED}{company_in_scope(scope, 'companies')}{is_owner}"


def _query(which: str, parameters: dict[str, Any]) -> Query[dict[ClinicKey, Clinic]]:
    return Query(
        f"SELECT company_id, clinic_id, timezone, {_IS_LISTED} AS is_listed, since, integration, charge_types "
        "FROM clinics JOIN companies USING (company_id) LEFT JOIN settings_changes USING (company_id, clinic_id) "
        f"{which} ORDER BY clinic_id, company_id, since, settings_changes.id",
        parameters,
        _clinics_of,
    )


def _clinics_of(rows: Iterable[Any]) -> dict[ClinicKey, Clinic]:
    clinics: dict[ClinicKey, Clinic] = {}
    for row in rows:
        key = ClinicKey(row.company_id, row.clinic_id)
        clinic = clinics.get(key, Clinic(key, row.timezone, is_retired=not row.is_listed))
        clinics[key] = clinic
        if row.since is not None and row.is_listed:
            settings = ClinicSettings(row.integration, frozenset(map(ChargeType, row.charge_types)))
            clinics[key] = replace(clinic, changes=(*clinic.changes, SettingsChange(row.since, settings)))
    return clinics


def _key_rows(keys: Iterable[ClinicKey]) -> list[dict[str, str]]:
    return [key._asdict() for key in sorted(set(keys))]
