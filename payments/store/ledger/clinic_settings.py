"""The versions of a clinic's settings: its integration switch and its charge types. Each change adds a version."""

from datetime import datetime
from typing import NamedTuple

from payments.contract.event import ChargeType
from payments.contract.keys import ClinicKey
from payments.core.eligibility import ClinicSettings
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class SettingsRow(NamedTuple):
    """One version of a clinic's settings: the time from which it applies, and the user who set it."""

    since: datetime
    integration: bool
    charge_types: list[str]
    set_by: str


def add(tx: Transaction, key: ClinicKey, settings: ClinicSettings, *, since: datetime, who: str) -> None:
    """Add a version to a clinic's settings, which applies from `since` on."""
    tx.execute(
        text(
            "INSERT INTO settings_changes (company_id, clinic_id, since, integration, charge_types, set_by) "
            "VALUES (:company_id, :clinic_id, :since, :integration, :charge_types, :who)"
        ),
        {
            **key._asdict(),
            "since": since,
            "integration": settings.integration,
            "charge_types": [kind.value for kind in ChargeType if kind in settings.charge_types],
            "who": who,
        },
    )


def list_versions(tx: Transaction, key: ClinicKey) -> list[SettingsRow]:
    """Return all versions of a clinic's settings, newest first."""
    found = tx.execute(
        text(
            "SELECT since, integration, charge_types, set_by FROM settings_changes "
            "WHERE company_id = :company_id AND clinic_id = :clinic_id ORDER BY since DESC, id DESC"
        ),
        key._asdict(),
    )
    return [SettingsRow(**row) for row in found.mappings()]
